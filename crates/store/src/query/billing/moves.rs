//! What comes into wallets and goes out of them by order: credits, debits, refunds, and the welcome bonus.

use sea_orm::{ColumnTrait, QueryFilter};

use super::{
    account::{Place, find, require_owner},
    policy,
    post::{Line, Posting, by_id, by_key, post, replayed, tell},
};
use crate::{
    AccountKind, Author, AuthorKind, Cause, Error, Millis, Result, TenantId, TransactionId, TransactionKind,
    UserId, Wallet, What,
    entity::{TenantOwned, ledger_transaction},
    failure::Failure,
    ledger::{Order, Posted},
    tx::Tx,
};

/// Puts an amount into what is available.
pub(crate) async fn credit(
    tx: &mut Tx,
    order: &Order,
    wallet: &Wallet,
    amount: i64,
) -> Result<Posted, Failure> {
    issue(tx, order, wallet, amount, TransactionKind::Credit).await
}

/// Takes an amount out of a wallet: of what is available, or of earnings that are paid out. `InsufficientFunds` if there
/// is less.
pub(crate) async fn debit(
    tx: &mut Tx,
    order: &Order,
    wallet: &Wallet,
    from: AccountKind,
    amount: i64,
) -> Result<Posted, Failure> {
    if !matches!(from, AccountKind::Available | AccountKind::Earnings) {
        return Err(Error::Defect("a debit of what is held or the tenant's".to_owned()).into());
    }
    let issued = Place::of_tenant(wallet.tenant, AccountKind::Issued, &wallet.unit);
    let posting = Posting {
        order,
        key: order.key.clone(),
        kind: TransactionKind::Debit,
        unit: wallet.unit.clone(),
        amount,
        refunds: None,
        lines: vec![Line::new(Place::in_wallet(wallet, from), -amount), Line::new(issued, amount)],
    };
    told(tx, posting).await
}

/// Takes a whole transaction back: once, whoever asks. What was charged goes back to what is available, from whoever got it.
pub(crate) async fn refund(tx: &mut Tx, order: &Order, id: TransactionId) -> Result<Posted, Failure> {
    use TransactionKind::{Charge, Credit, Debit, WelcomeBonus};
    let tenant = order.cause.tenant;
    let first = by_id(tx.db(), tenant, id).await?.ok_or(Error::NotFound(What::Transaction))?;
    if !matches!(first.kind, Credit | Debit | WelcomeBonus | Charge) {
        return Err(Error::NotRefundable.into());
    }
    let mut lines = Vec::with_capacity(first.entries.len());
    for entry in &first.entries {
        let row = find(tx.db(), tenant, entry.account).await?;
        let place = Place::stored(&row.ok_or_else(|| Error::Defect("an entry without account".to_owned()))?)?;
        let place =
            if place.kind == AccountKind::Held { place.available(tenant, &first.unit) } else { place };
        lines.push(Line::new(place, -entry.amount));
    }
    let order = Order { subject: first.subject, ..order.clone() };
    let posting = Posting {
        order: &order,
        key: order.key.clone(),
        kind: TransactionKind::Refund,
        unit: first.unit,
        amount: first.amount,
        refunds: Some(id),
        lines,
    };
    if let Some(transaction) = replayed(tx, &posting).await? {
        return Ok(Posted { transaction, replayed: true });
    }
    let refunds = ledger_transaction::Column::Refunds.eq(id.0);
    if ledger_transaction::Entity::of(tenant).filter(refunds).one(tx.db()).await?.is_some() {
        return Err(Error::AlreadyRefunded.into());
    }
    told(tx, posting).await
}

/// Gives somebody the tenant's welcome bonus, if there is one and they never had it. Whoever makes a person calls it in the
/// same transaction.
pub(crate) async fn welcome(
    tx: &mut Tx,
    tenant: TenantId,
    owner: UserId,
    at: Millis,
) -> Result<Option<Posted>, Failure> {
    let policy = policy::current(tx.db(), tenant).await?;
    let key = format!("welcome:{owner}");
    if policy.welcome_bonus == 0 || by_key(tx.db(), tenant, &key).await?.is_some() {
        return Ok(None);
    }
    let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
    let order = Order {
        cause: Cause { tenant, author, at, origin: String::new() },
        made_by: super::SYSTEM.to_owned(),
        key,
        subject: None,
        note: String::new(),
    };
    let wallet = Wallet { tenant, owner, unit: policy.unit };
    issue(tx, &order, &wallet, policy.welcome_bonus, TransactionKind::WelcomeBonus).await.map(Some)
}

async fn issue(
    tx: &mut Tx,
    order: &Order,
    wallet: &Wallet,
    amount: i64,
    kind: TransactionKind,
) -> Result<Posted, Failure> {
    let issued = Place::of_tenant(wallet.tenant, AccountKind::Issued, &wallet.unit);
    let posting = Posting {
        order,
        key: order.key.clone(),
        kind,
        unit: wallet.unit.clone(),
        amount,
        refunds: None,
        lines: vec![
            Line::new(Place::in_wallet(wallet, AccountKind::Available), amount),
            Line::new(issued, -amount),
        ],
    };
    if replayed(tx, &posting).await?.is_none() {
        require_owner(tx.db(), wallet.tenant, wallet.owner).await?;
    }
    told(tx, posting).await
}

/// Books, and tells of it unless it was booked before.
async fn told(tx: &mut Tx, posting: Posting<'_>) -> Result<Posted, Failure> {
    let order = posting.order;
    let posted = post(tx, posting).await?;
    if !posted.replayed {
        tell(tx, order, &[&posted.transaction]).await?;
    }
    Ok(posted)
}
