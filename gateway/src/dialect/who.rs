//! Who somebody is: the token that they show, what the core says of it, and what audience they then are.

use http::{HeaderMap, header};
use parlor_api::v1;

use super::Audience;

/// The audiences of a chat between customers and staff.
pub(super) const CUSTOMER: Audience = Audience(0);
pub(super) const STAFF: Audience = Audience(1);

/// The token of the `authorization` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

pub(super) fn is_staff(attached: &v1::LinkAttached) -> bool {
    attached.roles().any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin))
}
