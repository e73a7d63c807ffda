//! An event on its way to watchers, and where their watch begins.

use std::sync::Arc;

use bytes::Bytes;
use parlor_api::v1;
use prost::Message as _;

/// An event with its number in a topic, shared by all its watchers.
#[derive(Clone, Debug)]
pub struct Announced {
    pub number: i64,
    pub event: Arc<v1::Event>,
    /// What it costs in a queue.
    pub bytes: usize,
}

/// Where a watch begins.
#[derive(Clone, Debug)]
pub struct Began {
    /// The number of the last event before it.
    pub position: i64,
    /// For a state, the state as it is.
    pub snapshot: Option<Arc<v1::Event>>,
}

impl Announced {
    /// Wraps an event that was not read from the bus.
    #[must_use]
    pub fn new(number: i64, event: v1::Event) -> Self {
        let bytes = event.encoded_len();
        Self { number, event: Arc::new(event), bytes }
    }

    pub(super) fn decode(mut message: Bytes) -> Option<Self> {
        use bytes::Buf as _;
        let number = message.try_get_i64().ok()?;
        let bytes = message.len();
        let event = v1::Event::decode(message).ok()?;
        Some(Self { number, event: Arc::new(event), bytes })
    }
}
