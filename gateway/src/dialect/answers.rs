//! What every dialect asks of the core's answers.

use parlor_api::v1;
use tonic::{Code, Status};

use super::Effect;

pub(super) fn is_staff(attached: &v1::LinkAttached) -> bool {
    attached.roles().any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin))
}

/// True where the core could not say: nothing follows for the credential.
pub(super) fn is_outage(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unknown
            | Code::ResourceExhausted
            | Code::Cancelled
    )
}

/// Counts a request that the core refused; an outage refuses nothing.
pub(super) fn refused(what: &'static str, status: &Status) -> Option<Effect> {
    let why = match status.code() {
        Code::Unauthenticated => "not proven",
        Code::PermissionDenied => "not permitted",
        Code::NotFound => "not found",
        Code::InvalidArgument => "malformed",
        Code::AlreadyExists | Code::FailedPrecondition => "not possible",
        _ => return None,
    };
    Some(Effect::Refused { what, why })
}
