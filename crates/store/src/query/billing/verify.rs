//! Proves the ledger of a tenant, row by row, and names the first that is wrong.
//!
//! What is booked is walked in the order of numbers, up to a head that was read first: numbers without gaps, entries that sum
//! to zero, and on each account sequences without gaps and balances that follow from each other. Then accounts are compared
//! with their last entries, and what is held on an account with the holds on it, each by one statement: so it is true of one
//! moment, whatever is booked meanwhile.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder, Statement};
use uuid::Uuid;

use super::Billing;
use crate::{
    Result, TenantId,
    entity::{TenantOwned, ledger_entry, ledger_transaction},
    failure::Failure,
    ledger::{Verdict, Wrong},
};

/// Numbers that are looked at at once.
const PAGE: i64 = 500;

/// The first account that is not as its last entry left it. A person's must not be below zero either.
const ACCOUNTS: &str = "SELECT a.id AS id, a.balance AS stored, COALESCE(e.balance, 0) AS derived \
    FROM ledger_account a LEFT JOIN ledger_entry e \
    ON e.tenant = a.tenant AND e.account = a.id AND e.sequence = a.last_sequence \
    WHERE a.tenant = $1 AND (a.balance <> COALESCE(e.balance, 0) OR (a.last_sequence > 0 AND e.sequence IS NULL) \
    OR (a.balance < 0 AND a.kind <= 3) OR EXISTS (SELECT 1 FROM ledger_entry n WHERE n.tenant = a.tenant \
    AND n.account = a.id AND n.sequence > a.last_sequence)) ORDER BY a.created_at, a.id LIMIT 1";

/// The first account of what is held that is not what the holds on it say.
const HELD: &str = "SELECT a.id AS id, a.balance AS stored, COALESCE(h.total, 0) AS derived \
    FROM ledger_account a LEFT JOIN (SELECT account, CAST(SUM(remaining) AS BIGINT) AS total FROM ledger_hold \
    WHERE tenant = $1 GROUP BY account) h ON h.account = a.id \
    WHERE a.tenant = $1 AND a.kind = 2 AND a.balance <> COALESCE(h.total, 0) \
    ORDER BY a.created_at, a.id LIMIT 1";

/// The first hold whose charges are not what was charged for its subject.
const CHARGED: &str = "SELECT h.subject_id AS id, h.charged AS stored, COALESCE(c.total, 0) AS derived \
    FROM ledger_hold h LEFT JOIN (SELECT subject_kind, subject_id, CAST(SUM(amount) AS BIGINT) AS total \
    FROM ledger_transaction WHERE tenant = $1 AND kind = 6 GROUP BY subject_kind, subject_id) c \
    ON c.subject_kind = h.subject_kind AND c.subject_id = h.subject_id \
    WHERE h.tenant = $1 AND h.charged <> COALESCE(c.total, 0) ORDER BY h.created_at, h.subject_id LIMIT 1";

#[derive(FromQueryResult)]
struct Differs {
    id: Uuid,
    stored: i64,
    derived: i64,
}

/// Where an account was left by its entries so far.
type Left = HashMap<Uuid, (i64, i64)>;

impl Billing {
    /// Proves a tenant's ledger.
    pub async fn verify(&self, tenant: TenantId) -> Result<Verdict> {
        Ok(self.walk(tenant).await?)
    }

    async fn walk(&self, tenant: TenantId) -> Result<Verdict, Failure> {
        let db = &self.db.readers;
        let mut verdict = Verdict::default();
        let newest =
            ledger_entry::Entity::of(tenant).order_by_desc(ledger_entry::Column::Number).one(db).await?;
        let head = ledger_transaction::Entity::of(tenant)
            .order_by_desc(ledger_transaction::Column::Number)
            .one(db)
            .await?
            .map_or(0, |row| row.number);
        let head = newest.map_or(head, |row| row.number.max(head));
        let (mut left, mut after) = (Left::new(), 0);
        while after < head {
            let until = (after + PAGE).min(head);
            verdict.wrong = self.piece(tenant, after, until, &mut left, &mut verdict).await?;
            if verdict.wrong.is_some() {
                return Ok(verdict);
            }
            after = until;
        }
        for (counted, table) in
            [(&mut verdict.accounts, "ledger_account"), (&mut verdict.holds, "ledger_hold")]
        {
            *counted = count(db, tenant, table).await?;
        }
        for (sql, table, is, should) in [
            (ACCOUNTS, "ledger_account", "balance", "its entries come to"),
            (HELD, "ledger_account", "balance", "the holds on it come to"),
            (CHARGED, "ledger_hold", "charged", "what was charged for it is"),
        ] {
            let sql = Statement::from_sql_and_values(db.get_database_backend(), sql, [tenant.0.into()]);
            if let Some(Differs { id, stored, derived }) = Differs::find_by_statement(sql).one(db).await? {
                let problem = format!("{is} is {stored}, and {should} {derived}");
                verdict.wrong = Some(Wrong { row: format!("{table} {id}"), problem });
                break;
            }
        }
        Ok(verdict)
    }

