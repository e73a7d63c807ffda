//! What a session costs while it goes on: held when it begins, held further while there is more, charged when it is over.
//!
//! A session is charged if it has a rate and its tenant had set its rules of billing when it was asked for; rate and rules are
//! frozen in its row. What is held is paid for, to the second; so a server that was away charges no more than that. The time
//! that counts is the server's.

use crate::{
    Cause, Error, Millis, SessionId, Subject, TenantId, UserId, Wallet,
    entity::session,
    failure::Failure,
    ledger::{AMOUNT_MAX, Earner, Order, Policy},
    meter::{Lasts, Tariff},
    query::{
        billing::{SYSTEM, ledger},
        users,
    },
    tx::Tx,
};

const MILLIS_PER_SECOND: Millis = 1_000;

/// A clock that looks so late still finds the session going on; later, it was away, and the session ended meanwhile.
const LATE: Millis = 1_000;

/// What becomes of a session when the clock looks at it.
pub(super) enum GoesOn {
    /// It does, as before.
    Untold(session::Model),
    /// It does, and its people are told: the payer has no more than this, or has more again.
    Told(session::Model),
    /// What was held is used up.
    Not(session::Model),
}

/// The version of the rules by which a session is charged; 0 if it is not. An asking payer must be able to pay for its
/// beginning: the other one is not bothered otherwise.
pub(super) async fn rules_for(
    tx: &Tx,
    tenant: TenantId,
    asking_payer: Option<UserId>,
    rate: i64,
) -> Result<i64, Failure> {
    if rate == 0 {
        return Ok(0);
    }
    let rules = ledger::current_policy(tx.db(), tenant).await?;
    if let Some(owner) = asking_payer.filter(|_| rules.version != 0) {
        let wallet = Wallet { tenant, owner, unit: rules.unit.clone() };
        let available = ledger::balances(tx.db(), tenant, wallet.id()).await?.available;
        let required = beginning(&rules, rate);
        if available < required {
            return Err(Error::InsufficientFunds { available, required }.into());
        }
    }
    Ok(rules.version)
}

/// What was accepted is paid for from now on. `PayerCannotPay` if there is not enough for its beginning.
pub(super) async fn begin(
    tx: &mut Tx,
    row: session::Model,
    cause: &Cause,
) -> Result<session::Model, Failure> {
    let Some(payer) = row.payer_id.filter(|_| row.billing_version != 0) else { return Ok(row) };
    let charge = Charge::of(tx, &row).await?;
    let wallet = Wallet { tenant: cause.tenant, owner: UserId(payer), unit: charge.rules.unit.clone() };
    let first = beginning(&charge.rules, row.rate);
    match ledger::hold(tx, &order(&row, cause, "begin"), &wallet, first).await {
        // What somebody has is not told to the other one.
        Err(Failure::Refused(Error::InsufficientFunds { .. })) => return Err(Error::PayerCannotPay.into()),
        held => held?,
    };
    charge.cover(tx, row, cause).await
}

/// Looks at a session whose time to be looked at has come.
pub(super) async fn go_on(tx: &mut Tx, row: session::Model, cause: &Cause) -> Result<GoesOn, Failure> {
    let (Some(paid_until), Some(meter_at)) = (row.paid_until, row.meter_at) else {
        return Ok(GoesOn::Untold(row));
    };
    if cause.at < meter_at {
        return Ok(GoesOn::Untold(row));
    }
    if cause.at > paid_until.saturating_add(LATE) {
        return Ok(GoesOn::Not(row));
    }
    let did_run_out = row.runs_out;
    let row = Charge::of(tx, &row).await?.cover(tx, row, cause).await?;
    Ok(match row.paid_until {
        Some(until) if until <= cause.at => GoesOn::Not(row),
        _ if row.runs_out != did_run_out => GoesOn::Told(row),
        _ => GoesOn::Untold(row),
    })
}

