//! What is held of a wallet while something is under way: held, extended, captured from, and settled.
//!
//! A hold belongs to the subject of its order (a session), of which there is one. Its life: [`hold`], any number of
//! [`extend`] and [`capture`], then [`settle`] or [`release`], after which nothing is held and nothing more is booked on it.
//! Each is called by a mutation of the subject's own, in its transaction, so that the one does not happen without the other.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{
    account::{self, Place},
    post::{Line, Posting, by_key, post, replayed, tell},
};
use crate::{
    AccountId, AccountKind, Error, Result, Subject, SubjectKind, TenantId, TransactionKind, Wallet, What,
    entity::{TenantOwned, ledger_hold},
    failure::Failure,
    ledger::{Earner, Hold, Order, Posted, Settled, Transaction},
    meter,
    tx::Tx,
};

/// Begins to hold an amount of what is available, for the order's subject; of 0, as where the beginning is free, it begins
/// and books nothing. `InsufficientFunds` if there is less; `HoldState` if another order has begun to hold for the subject.
pub(crate) async fn hold(
    tx: &mut Tx,
    order: &Order,
    payer: &Wallet,
    amount: i64,
) -> Result<Option<Posted>, Failure> {
    let (tenant, subject, at) = (payer.tenant, subject(order)?, order.cause.at);
    let held = Place::in_wallet(payer, AccountKind::Held);
    let posting = Some(holding(order, &held, &payer.unit, amount)).filter(|_| amount != 0);
    if let Some(posting) = &posting
        && let Some(transaction) = replayed(tx, posting).await?
    {
        return Ok(Some(Posted { transaction, replayed: true }));
    }
    if let Some(row) = find(tx.db(), tenant, subject).await? {
        let is_again = row.begun_by == order.key && posting.is_none();
        return if is_again { Ok(None) } else { Err(Error::HoldState.into()) };
    }
    let posted = match posting {
        Some(posting) => Some(post(tx, posting).await?),
        None => account::ensure(tx, tenant, &held, &payer.unit, at).await.map(|()| None)?,
    };
    let row = ledger_hold::Model {
        tenant: tenant.0,
        subject_kind: subject.kind.0,
        subject_id: subject.id,
        account: held.id.0,
        unit: payer.unit.clone(),
        remaining: amount,
        charged: 0,
        released: 0,
        created_at: at,
        begun_by: order.key.clone(),
        ended_by: None,
        ended_at: None,
    };
    ledger_hold::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
    if let Some(posted) = &posted {
        tell(tx, order, &[&posted.transaction]).await?;
    }
    Ok(posted)
}

/// Holds more for the order's subject. `InsufficientFunds` if less is available; `HoldState` if its hold has ended.
pub(crate) async fn extend(tx: &mut Tx, order: &Order, amount: i64) -> Result<Posted, Failure> {
    let row = require(tx.db(), order).await?;
    let held = place(tx, &row).await?;
    let posting = holding(order, &held, &row.unit, amount);
    if let Some(transaction) = replayed(tx, &posting).await? {
        return Ok(Posted { transaction, replayed: true });
    }
    require_open(&row)?;
    let posted = post(tx, posting).await?;
    let remaining = row.remaining + amount;
    write(tx, ledger_hold::Model { remaining, ..row }).await?;
    tell(tx, order, &[&posted.transaction]).await?;
    Ok(posted)
}

/// Holds an amount more, or as much of it as is available. `InsufficientFunds` if nothing is: the payer can pay no further.
pub(crate) async fn extend_up_to(tx: &mut Tx, order: &Order, amount: i64) -> Result<Posted, Failure> {
    let row = require(tx.db(), order).await?;
    if let Some(first) = by_key(tx.db(), order.cause.tenant, &order.key).await? {
        let is_same = first.kind == TransactionKind::Hold && first.subject == order.subject;
        return if is_same {
            Ok(Posted { transaction: first, replayed: true })
        } else {
            Err(Error::RequestIdReused.into())
        };
    }
    let available = place(tx, &row).await?.available(order.cause.tenant, &row.unit);
    let available = account::find(tx.db(), order.cause.tenant, available.id).await?;
    let available = available.map_or(0, |row| row.balance);
    if available == 0 {
        return Err(Error::InsufficientFunds { available, required: amount }.into());
    }
    extend(tx, order, amount.min(available)).await
}

/// Charges an amount of what is held for the order's subject, which goes on. `InsufficientFunds` if less is held.
pub(crate) async fn capture(
    tx: &mut Tx,
    order: &Order,
    amount: i64,
    earner: Earner,
) -> Result<Posted, Failure> {
    let row = require(tx.db(), order).await?;
    let posting = charging(order, order.key.clone(), &row, place(tx, &row).await?, amount, earner);
    if let Some(transaction) = replayed(tx, &posting).await? {
        return Ok(Posted { transaction, replayed: true });
    }
    require_open(&row)?;
    if amount > row.remaining {
        return Err(Error::InsufficientFunds { available: row.remaining, required: amount }.into());
    }
    let posted = post(tx, posting).await?;
    let (remaining, charged) = (row.remaining - amount, row.charged + amount);
    write(tx, ledger_hold::Model { remaining, charged, ..row }).await?;
    tell(tx, order, &[&posted.transaction]).await?;
    Ok(posted)
}

