//! The one way in which anything is booked.
//!
//! A posting is decided and written under the tenant's lock: a transaction, its entries with the balances after them, and the
//! accounts. Its entries sum to zero, no account of a person goes below zero (the schema holds that too), and its key is
//! unique, so that a repetition finds what was booked the first time.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::account::{self, Place};
use crate::{
    AccountId, AccountKind, Error, Result, Shown, Subject, SubjectKind, TenantId, TransactionId,
    TransactionKind, WalletId,
    entity::{TenantOwned, ledger_account, ledger_entry, ledger_transaction},
    event,
    failure::Failure,
    ledger::{AMOUNT_MAX, Entry, Order, Posted, Transaction, WalletChange},
    query::{
        code::Code,
        event::{self as order, NewEvent},
    },
    tx::Tx,
};

/// The kind of an event of a wallet: there is one.
const CHANGED: i16 = 1;

/// What is to be booked.
pub(super) struct Posting<'o> {
    pub order: &'o Order,
    /// The order's own, or one that is made of it.
    pub key: String,
    pub kind: TransactionKind,
    pub unit: String,
    pub amount: i64,
    pub refunds: Option<TransactionId>,
    pub lines: Vec<Line>,
}

/// What it does to one account.
pub(super) struct Line {
    pub place: Place,
    pub amount: i64,
}

impl Line {
    pub fn new(place: Place, amount: i64) -> Self {
        Self { place, amount }
    }
}

/// Books, and tells nobody: who orders several things tells of all of them at once.
pub(super) async fn post(tx: &mut Tx, posting: Posting<'_>) -> Result<Posted, Failure> {
    let tenant = posting.order.cause.tenant;
    // Under the tenant's lock: what is read here is so until the commit.
    tx.counters(tenant)?;
    check(&posting)?;
    if let Some(transaction) = replayed(tx, &posting).await? {
        return Ok(Posted { transaction, replayed: true });
    }
    let number = last_number(tx.db(), tenant).await? + 1;
    let mut entries = Vec::with_capacity(posting.lines.len());
    for (line, Line { place, amount }) in (1..).zip(&posting.lines) {
        entries.push(book(tx, &posting, number, line, place, *amount).await?);
    }
    let Order { cause, made_by, subject, note, .. } = posting.order;
    let row = ledger_transaction::Model {
        tenant: tenant.0,
        number,
        id: TransactionId::of(tenant, &posting.key).0,
        kind: posting.kind.code(),
        key: posting.key,
        unit: posting.unit,
        amount: posting.amount,
        subject_kind: subject.map(|subject| subject.kind.0),
        subject_id: subject.map(|subject| subject.id),
        refunds: posting.refunds.map(|TransactionId(id)| id),
        note: note.clone(),
        made_by: made_by.clone(),
        created_at: cause.at,
    };
    ledger_transaction::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(tx.db())
        .await?;
    Ok(Posted { transaction: transaction(row, entries)?, replayed: false })
}

/// What was booked for the same key before. Refused if that was something else.
pub(super) async fn replayed(tx: &Tx, posting: &Posting<'_>) -> Result<Option<Transaction>, Failure> {
    let Some(first) = by_key(tx.db(), posting.order.cause.tenant, &posting.key).await? else {
        return Ok(None);
    };
    let mut lines: Vec<(AccountId, i64)> =
        posting.lines.iter().map(|line| (line.place.id, line.amount)).collect();
    let mut booked: Vec<(AccountId, i64)> =
        first.entries.iter().map(|entry| (entry.account, entry.amount)).collect();
    lines.sort_unstable();
    booked.sort_unstable();
    let is_same = first.kind == posting.kind
        && first.subject == posting.order.subject
        && first.refunds == posting.refunds
        && first.note == posting.order.note
        && booked == lines;
    if is_same { Ok(Some(first)) } else { Err(Error::RequestIdReused.into()) }
}

/// Tells of wallets that were changed, once of each, with what is in them now.
pub(super) async fn tell(tx: &mut Tx, order: &Order, transactions: &[&Transaction]) -> Result<(), Failure> {
    let tenant = order.cause.tenant;
    let entries = transactions.iter().flat_map(|transaction| &transaction.entries);
    let wallets: BTreeSet<WalletId> = entries.filter_map(|entry| entry.wallet).collect();
    let Some(last) = transactions.last() else { return Ok(()) };
    for wallet in wallets {
        let balances = account::balances(tx.db(), tenant, wallet).await?;
        let change = WalletChange {
            unit: last.unit.clone(),
            available: balances.available,
            held: balances.held,
            earnings: balances.earnings,
            transaction: last.id.0,
        };
        let subject = Subject::from(wallet);
        let sequence = order::last(tx.db(), tenant, subject).await? + 1;
        let body = event::to_json(&change)?;
        let shown = Shown::Participants;
        let new = NewEvent { cause: order.cause.clone(), subject, sequence, kind: CHANGED, body, shown };
        order::tell(tx, new).await?;
    }
    Ok(())
}

