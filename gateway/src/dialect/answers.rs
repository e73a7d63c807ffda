//! What every dialect asks of the core's answers.

use parlor_api::v1;
use tonic::Status;

use super::{Effect, refusal::Refusal};

pub(super) fn is_staff(attached: &v1::LinkAttached) -> bool {
    attached.roles().any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin))
}

/// As [`Refusal::is_outage`].
pub(super) fn is_outage(status: &Status) -> bool {
    Refusal::from(status).is_outage()
}

/// As [`Refusal::counted`].
pub(super) fn refused(what: &'static str, status: &Status) -> Option<Effect> {
    Refusal::from(status).counted(what)
}