/// Charges what a session has cost until a moment, and gives back what is held beyond it.
pub(super) async fn settle(
    tx: &mut Tx,
    row: session::Model,
    at: Millis,
    cause: &Cause,
) -> Result<session::Model, Failure> {
    if row.paid_until.is_none() {
        return Ok(row);
    }
    let charge = Charge::of(tx, &row).await?;
    let cost = charge.tariff.cost(seconds(&row, at)).unwrap_or(AMOUNT_MAX);
    let tenant = TenantId(row.tenant);
    let mut provider = row.provider_id.map(UserId);
    // For who is being erased no wallet is opened any more: it is the tenant that owes them.
    if let Some(person) = provider
        && users::is_being_erased(tx.db(), tenant, person).await?
    {
        provider = None;
    }
    let earner = Earner { provider, commission: charge.rules.commission };
    let settled = ledger::settle(tx, &order(&row, cause, "settle"), cost, earner).await?;
    let charged = settled.charged;
    Ok(session::Model { charged, paid_until: None, meter_at: None, runs_out: false, ..row })
}

/// How a session is charged.
struct Charge {
    rules: Policy,
    tariff: Tariff,
}

impl Charge {
    async fn of(tx: &Tx, row: &session::Model) -> Result<Self, Failure> {
        let rules = ledger::policy(tx.db(), TenantId(row.tenant), row.billing_version).await?;
        let tariff = rules.tariff(row.rate);
        Ok(Self { rules, tariff })
    }

    /// Holds as much as there is of what the next time costs, and reckons how long that lasts: so long that a payer who has
    /// no more learns it as long beforehand as the rules say.
    async fn cover(
        &self,
        tx: &mut Tx,
        row: session::Model,
        cause: &Cause,
    ) -> Result<session::Model, Failure> {
        let subject = Subject::from(SessionId(row.id));
        let hold = ledger::of_subject(tx.db(), cause.tenant, subject).await?;
        let mut held = hold.map_or(0, |hold| hold.charged + hold.remaining);
        let (warn, step) = (self.rules.warn_seconds, self.rules.hold_seconds);
        let ahead = u64::try_from(warn.saturating_add(step)).unwrap_or_default();
        let wanted_seconds = seconds(&row, cause.at).saturating_add(ahead);
        let wanted = self.tariff.cost(wanted_seconds).unwrap_or(AMOUNT_MAX).min(AMOUNT_MAX);
        if wanted > held {
            // What is held grows with each, so none has the key of another.
            let order = order(&row, cause, &format!("from {held}"));
            match ledger::extend_up_to(tx, &order, wanted - held).await {
                Ok(posted) => held += posted.transaction.amount,
                Err(Failure::Refused(Error::InsufficientFunds { .. })) => {}
                Err(failure) => return Err(failure),
            }
        }
        let Lasts::Seconds(lasts_seconds) = self.tariff.lasts(held) else {
            return Err(Error::Defect("a session that is charged and costs nothing".to_owned()).into());
        };
        let lasts = i64::try_from(lasts_seconds).unwrap_or(i64::MAX).saturating_mul(MILLIS_PER_SECOND);
        let paid_until = row.accepted_at.unwrap_or(cause.at).saturating_add(lasts);
        let runs_out = lasts_seconds < wanted_seconds;
        let lead = if runs_out { 0 } else { warn.saturating_mul(MILLIS_PER_SECOND) };
        let meter_at = Some(paid_until.saturating_sub(lead));
        Ok(session::Model { paid_until: Some(paid_until), meter_at, runs_out, ..row })
    }
}

/// What a payer must have for a session to begin: the time that is held at a time.
fn beginning(rules: &Policy, rate: i64) -> i64 {
    let step = u64::try_from(rules.hold_seconds).unwrap_or_default();
    rules.tariff(rate).cost(step).unwrap_or(AMOUNT_MAX)
}

/// Whole seconds that a session has gone on.
fn seconds(row: &session::Model, at: Millis) -> u64 {
    let since = at.saturating_sub(row.accepted_at.unwrap_or(at));
    u64::try_from(since / MILLIS_PER_SECOND).unwrap_or_default()
}

fn order(row: &session::Model, cause: &Cause, what: &str) -> Order {
    let id = SessionId(row.id);
    Order {
        cause: cause.clone(),
        made_by: SYSTEM.to_owned(),
        key: format!("session:{id}/{what}"),
        subject: Some(id.into()),
        note: String::new(),
    }
}
