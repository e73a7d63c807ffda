//! What waits for one connection: frames and inputs, in the one order in which they came.
//!
//! Fan-out, the link and finished calls push; the connection's task takes. It is bounded in bytes, from the push until
//! the socket took the frame: a client that reads too slowly ends with a reason and its memory is free at once, and
//! whoever pushes never waits. A frame that waits alone is written and flushed at once; several are written together.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::dialect::{Frame, Input};

/// What may wait for one connection. A client a few seconds behind in a busy room stays below; 1,000 clients that have
/// stopped reading hold a quarter of a gigabyte at most, until their write time-out.
pub const OUTBOX_BYTES: usize = 256 * 1024;

/// What an item costs beside its bytes: its place in the queue, and the frame's header.
pub const ITEM_BYTES: usize = 64;

/// A drained queue that has grown beyond so many places gives them back.
const PLACES_KEPT: usize = 64;

/// Held by everything that carries one event; the last one to be dropped says that the event has left.
pub(crate) type Ticket = Arc<Departure>;

/// Tells who waits that an event has left for every socket it was meant for.
#[derive(Debug, Default)]
pub(crate) struct Departure(CancellationToken);

impl Departure {
    /// What completes when the last holder of the ticket is gone.
    pub fn left(&self) -> CancellationToken {
        self.0.clone()
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What waits for a connection.
#[derive(Debug)]
pub(crate) enum Item {
    /// Goes to the client as it is.
    Frame(Frame, Option<Ticket>),
    /// Goes to the machine.
    Input(Box<Input>, Option<Ticket>),
}

/// Why a connection ends, as its client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub code: u16,
    pub reason: &'static str,
}

impl Ending {
    pub const SLOW_READER: Self = Self { code: 1013, reason: "slow reader" };
    pub const GOING_AWAY: Self = Self { code: 1001, reason: "server is going away" };
    pub const SUBSCRIPTION_LOST: Self = Self { code: 1012, reason: "subscription lost" };
    pub const HELD_BACK: Self = Self { code: 1008, reason: "too fast for too long" };
    pub const TOO_BIG: Self = Self { code: 1009, reason: "message too big" };
    pub const BAD_FRAME: Self = Self { code: 1002, reason: "protocol error" };
    pub const BAD_TEXT: Self = Self { code: 1007, reason: "text is not UTF-8" };
    pub const SILENT: Self = Self { code: 1001, reason: "no answer to a ping" };
    /// The client is gone; there is nobody to tell.
    pub const GONE: Self = Self { code: 1005, reason: "" };
}

/// The queue of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    ready: Notify,
    ended: CancellationToken,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<(Item, usize)>,
    bytes: usize,
    ending: Option<Ending>,
}

impl Outbox {
    pub fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), ended: CancellationToken::new(), bytes_max }
    }

    /// Adds an item; false if the connection has ended, or ends now because it is over its bound.
    pub fn push(&self, item: Item) -> bool {
        let bytes = ITEM_BYTES + size(&item);
        let mut state = self.lock();
        if state.ending.is_some() {
            return false;
        }
        if state.bytes + bytes > self.bytes_max {
            drop(state);
            self.end(Ending::SLOW_READER);
            return false;
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        drop(state);
        self.ready.notify_one();
        true
    }

    /// Ends the connection and drops all that waits. The first reason stays.
    pub fn end(&self, ending: Ending) {
        let mut state = self.lock();
        let first = state.ending.is_none();
        state.ending.get_or_insert(ending);
        let dropped = std::mem::take(&mut state.items);
        let bytes = std::mem::take(&mut state.bytes);
        drop(state);
        drop(dropped);
        if first && ending == Ending::SLOW_READER {
            metrics::counter!("parlor_gateway_slow_readers_total").increment(1);
            metrics::counter!("parlor_gateway_slow_readers_bytes_total").increment(bytes as u64);
        }
        self.ended.cancel();
        self.ready.notify_one();
    }

    /// Completes when there is something to take, or the connection has ended.
    pub async fn ready(&self) {
        loop {
            {
                let state = self.lock();
                if !state.items.is_empty() || state.ending.is_some() {
                    return;
                }
            }
            self.ready.notified().await;
        }
    }

    /// Completes when the connection has ended.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub fn ending(&self) -> Option<Ending> {
        self.lock().ending
    }

    /// Moves items of up to about `bytes_max` into `items`; they count until they are [`Self::release`]d.
    pub fn take(&self, bytes_max: usize, items: &mut Vec<Item>) -> usize {
        let mut state = self.lock();
        let mut taken = 0;
        while taken < bytes_max {
            let Some((item, bytes)) = state.items.pop_front() else { break };
            taken += bytes;
            items.push(item);
        }
        if state.items.is_empty() && state.items.capacity() > PLACES_KEPT {
            state.items = VecDeque::new();
        }
        taken
    }

    /// Says that the socket took what was taken from here.
    pub fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the queue")
    }
}