/// Charges what is still to be charged, never more than what is held, gives the rest back, and ends the hold. Who repeats
/// the order is told the same again; any other order after it is refused with `HoldState`.
pub(crate) async fn settle(
    tx: &mut Tx,
    order: &Order,
    amount: i64,
    earner: Earner,
) -> Result<Settled, Failure> {
    let row = require(tx.db(), order).await?;
    if row.ended_at.is_some() {
        if row.ended_by.as_ref() != Some(&order.key) {
            return Err(Error::HoldState.into());
        }
        return Ok(Settled { charged: row.charged, released: row.released, replayed: true });
    }
    let charge = amount.clamp(0, row.remaining);
    let rest = row.remaining - charge;
    let held = place(tx, &row).await?;
    let mut booked: Vec<Transaction> = Vec::new();
    if charge > 0 {
        let posting = charging(order, format!("{}/charge", order.key), &row, held.clone(), charge, earner);
        booked.push(post(tx, posting).await?.transaction);
    }
    if rest > 0 {
        let available = held.available(order.cause.tenant, &row.unit);
        let posting = Posting {
            order,
            key: format!("{}/release", order.key),
            kind: TransactionKind::Release,
            unit: row.unit.clone(),
            amount: rest,
            refunds: None,
            lines: vec![Line::new(held, -rest), Line::new(available, rest)],
        };
        booked.push(post(tx, posting).await?.transaction);
    }
    let settled = Settled { charged: row.charged + charge, released: rest, replayed: false };
    let ended = ledger_hold::Model {
        remaining: 0,
        charged: settled.charged,
        released: settled.released,
        ended_by: Some(order.key.clone()),
        ended_at: Some(order.cause.at),
        ..row
    };
    write(tx, ended).await?;
    tell(tx, order, &booked.iter().collect::<Vec<_>>()).await?;
    Ok(settled)
}

/// Gives all that is held back, and ends the hold: [`settle`] without a charge.
pub(crate) async fn release(tx: &mut Tx, order: &Order) -> Result<Settled, Failure> {
    settle(tx, order, 0, Earner { provider: None, commission: 0 }).await
}

/// What is or was held for a subject.
pub(crate) async fn of_subject(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    subject: Subject,
) -> Result<Option<Hold>, Failure> {
    Ok(find(db, tenant, subject).await?.map(|row| Hold {
        subject: Subject { kind: SubjectKind(row.subject_kind), id: row.subject_id },
        unit: row.unit,
        remaining: row.remaining,
        charged: row.charged,
        released: row.released,
        is_ended: row.ended_at.is_some(),
    }))
}

fn holding<'o>(order: &'o Order, held: &Place, unit: &str, amount: i64) -> Posting<'o> {
    let available = held.available(order.cause.tenant, unit);
    Posting {
        order,
        key: order.key.clone(),
        kind: TransactionKind::Hold,
        unit: unit.to_owned(),
        amount,
        refunds: None,
        lines: vec![Line::new(available, -amount), Line::new(held.clone(), amount)],
    }
}

fn charging<'o>(
    order: &'o Order,
    key: String,
    row: &ledger_hold::Model,
    held: Place,
    amount: i64,
    earner: Earner,
) -> Posting<'o> {
    let tenant = order.cause.tenant;
    let (commission, earned) = match earner.provider {
        Some(_) => meter::shared(amount, earner.commission),
        None => (amount, 0),
    };
    let mut lines = vec![Line::new(held, -amount)];
    if let Some(owner) = earner.provider.filter(|_| earned > 0) {
        let wallet = Wallet { tenant, owner, unit: row.unit.clone() };
        lines.push(Line::new(Place::in_wallet(&wallet, AccountKind::Earnings), earned));
    }
    if commission > 0 {
        lines.push(Line::new(Place::of_tenant(tenant, AccountKind::Revenue, &row.unit), commission));
    }
    let unit = row.unit.clone();
    Posting { order, key, kind: TransactionKind::Charge, unit, amount, refunds: None, lines }
}

fn subject(order: &Order) -> Result<Subject, Failure> {
    Ok(order.subject.ok_or_else(|| Error::Defect("a hold for nothing".to_owned()))?)
}

async fn find(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    subject: Subject,
) -> Result<Option<ledger_hold::Model>, Failure> {
    Ok(ledger_hold::Entity::of(tenant)
        .filter(ledger_hold::Column::SubjectKind.eq(subject.kind.0))
        .filter(ledger_hold::Column::SubjectId.eq(subject.id))
        .one(db)
        .await?)
}

async fn require(db: &impl ConnectionTrait, order: &Order) -> Result<ledger_hold::Model, Failure> {
    let row = find(db, order.cause.tenant, subject(order)?).await?;
    Ok(row.ok_or(Error::NotFound(What::Hold))?)
}

fn require_open(row: &ledger_hold::Model) -> Result<(), Failure> {
    if row.ended_at.is_some() { Err(Error::HoldState.into()) } else { Ok(()) }
}

/// The account that a hold is on.
async fn place(tx: &Tx, row: &ledger_hold::Model) -> Result<Place, Failure> {
    let account = account::find(tx.db(), TenantId(row.tenant), AccountId(row.account)).await?;
    Place::stored(&account.ok_or_else(|| Error::Defect("a hold without account".to_owned()))?)
}

async fn write(tx: &Tx, row: ledger_hold::Model) -> Result<(), Failure> {
    ledger_hold::Entity::update(row.into_active_model().reset_all()).exec(tx.db()).await?;
    Ok(())
}
