//! How a process that did not succeed ends.

use std::fmt;

use parlor_core::Occupied;
use tonic::Code;

use crate::{config::Refused, contract::Refusal};

/// The command could not do its work.
pub const FAILED: u8 = 1;
/// It was refused, or what it looked at is not healthy.
pub const REFUSED: u8 = 3;

/// What was asked for is refused, and nothing was done. The text says what to do.
#[derive(Debug)]
pub struct Declined(pub String);

impl fmt::Display for Declined {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Declined {}

pub fn code_of(error: &anyhow::Error) -> u8 {
    let declined = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>()).is_some_and(|refusal| {
        matches!(
            refusal.code,
            Code::Unauthenticated | Code::PermissionDenied | Code::FailedPrecondition | Code::Unavailable
        )
    });
    let refused =
        error.chain().any(|cause| cause.is::<Refused>() || cause.is::<Occupied>() || cause.is::<Declined>());
    if declined || refused { REFUSED } else { FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_refusals_from_failures() {
        let refused = anyhow::Error::from(Refused(Vec::new())).context("serve");
        assert_eq!(code_of(&refused), REFUSED);
        let declined = anyhow::Error::from(Refusal::from(tonic::Status::permission_denied("no")));
        assert_eq!(code_of(&declined.context("user list")), REFUSED);
        let occupied = anyhow::Error::from(Occupied { node: "parlor".into(), renewed_at: 0 });
        assert_eq!(code_of(&occupied.context("serve")), REFUSED);
        let declined = anyhow::Error::from(Declined("it is there already".into()));
        assert_eq!(code_of(&declined.context("backup")), REFUSED);
        let missing = anyhow::Error::from(Refusal::from(tonic::Status::not_found("no such user")));
        assert_eq!(code_of(&missing), FAILED);
        assert_eq!(code_of(&anyhow::anyhow!("broken")), FAILED);
    }
}
