//! What is read of wallets: what is in them, what was booked on them, and sums of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement as Sql,
};
use uuid::Uuid;

use super::{Billing, account, post};
use crate::{
    AccountKind, Millis, Result, TenantId, TransactionId, TransactionKind, UserId, WalletId, bulk,
    entity::{TenantOwned, ledger_account, ledger_entry, ledger_transaction},
    failure::Failure,
    ledger::{Balances, Entry, Statement, Sum, Transaction},
    query::code::Code,
};

/// Which entries of a wallet to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Only of these kinds of transactions; all if empty.
    pub kinds: Vec<TransactionKind>,
    pub account: Option<AccountKind>,
    /// Behind this (number, line).
    pub before: Option<(i64, i16)>,
}

#[derive(FromQueryResult)]
struct Counted {
    account_kind: i16,
    kind: i16,
    entries: i64,
    credited: i64,
    debited: i64,
}

#[derive(FromQueryResult)]
struct Opened {
    account_kind: i16,
    balance: i64,
}

impl Billing {
    /// What is in a wallet; nothing if nothing was ever booked on it.
    pub async fn balances(&self, tenant: TenantId, wallet: WalletId) -> Result<Balances> {
        Ok(account::balances(&self.db.readers, tenant, wallet).await?)
    }

    /// Whose wallet it is; `None` if nothing was booked on it yet, or if whoever had it was erased.
    pub async fn wallet_owner(&self, tenant: TenantId, wallet: WalletId) -> Result<Option<UserId>> {
        let found = ledger_account::Entity::of(tenant).filter(ledger_account::Column::Wallet.eq(wallet.0));
        Ok(found.one(&self.db.readers).await?.and_then(|row| row.owner).map(UserId))
    }

    /// A transaction, if it is there.
    pub async fn transaction(&self, tenant: TenantId, id: TransactionId) -> Result<Option<Transaction>> {
        Ok(post::by_id(&self.db.readers, tenant, id).await?)
    }

    /// A page of what was booked on a wallet, newest first, each with its transaction, which has no entries here.
    pub async fn entries(
        &self,
        tenant: TenantId,
        wallet: WalletId,
        filter: EntryFilter,
        limit: u64,
    ) -> Result<Vec<(Entry, Transaction)>> {
        use ledger_entry::Column;
        let mut found = ledger_entry::Entity::of(tenant).filter(Column::Wallet.eq(wallet.0));
        if !filter.kinds.is_empty() {
            found = found.filter(Column::Kind.is_in(filter.kinds.iter().map(|kind| kind.code())));
        }
        if let Some(kind) = filter.account {
            found = found.filter(Column::AccountKind.eq(kind.code()));
        }
        if let Some((number, line)) = filter.before {
            let same = Column::Number.eq(number).and(Column::Line.lt(line));
            // The first half alone lets the index be walked.
            found = found
                .filter(Column::Number.lte(number))
                .filter(Condition::any().add(Column::Number.lt(number)).add(same));
        }
        let db = &self.db.readers;
        let rows =
            found.order_by_desc(Column::Number).order_by_desc(Column::Line).limit(limit).all(db).await?;
        Ok(of_transactions(db, tenant, &rows).await?)
    }

    /// What was booked on a wallet from a time on and before another: what was in it, sums, and what is in it then.
    pub async fn statement(
        &self,
        tenant: TenantId,
        wallet: WalletId,
        from: Millis,
        until: Millis,
    ) -> Result<Statement> {
        let mut statement = Statement::default();
        for Opened { account_kind, balance } in self.opening(tenant, wallet, from).await? {
            if let Some(opening) = statement.opening.of(AccountKind::of_code(account_kind)?) {
                *opening = balance;
            }
        }
        statement.closing = statement.opening;
        for row in self.sums(tenant, wallet, from, until).await? {
            let sum = Sum {
                account: AccountKind::of_code(row.account_kind)?,
                kind: TransactionKind::of_code(row.kind)?,
                entries: row.entries,
                credited: row.credited,
                debited: row.debited,
            };
            if let Some(closing) = statement.closing.of(sum.account) {
                *closing += sum.credited - sum.debited;
            }
            statement.sums.push(sum);
        }
        Ok(statement)
    }

