//! What a client does.

use std::sync::Arc;

use bytes::Bytes;

use crate::{packet::Event, reason::Reason};

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// It asks to join: [`super::Connection::accept`] or [`super::Connection::refuse`] answers, now or later.
    Connect {
        namespace: Arc<str>,
        /// A JSON object, if there is any.
        auth: Option<Bytes>,
    },
    Event {
        namespace: Arc<str>,
        event: Event,
        /// It waits for an acknowledgement with this number.
        ack: Option<u64>,
    },
    /// An event that is longer than [`Config::max_event`](crate::Config::max_event) with its attachments: its text, without
    /// them.
    Oversized { namespace: Arc<str>, event: Event, ack: Option<u64> },
    /// It acknowledges an event of ours.
    Ack { namespace: Arc<str>, id: u64, event: Event },
    /// It has left the namespace.
    Leave { namespace: Arc<str> },
    /// The connection is over. Nothing comes after it.
    Ended(Reason),
}