/// Inputs other than events answer what the connection asked for, and are bounded by what it may ask at a time.
fn size(item: &Item) -> usize {
    match item {
        Item::Frame(frame, _) => frame_bytes(frame),
        Item::Input(input, _) => match input.as_ref() {
            Input::Event { event, .. } => prost::Message::encoded_len(event.as_ref()),
            Input::Frame(frame) => frame_bytes(frame),
            Input::Request(_)
            | Input::Answer { .. }
            | Input::RightsEnded(_)
            | Input::Timer(_)
            | Input::Closed => 0,
        },
    }
}

pub(crate) fn frame_bytes(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Item {
        Item::Frame(Frame::Text("x".repeat(bytes).into()), None)
    }

    #[test]
    fn the_bound_counts_bytes_until_they_are_released() {
        let outbox = Outbox::new(2 * (ITEM_BYTES + 100));
        assert!(outbox.push(frame(100)));
        assert!(outbox.push(frame(100)), "exactly full is not over");
        let mut items = Vec::new();
        let taken = outbox.take(usize::MAX, &mut items);
        assert_eq!(taken, 2 * (ITEM_BYTES + 100));
        assert!(!outbox.push(frame(0)), "what the socket has not taken still counts");
        assert_eq!(outbox.ending(), Some(Ending::SLOW_READER));
    }

    #[test]
    fn released_bytes_are_free_again() {
        let outbox = Outbox::new(ITEM_BYTES + 100);
        for _ in 0..3 {
            assert!(outbox.push(frame(100)));
            let mut items = Vec::new();
            let taken = outbox.take(1, &mut items);
            assert_eq!(items.len(), 1);
            outbox.release(taken);
        }
        assert_eq!(outbox.ending(), None);
    }

    #[test]
    fn over_the_bound_everything_is_dropped_and_the_event_counts_as_left() {
        let outbox = Outbox::new(ITEM_BYTES + 10);
        let ticket = Ticket::default();
        let left = ticket.left();
        assert!(outbox.push(Item::Frame(Frame::Text("x".into()), Some(ticket))));
        assert!(!left.is_cancelled());
        assert!(!outbox.push(frame(100)));
        assert!(left.is_cancelled(), "nobody waits for a reader that is gone");
        assert!(!outbox.push(frame(0)), "an ended connection takes nothing");
    }

    #[tokio::test]
    async fn what_was_pushed_comes_out_in_its_order() {
        let outbox = Outbox::new(OUTBOX_BYTES);
        outbox.push(Item::Frame(Frame::Text("first".into()), None));
        outbox.push(Item::Input(Box::new(Input::Timer(7)), None));
        outbox.push(Item::Frame(Frame::Text("last".into()), None));
        outbox.ready().await;
        let mut items = Vec::new();
        outbox.take(OUTBOX_BYTES, &mut items);
        assert!(matches!(items[0], Item::Frame(Frame::Text(ref text), _) if text.as_str() == "first"));
        assert!(matches!(items[1], Item::Input(ref input, _) if matches!(**input, Input::Timer(7))));
        assert!(matches!(items[2], Item::Frame(Frame::Text(ref text), _) if text.as_str() == "last"));
    }
}