    async fn opening(
        &self,
        tenant: TenantId,
        wallet: WalletId,
        from: Millis,
    ) -> Result<Vec<Opened>, Failure> {
        let sql = "SELECT account_kind, CAST(SUM(amount) AS BIGINT) AS balance FROM ledger_entry \
                   WHERE tenant = $1 AND wallet = $2 AND created_at < $3 GROUP BY account_kind";
        let db = &self.db.readers;
        let values = [tenant.0.into(), wallet.0.into(), from.into()];
        let sql = Sql::from_sql_and_values(db.get_database_backend(), sql, values);
        Ok(Opened::find_by_statement(sql).all(db).await?)
    }

    async fn sums(
        &self,
        tenant: TenantId,
        wallet: WalletId,
        from: Millis,
        until: Millis,
    ) -> Result<Vec<Counted>, Failure> {
        let sql = "SELECT account_kind, kind, COUNT(*) AS entries, \
                   CAST(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS BIGINT) AS credited, \
                   CAST(SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS BIGINT) AS debited \
                   FROM ledger_entry WHERE tenant = $1 AND wallet = $2 AND created_at >= $3 AND created_at < $4 \
                   GROUP BY account_kind, kind ORDER BY account_kind, kind";
        let db = &self.db.readers;
        let values = [tenant.0.into(), wallet.0.into(), from.into(), until.into()];
        let sql = Sql::from_sql_and_values(db.get_database_backend(), sql, values);
        Ok(Counted::find_by_statement(sql).all(db).await?)
    }
}

/// Somebody's wallets, by unit: what is in them.
pub(crate) async fn wallets(
    db: &impl ConnectionTrait,
    (tenant, owner): (TenantId, UserId),
) -> Result<Vec<(String, Balances)>, Failure> {
    let rows = ledger_account::Entity::of(tenant).filter(ledger_account::Column::Owner.eq(owner.0));
    let mut wallets: BTreeMap<String, Balances> = BTreeMap::new();
    for row in rows.all(db).await? {
        let kind = AccountKind::of_code(row.kind)?;
        if let Some(balance) = wallets.entry(row.unit).or_default().of(kind) {
            *balance = row.balance;
        }
    }
    Ok(wallets.into_iter().collect())
}

/// A page of what was booked on somebody's wallets, behind a (number, line), each with its transaction, which has no entries
/// here.
pub(crate) async fn booked(
    db: &impl ConnectionTrait,
    (tenant, owner): (TenantId, UserId),
    (number, line): (i64, i16),
    limit: u64,
) -> Result<Vec<(Entry, Transaction)>, Failure> {
    use ledger_entry::Column;
    let accounts = ledger_account::Entity::of(tenant).filter(ledger_account::Column::Owner.eq(owner.0));
    let wallets: BTreeSet<Uuid> = accounts.all(db).await?.into_iter().filter_map(|row| row.wallet).collect();
    let same = Column::Number.eq(number).and(Column::Line.gt(line));
    let rows = ledger_entry::Entity::of(tenant)
        .filter(Column::Wallet.is_in(wallets))
        .filter(Column::Number.gte(number))
        .filter(Condition::any().add(Column::Number.gt(number)).add(same))
        .order_by_asc(Column::Number)
        .order_by_asc(Column::Line)
        .limit(limit)
        .all(db)
        .await?;
    of_transactions(db, tenant, &rows).await
}

/// Entries with their transactions, which have no entries here.
async fn of_transactions(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    rows: &[ledger_entry::Model],
) -> Result<Vec<(Entry, Transaction)>, Failure> {
    let mut numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    numbers.dedup();
    let keys = numbers.into_iter().map(|number| [tenant.0.into(), number.into()]).collect();
    let columns = [ledger_transaction::Column::Tenant, ledger_transaction::Column::Number];
    let booked = bulk::select::<ledger_transaction::Entity, 2>(db, columns, keys).await?;
    let booked: HashMap<i64, ledger_transaction::Model> =
        booked.into_iter().map(|row| (row.number, row)).collect();
    let mut page = Vec::with_capacity(rows.len());
    for row in rows {
        // One without would be a defect, which the proof names.
        if let Some(of) = booked.get(&row.number) {
            page.push((post::to_entry(row)?, post::transaction(of.clone(), Vec::new())?));
        }
    }
    Ok(page)
}
