//! What is announced to other nodes: bytes on named topics, to everybody who hears the topic now.
//!
//! A bus remembers nothing and promises little, because the numbers inside the bytes promise the rest: consumers order by
//! number, drop what they have seen, and fetch what is missing from the store. What every implementation does promise is
//! what `conformance` checks:
//!
//! - the messages of one publisher on one topic arrive in the order in which they were published;
//! - a subscriber hears its topic only, from the moment `subscribe` answers;
//! - a subscriber that is too slow never slows a publisher: it loses messages, and a [`Delivery::Gap`] stands where
//!   they were;
//! - dropping a [`Subscription`] frees what it held.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod lossy;
pub mod memory;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream::BoxStream};

/// Carries announcements between nodes.
#[async_trait::async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Announces to everybody who hears the topic; to nobody is fine. Never waits: what cannot be carried is lost, and
    /// subscribers are told of a gap as soon as they can be.
    fn publish(&self, topic: &str, message: Bytes);

    /// Hears a topic. Everything published after this answers is delivered, or replaced by a gap.
    async fn subscribe(&self, topic: &str) -> Result<Subscription, Error>;

    /// How many topics are heard here, for metrics.
    fn heard_topics(&self) -> usize;
}

/// What a subscriber is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// What somebody published.
    Message(Bytes),
    /// Something may have been lost here: compare heads.
    Gap,
}

/// Why a topic cannot be heard.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the bus did not answer: {0}")]
pub struct Error(pub String);

/// The deliveries of one topic. It ends only if the bus has lost the subscription; subscribe again and compare heads.
pub struct Subscription(BoxStream<'static, Delivery>);

impl Subscription {
    /// Makes one of whatever an implementation reads from.
    pub fn new(deliveries: impl Stream<Item = Delivery> + Send + 'static) -> Self {
        Self(deliveries.boxed())
    }

    /// The next delivery; `None` if the bus has lost the subscription. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.0.next().await
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
