//! Why the core says no, in the words that dialects tell apart.

use parlor_api::{failure, v1};
use tonic::{Code, Status};

use super::Effect;

/// A refusal of the core, or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    pub reason: v1::Reason,
    /// The fields it complains of, by their paths in the request.
    pub fields: Vec<String>,
}

/// What sort of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Malformed,
    NotProven,
    NotPermitted,
    NotFound,
    Taken,
    NotPossible,
    NotServed,
    TooMany,
    /// The core was not reached, or did not answer in time.
    Away,
    /// What should not happen.
    Defect,
    /// What no dialect has a word for.
    Other,
}

impl Refusal {
    /// For what the core should not have answered.
    pub fn unexpected() -> Self {
        Self { kind: Kind::Defect, reason: v1::Reason::Internal, fields: Vec::new() }
    }

    /// True where the core could not say: nothing follows for the credential.
    pub fn is_outage(&self) -> bool {
        matches!(self.kind, Kind::TooMany | Kind::Away | Kind::Defect)
    }

    /// Counts a request that the core refused; an outage refuses nothing.
    pub fn counted(&self, what: &'static str) -> Option<Effect> {
        let why = match self.kind {
            Kind::NotProven => "not proven",
            Kind::NotPermitted => "not permitted",
            Kind::NotFound => "not found",
            Kind::Malformed => "malformed",
            Kind::Taken | Kind::NotPossible => "not possible",
            Kind::NotServed | Kind::TooMany | Kind::Away | Kind::Defect | Kind::Other => return None,
        };
        Some(Effect::Refused { what, why })
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let kind = match status.code() {
            Code::InvalidArgument => Kind::Malformed,
            Code::Unauthenticated => Kind::NotProven,
            Code::PermissionDenied => Kind::NotPermitted,
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists => Kind::Taken,
            Code::FailedPrecondition => Kind::NotPossible,
            Code::Unimplemented => Kind::NotServed,
            Code::ResourceExhausted => Kind::TooMany,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Kind::Away,
            Code::Internal | Code::Unknown => Kind::Defect,
            Code::Ok | Code::Aborted | Code::OutOfRange | Code::DataLoss => Kind::Other,
        };
        Self { kind, reason: failure::reason(status), fields: failure::fields(status) }
    }
}
