//! What callers ask of conversations, once it is decoded.

use parlor_store::UserId;

use super::access::Reference;

/// A conversation to create or find.
#[derive(Clone, Debug)]
pub struct Creation {
    pub key: Option<String>,
    pub kind: String,
    pub waiting: bool,
    pub owner_id: Option<UserId>,
    /// The owner's one open or pending conversation of the kind.
    pub own: bool,
}

/// A message to send; its text is checked.
#[derive(Clone, Debug)]
pub struct Sending {
    pub conversation: Reference,
    pub text: String,
    pub request_id: Option<String>,
    pub guest_name: String,
    pub leaves_unread: bool,
}
