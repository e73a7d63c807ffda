//! What is left of somebody in the ledger: amounts, and nothing that names them.
//!
//! What was booked stays, since the books of the others would not add up. Who had the accounts, who ordered it, what was
//! noted and by which key it was booked go.

use sea_orm::{ConnectionTrait, Statement, Value};

use super::super::idempotency::PERSON;
use crate::{Result, TenantId, UserId, failure::Failure, tx::Tx};

/// The wallets of `$2`.
const THEIRS: &str = "SELECT wallet FROM ledger_account WHERE tenant = $1 AND owner = $2";

/// The numbers of the next transactions that were booked on somebody's wallets, or that they ordered.
pub(crate) async fn naming(
    db: &impl ConnectionTrait,
    (tenant, user): (TenantId, UserId),
    after: i64,
    limit: u64,
) -> Result<Vec<i64>, Failure> {
    let sql = format!(
        "SELECT number FROM (SELECT number FROM ledger_transaction WHERE tenant = $1 AND number > $3 \
         AND made_by = $4 UNION SELECT number FROM ledger_entry WHERE tenant = $1 AND number > $3 \
         AND wallet IN ({THEIRS})) AS naming ORDER BY number LIMIT {limit}"
    );
    let values: [Value; 4] = [tenant.0.into(), user.0.into(), after.into(), name(user).into()];
    let sql = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(sql).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// Takes what names somebody out of these transactions.
pub(crate) async fn forget(
    tx: &Tx,
    (tenant, user): (TenantId, UserId),
    numbers: &[i64],
) -> Result<(), Failure> {
    let listed: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let listed = listed.join(", ");
    let ordered = format!(
        "UPDATE ledger_transaction SET made_by = 'erased' WHERE tenant = $1 AND number IN ({listed}) AND made_by = $2"
    );
    run(tx, &ordered, [tenant.0.into(), name(user).into()]).await?;
    let booked = format!(
        "UPDATE ledger_transaction SET note = '', key = 'erased:' || CAST(number AS TEXT) WHERE tenant = $1 \
         AND number IN (SELECT number FROM ledger_entry WHERE tenant = $1 AND number IN ({listed}) \
         AND wallet IN ({THEIRS}))"
    );
    run(tx, &booked, [tenant.0.into(), user.0.into()]).await
}

/// Makes what somebody had nobody's. Comes last: by it the rest is found.
pub(crate) async fn disown(tx: &Tx, (tenant, user): (TenantId, UserId)) -> Result<(), Failure> {
    let owned = "UPDATE ledger_account SET owner = NULL WHERE tenant = $1 AND owner = $2";
    run(tx, owned, [tenant.0.into(), user.0.into()]).await?;
    let rules = "UPDATE billing_policy SET made_by = 'erased' WHERE tenant = $1 AND made_by = $2";
    run(tx, rules, [tenant.0.into(), name(user).into()]).await
}

/// What somebody is called as an orderer.
fn name(user: UserId) -> String {
    format!("{PERSON}{user}")
}

async fn run(tx: &Tx, sql: &str, values: [Value; 2]) -> Result<(), Failure> {
    tx.db().execute_raw(Statement::from_sql_and_values(tx.db().get_database_backend(), sql, values)).await?;
    Ok(())
}
