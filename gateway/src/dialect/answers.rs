//! What every dialect asks of the core's answers.

use parlor_api::v1;

pub(super) fn is_staff(attached: &v1::LinkAttached) -> bool {
    attached.roles().any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin))
}