    /// The first that is wrong of some numbers.
    async fn piece(
        &self,
        tenant: TenantId,
        after: i64,
        until: i64,
        left: &mut Left,
        verdict: &mut Verdict,
    ) -> Result<Option<Wrong>, Failure> {
        let db = &self.db.readers;
        use ledger_transaction::Column::Number;
        let booked =
            ledger_transaction::Entity::of(tenant).filter(Number.gt(after)).filter(Number.lte(until));
        let booked: BTreeMap<i64, ledger_transaction::Model> =
            booked.all(db).await?.into_iter().map(|row| (row.number, row)).collect();
        let lines = ledger_entry::Entity::of(tenant)
            .filter(ledger_entry::Column::Number.gt(after))
            .filter(ledger_entry::Column::Number.lte(until))
            .order_by_asc(ledger_entry::Column::Number)
            .order_by_asc(ledger_entry::Column::Line);
        let mut of: BTreeMap<i64, Vec<ledger_entry::Model>> = BTreeMap::new();
        for row in lines.all(db).await? {
            of.entry(row.number).or_default().push(row);
        }
        for number in after + 1..=until {
            let entries = of.remove(&number).unwrap_or_default();
            let wrong = match booked.get(&number) {
                None => Some(Wrong::of_transaction(number, "it is missing".to_owned())),
                Some(row) => of_one(row, &entries, left),
            };
            if wrong.is_some() {
                return Ok(wrong);
            }
            verdict.transactions += 1;
            verdict.entries += i64::try_from(entries.len()).unwrap_or(i64::MAX);
        }
        Ok(None)
    }
}

impl Wrong {
    fn of_transaction(number: i64, problem: String) -> Self {
        Self { row: format!("ledger_transaction {number}"), problem }
    }

    fn of_entry(row: &ledger_entry::Model, problem: String) -> Self {
        Self { row: format!("ledger_entry {}/{}", row.number, row.line), problem }
    }
}

/// What is wrong with a transaction and its entries.
fn of_one(
    row: &ledger_transaction::Model,
    entries: &[ledger_entry::Model],
    left: &mut Left,
) -> Option<Wrong> {
    for entry in entries {
        let (sequence, balance) = left.get(&entry.account).copied().unwrap_or_default();
        if entry.sequence != sequence + 1 {
            let problem = format!("its sequence is {}, and {} follows", entry.sequence, sequence + 1);
            return Some(Wrong::of_entry(entry, problem));
        }
        if balance.checked_add(entry.amount) != Some(entry.balance) {
            let (amount, after) = (entry.amount, entry.balance);
            let problem =
                format!("its balance is {after}, and before it was {balance} with an amount of {amount}");
            return Some(Wrong::of_entry(entry, problem));
        }
        if entry.kind != row.kind || entry.created_at != row.created_at {
            return Some(Wrong::of_entry(entry, "its kind or time is not its transaction's".to_owned()));
        }
        left.insert(entry.account, (entry.sequence, entry.balance));
    }
    let sum: i128 = entries.iter().map(|entry| i128::from(entry.amount)).sum();
    let moved: i128 = entries.iter().map(|entry| i128::from(entry.amount.max(0))).sum();
    if entries.len() < 2 || sum != 0 {
        return Some(Wrong::of_transaction(
            row.number,
            format!("its {} entries sum to {sum}", entries.len()),
        ));
    }
    (moved != i128::from(row.amount)).then(|| {
        Wrong::of_transaction(row.number, format!("its amount is {}, and {moved} was moved", row.amount))
    })
}

async fn count(db: &impl ConnectionTrait, tenant: TenantId, table: &str) -> Result<i64, Failure> {
    let sql = format!("SELECT COUNT(*) FROM {table} WHERE tenant = $1");
    let sql = Statement::from_sql_and_values(db.get_database_backend(), sql, [tenant.0.into()]);
    Ok(match db.query_one_raw(sql).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    })
}