/// What the core relies on: whole amounts in range that sum to zero, each on an account of its own.
fn check(posting: &Posting<'_>) -> Result<(), Failure> {
    if posting.amount > AMOUNT_MAX {
        return Err(Error::LimitReached { limit: "amount", maximum: AMOUNT_MAX.unsigned_abs() }.into());
    }
    let sum: i128 = posting.lines.iter().map(|line| i128::from(line.amount)).sum();
    let accounts: BTreeSet<AccountId> = posting.lines.iter().map(|line| line.place.id).collect();
    let is_sound = posting.amount > 0
        && sum == 0
        && accounts.len() == posting.lines.len()
        && posting.lines.iter().all(|line| line.amount != 0);
    if is_sound { Ok(()) } else { Err(Error::Defect("a posting that does not add up".to_owned()).into()) }
}

async fn book(
    tx: &Tx,
    posting: &Posting<'_>,
    number: i64,
    line: i16,
    place: &Place,
    amount: i64,
) -> Result<Entry, Failure> {
    let (tenant, at) = (posting.order.cause.tenant, posting.order.cause.at);
    let (mut row, is_new) = account::open(tx, tenant, place, &posting.unit, at).await?;
    row.balance = after(place.kind, row.balance, amount)?;
    row.last_sequence += 1;
    let entry = ledger_entry::Model {
        tenant: tenant.0,
        number,
        line,
        account: row.id,
        account_kind: row.kind,
        wallet: row.wallet,
        sequence: row.last_sequence,
        amount,
        balance: row.balance,
        kind: posting.kind.code(),
        created_at: at,
    };
    if is_new {
        ledger_account::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
    } else {
        use ledger_account::Column;
        ledger_account::Entity::update_many()
            .col_expr(Column::Balance, row.balance.into())
            .col_expr(Column::LastSequence, row.last_sequence.into())
            .filter(Column::Tenant.eq(tenant.0))
            .filter(Column::Id.eq(row.id))
            .exec(tx.db())
            .await?;
    }
    ledger_entry::Entity::insert(entry.clone().into_active_model()).exec_without_returning(tx.db()).await?;
    to_entry(&entry)
}

/// The balance after an amount.
fn after(kind: AccountKind, balance: i64, amount: i64) -> Result<i64, Failure> {
    let is_tenants = matches!(kind, AccountKind::Issued | AccountKind::Revenue);
    let after = balance.checked_add(amount).filter(|after| after.unsigned_abs() <= AMOUNT_MAX.unsigned_abs());
    let after = after.ok_or(Error::LimitReached { limit: "balance", maximum: AMOUNT_MAX.unsigned_abs() })?;
    if after < 0 && !is_tenants {
        return Err(Error::InsufficientFunds { available: balance, required: amount.saturating_neg() }.into());
    }
    Ok(after)
}

async fn last_number(db: &impl ConnectionTrait, tenant: TenantId) -> Result<i64, Failure> {
    let last = ledger_transaction::Entity::of(tenant)
        .order_by_desc(ledger_transaction::Column::Number)
        .one(db)
        .await?;
    Ok(last.map_or(0, |row| row.number))
}

/// The transaction of a key, if there is one.
pub(super) async fn by_key(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    key: &str,
) -> Result<Option<Transaction>, Failure> {
    let found = ledger_transaction::Entity::of(tenant).filter(ledger_transaction::Column::Key.eq(key));
    whole(db, found.one(db).await?).await
}

/// The transaction of an id, if there is one.
pub(super) async fn by_id(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: TransactionId,
) -> Result<Option<Transaction>, Failure> {
    let found = ledger_transaction::Entity::of(tenant).filter(ledger_transaction::Column::Id.eq(id.0));
    whole(db, found.one(db).await?).await
}

async fn whole(
    db: &impl ConnectionTrait,
    row: Option<ledger_transaction::Model>,
) -> Result<Option<Transaction>, Failure> {
    let Some(row) = row else { return Ok(None) };
    let entries = ledger_entry::Entity::of(TenantId(row.tenant))
        .filter(ledger_entry::Column::Number.eq(row.number))
        .order_by_asc(ledger_entry::Column::Line)
        .all(db)
        .await?;
    let entries = entries.iter().map(to_entry).collect::<Result<_, _>>()?;
    transaction(row, entries).map(Some)
}

/// A row with its entries.
pub(super) fn transaction(
    row: ledger_transaction::Model,
    entries: Vec<Entry>,
) -> Result<Transaction, Failure> {
    let subject = row.subject_kind.zip(row.subject_id);
    Ok(Transaction {
        id: TransactionId(row.id),
        number: row.number,
        kind: TransactionKind::of_code(row.kind)?,
        unit: row.unit,
        amount: row.amount,
        subject: subject.map(|(kind, id)| Subject { kind: SubjectKind(kind), id }),
        refunds: row.refunds.map(TransactionId),
        note: row.note,
        made_by: row.made_by,
        at: row.created_at,
        entries,
    })
}

pub(super) fn to_entry(row: &ledger_entry::Model) -> Result<Entry, Failure> {
    Ok(Entry {
        line: row.line,
        account: AccountId(row.account),
        account_kind: AccountKind::of_code(row.account_kind)?,
        wallet: row.wallet.map(WalletId),
        sequence: row.sequence,
        amount: row.amount,
        balance: row.balance,
    })
}
