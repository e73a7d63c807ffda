//! What callers ask of conversations, once it is decoded.

use parlor_store::{ConversationPatch, MessageFilter, UserId};

use super::{
    access::{Named, Reference},
    page::MessageCursor,
};

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

/// A change of a conversation.
#[derive(Clone, Debug)]
pub struct Change {
    pub conversation: Reference,
    /// What only staff may change, and the clearing that a customer may ask for too.
    pub patch: ConversationPatch,
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

/// Which messages to list.
#[derive(Clone, Debug)]
pub struct Listing {
    pub conversation: Named,
    pub filter: MessageFilter,
    pub limit: u64,
    pub cursor: Option<MessageCursor>,
}
