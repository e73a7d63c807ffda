//! Why the core says no, in the words that dialects tell apart. It is made where calls are answered; see `call/refusal.rs`.

use std::collections::HashMap;

use parlor_api::v1;

/// A refusal of the core, or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    /// The number that the contract has for it, which tells apart what kinds do not.
    pub code: i32,
    pub reason: v1::Reason,
    /// What people are told.
    pub message: Box<str>,
    /// The fields it complains of, by their paths in the request, and what is wrong with each.
    pub fields: Vec<(String, String)>,
    /// What it says beside, by name.
    pub details: HashMap<String, String>,
}

/// What sort of no it is, with its number in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What no dialect has a word for.
    Other = 2,
    Malformed = 3,
    NotFound = 5,
    Taken = 6,
    NotPermitted = 7,
    TooMany = 8,
    NotPossible = 9,
    NotServed = 12,
    /// What should not happen.
    Defect = 13,
    /// The core was not reached, or did not answer in time.
    Away = 14,
    /// What was asked for is no longer kept.
    Lost = 15,
    NotProven = 16,
}

impl Refusal {
    pub fn new(kind: Kind, reason: v1::Reason, message: impl Into<Box<str>>) -> Self {
        let (message, fields, details) = (message.into(), Vec::new(), HashMap::new());
        Self { kind, code: kind as i32, reason, message, fields, details }
    }

    /// One that is told by its kind alone.
    pub fn of(kind: Kind, message: impl Into<Box<str>>) -> Self {
        Self::new(kind, v1::Reason::Unspecified, message)
    }

    /// For what the core should not have answered.
    pub fn unexpected() -> Self {
        Self::new(Kind::Defect, v1::Reason::Internal, "another answer than was asked for")
    }

    /// Something is more than there may be.
    pub fn over_limit(limit: &str, maximum: usize, message: impl Into<Box<str>>) -> Self {
        let details = [("limit".to_owned(), limit.to_owned()), ("maximum".to_owned(), maximum.to_string())];
        let refusal = Self::new(Kind::TooMany, v1::Reason::LimitReached, message);
        Self { details: details.into(), ..refusal }
    }

    /// True where the core could not say: nothing follows for the credential.
    pub fn is_outage(&self) -> bool {
        matches!(self.kind, Kind::TooMany | Kind::Away | Kind::Defect)
    }

    /// Under what it is counted as a refusal; an outage refuses nothing.
    pub fn why(&self) -> Option<&'static str> {
        match self.kind {
            Kind::NotProven => Some("not proven"),
            Kind::NotPermitted => Some("not permitted"),
            Kind::NotFound => Some("not found"),
            Kind::Malformed => Some("malformed"),
            Kind::Taken | Kind::NotPossible => Some("not possible"),
            Kind::NotServed | Kind::TooMany | Kind::Away | Kind::Defect | Kind::Lost | Kind::Other => None,
        }
    }
}
