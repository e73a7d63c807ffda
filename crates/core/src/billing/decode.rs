//! Requests of billing, checked field by field.

use parlor_api::{limits::RATE_MAX, v1};
use parlor_store::{AccountKind, TransactionKind, ledger, meter};

use super::convert;
use crate::{Error, Result, field};

/// Seconds that a quote is for: a leap year.
pub const QUOTED_SECONDS_MAX: i64 = 366 * 24 * 60 * 60;

/// Seconds that may be free at the beginning: a day.
const FREE_SECONDS_MAX: i64 = 24 * 60 * 60;

/// Seconds that are held at a time, and before which a payer is warned: an hour.
const AHEAD_SECONDS_MAX: i64 = 60 * 60;

/// An amount to book.
pub fn amount(amount: i64) -> Result<i64> {
    number("amount", amount, 1, ledger::AMOUNT_MAX)
}

/// A whole number in a range.
pub fn number(field: &'static str, number: i64, least: i64, most: i64) -> Result<i64> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Error::field(field, format!("must be {least} to {most}, and is {number}")))
    }
}

/// The name of a unit.
pub fn unit(field: &'static str, unit: &str) -> Result<String> {
    let is_name = unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if unit.is_empty() || !is_name {
        return Err(Error::field(field, "must be 1 to 64 of a-z, A-Z, 0-9, '_' and '-'"));
    }
    Ok(unit.to_owned())
}

/// The account that is debited.
pub fn debited(account: v1::LedgerAccount) -> Result<AccountKind> {
    match account {
        v1::LedgerAccount::Unspecified | v1::LedgerAccount::Available => Ok(AccountKind::Available),
        v1::LedgerAccount::Earnings => Ok(AccountKind::Earnings),
        _ => Err(Error::field("account", "must be AVAILABLE or EARNINGS")),
    }
}

/// An account of a wallet; `None` if none was named.
pub fn account(account: v1::LedgerAccount) -> Result<Option<AccountKind>> {
    match account {
        v1::LedgerAccount::Unspecified => Ok(None),
        v1::LedgerAccount::Available => Ok(Some(AccountKind::Available)),
        v1::LedgerAccount::Held => Ok(Some(AccountKind::Held)),
        v1::LedgerAccount::Earnings => Ok(Some(AccountKind::Earnings)),
        _ => Err(Error::field("account", "must be of a wallet: AVAILABLE, HELD or EARNINGS")),
    }
}

/// Kinds of transactions by number; none of them unspecified.
pub fn kinds(wanted: &[i32]) -> Result<Vec<TransactionKind>> {
    let kind = |wanted: &i32| {
        let named = v1::TransactionKind::try_from(*wanted).ok().and_then(convert::stored_kind);
        named.ok_or_else(|| Error::field("kinds", "must name kinds"))
    };
    wanted.iter().map(kind).collect()
}

/// Rules to set.
pub fn policy(wanted: &v1::BillingPolicy, made_by: String, at: i64) -> Result<ledger::Policy> {
    let rounding = match wanted.rounding() {
        v1::Rounding::Second => meter::Rounding::Second,
        v1::Rounding::StartedMinute => meter::Rounding::StartedMinute,
        v1::Rounding::Unspecified => return Err(Error::field("policy.rounding", "must be named")),
    };
    field::storable("policy.note", &wanted.note)?;
    Ok(ledger::Policy {
        version: 0,
        unit: unit("policy.unit", &wanted.unit)?,
        rounding,
        minimum_amount: number("policy.minimum_amount", wanted.minimum_amount, 0, RATE_MAX)?,
        free_seconds: number("policy.free_seconds", wanted.free_seconds, 0, FREE_SECONDS_MAX)?,
        warn_seconds: number("policy.warn_seconds", wanted.warn_seconds, 0, AHEAD_SECONDS_MAX)?,
        hold_seconds: number("policy.hold_seconds", wanted.hold_seconds, 1, AHEAD_SECONDS_MAX)?,
        commission: number("policy.commission", wanted.commission, 0, meter::SHARE_WHOLE)?,
        welcome_bonus: number("policy.welcome_bonus", wanted.welcome_bonus, 0, RATE_MAX)?,
        note: wanted.note.clone(),
        made_by,
        created_at: at,
    })
}
