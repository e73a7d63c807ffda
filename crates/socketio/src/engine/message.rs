//! What a client has sent.

use bytes::Bytes;

use crate::{reason::Reason, text::Text};

/// What a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Text(Text),
    Binary(Bytes),
    /// Nothing comes after it.
    Ended(Reason),
}
