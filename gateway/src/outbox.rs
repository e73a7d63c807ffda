//! What waits for one connection: frames and inputs, in the one order in which they came.
//!
//! Fan-out, the link and finished calls push; the connection's task takes. It is bounded in bytes, from the push until
//! the socket took the frame: a client that reads too slowly ends with a reason and its memory is free at once, and
//! whoever pushes never waits. While nothing of the connection waits and its task is in the middle of nothing, a frame
//! goes straight to its [`Wire`] from where it was pushed; the order is the same.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use parlor_socketio::Sent;

pub(crate) use self::{
    run::{Run, Shown},
    ticket::{Departure, Ticket},
};
use crate::dialect::{Answer, Frame, Input, Tag, refusal::Refusal};

mod run;
mod ticket;

/// What may wait for one connection. A client a few seconds behind in a busy room stays below; 1,000 clients that have
/// stopped reading hold a quarter of a gigabyte at most, until their write time-out.
pub const OUTBOX_BYTES: usize = 256 * 1024;

/// What an item costs beside its bytes: its place in the queue, and the frame's header.
pub const ITEM_BYTES: usize = 64;

/// What waits for a connection.
#[derive(Debug)]
pub(crate) enum Item {
    /// Goes to the client as it is.
    Frame(Frame, Ticket),
    /// Goes to the machine.
    Input(Box<Input>, Option<Ticket>),
}

impl Item {
    /// An answer on its way to the machine.
    pub fn answer(tag: Tag, answer: Result<Answer, Refusal>, position: Option<u64>) -> Self {
        Self::Input(Box::new(Input::Answer { tag, answer, position }), None)
    }

    fn is_frame(&self) -> bool {
        matches!(self, Self::Frame(..))
    }

    /// It answers what the connection asked for, or is about the connection itself.
    fn is_answer(&self) -> bool {
        matches!(self, Self::Input(input, _) if !matches!(**input, Input::Event { .. }))
    }

    /// It shows no event at or before this position.
    fn is_past(&self, position: u64) -> bool {
        match self {
            Self::Frame(_, ticket) => ticket.is_past(position),
            Self::Input(..) => true,
        }
    }

    pub fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Frame(_, ticket) => Some(Arc::clone(ticket)),
            Self::Input(_, ticket) => ticket.clone(),
        }
    }
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
    pub const SILENT: Self = Self { code: 1001, reason: "no answer to a ping" };
    pub const NOT_JOINED: Self = Self { code: 1008, reason: "did not say who it is in time" };
    pub const TOO_SLOW: Self = Self { code: 1008, reason: "message not finished in time" };
    pub const TRY_AGAIN: Self = Self { code: 1013, reason: "try again" };
    /// The client is gone; there is nobody to tell.
    pub const GONE: Self = Self { code: 1005, reason: "" };
}

/// What takes frames without anybody waiting for it.
pub(crate) trait Wire: Send + Sync {
    /// Writes a run of frames, or keeps what the kernel does not take. An error is why the connection has ended.
    fn send(&self, run: &Run) -> Result<Sent, Ending>;

    /// What it keeps.
    fn waiting_bytes(&self) -> usize;

    /// What of it counts towards the bound: one long frame may pass it.
    fn counted_bytes(&self) -> usize;

    /// What it kept when the connection ended, where it knows that.
    fn dropped_bytes(&self) -> usize;
}

/// The queue of one connection.
pub(crate) struct Outbox {
    state: Mutex<State>,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    items: VecDeque<(Item, usize)>,
    bytes: usize,
    ending: Option<Ending>,
    /// Nobody takes anything any more.
    abandoned: bool,
    /// Where frames go straight to, if the transport can do that.
    wire: Option<Box<dyn Wire>>,
    /// The connection's task is in the middle of nothing.
    calm: bool,
    /// Frames wait, and only inputs are taken.
    held: bool,
    /// The client was given the events up to this position of its tenant's log in another way.
    given: u64,
    /// Of frames that went to the wire, and of which some still waits there.
    tickets: Vec<Ticket>,
    /// The connection's task.
    waiting: Option<Waker>,
}

impl Outbox {
    pub fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bytes_max }
    }

    /// From the next [`Self::calm`] on, frames may go straight to the wire.
    pub fn connect(&self, wire: impl Wire + 'static) {
        self.lock().wire = Some(Box::new(wire));
    }

    /// Adds an item; false if the connection has ended, or ends now because it is over its bound. What has ended still
    /// takes answers: what the client asked for before is carried out.
    pub fn push(&self, item: Item) -> bool {
        let state = self.lock();
        if state.ending.is_some() {
            return item.is_answer() && !state.abandoned && self.wait(state, item);
        }
        if !item.is_past(state.given) {
            return true;
        }
        match item {
            Item::Frame(frame, ticket) if state.is_free() => {
                self.send(state, &Run::new(vec![Shown { number: 0, frame, ticket }]))
            }
            item => self.wait(state, item),
        }
    }

    /// Adds the frames of a run whose numbers are above `above`.
    pub fn push_run(&self, run: &Run, above: u64) {
        let state = self.lock();
        if state.ending.is_none() && state.is_free() && run.is_above(above) && run.is_past(state.given) {
            self.send(state, run);
            return;
        }
        drop(state);
        for shown in run.shown().iter().filter(|shown| shown.number > above) {
            self.push(Item::Frame(shown.frame.clone(), Arc::clone(&shown.ticket)));
        }
    }

    /// Under the lock, so that the order is that of the pushes.
    fn send(&self, mut state: MutexGuard<'_, State>, run: &Run) -> bool {
        let wire = state.wire.as_ref().expect("a free connection has a wire");
        match wire.send(run) {
            Ok(Sent::Left) => true,
            Ok(Sent::Waits) => {
                state.tickets.extend(run.shown().iter().map(|shown| Arc::clone(&shown.ticket)));
                true
            }
            Err(ending) => {
                self.end_in(state, ending);
                false
            }
        }
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, item: Item) -> bool {
        let bytes = ITEM_BYTES + size(&item);
        let counted = state.bytes + state.wire.as_ref().map_or(0, |wire| wire.counted_bytes());
        if state.ending.is_none() && counted + bytes > self.bytes_max {
            self.end_in(state, Ending::SLOW_READER);
            return false;
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        state.wake();
        true
    }

    /// Ends the connection and drops all that waits for its client. The first reason stays.
    pub fn end(&self, ending: Ending) {
        self.end_in(self.lock(), ending);
    }

    /// The connection's task is over.
    pub fn abandon(&self) {
        self.lock().abandoned = true;
        self.end(Ending::GONE);
    }

    pub fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    fn end_in(&self, mut state: MutexGuard<'_, State>, ending: Ending) {
        let first = state.ending.is_none();
        state.ending.get_or_insert(ending);
        let wired = state.wire.as_ref().map_or(0, |wire| wire.waiting_bytes() + wire.dropped_bytes());
        let items = std::mem::take(&mut state.items);
        let (kept, items): (VecDeque<_>, VecDeque<_>) =
            items.into_iter().partition(|(item, _)| item.is_answer() && !state.abandoned);
        state.items = kept;
        let bytes = std::mem::take(&mut state.bytes) + wired;
        let dropped = (items, std::mem::take(&mut state.tickets), state.wire.take());
        state.wake();
        drop(state);
        drop(dropped);
        if first && ending == Ending::SLOW_READER {
            metrics::counter!(crate::metric::SLOW_READERS).increment(1);
            metrics::counter!(crate::metric::SLOW_READERS_BYTES).increment(bytes as u64);
        }
    }

    /// Completes when there is something to take, or the connection has ended.
    pub async fn ready(&self) {
        poll_fn(|cx| self.poll_ready(cx)).await;
    }

    /// Completes when there is something to take, even if the connection has ended.
    pub async fn next(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.has_next() {
                return Poll::Ready(());
            }
            state.waited_for(cx);
            Poll::Pending
        })
        .await;
    }

    /// See [`Self::ready`]; only the connection's task waits.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.has_next() || state.ending.is_some() {
            return Poll::Ready(());
        }
        state.waited_for(cx);
        Poll::Pending
    }

    /// Ready when the connection has ended.
    pub fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        let mut state = self.lock();
        state.waited_for(cx);
        state.ending.map_or(Poll::Pending, Poll::Ready)
    }

    pub fn ending(&self) -> Option<Ending> {
        self.lock().ending
    }

    /// The task is in the middle of something: what is pushed waits until it is [`Self::calm`] again.
    pub fn busy(&self) {
        self.lock().calm = false;
    }

    /// All that the task had to say is with the wire. If the wire keeps some of it, `tickets` are kept as long.
    pub fn calm(&self, tickets: Vec<Ticket>) {
        let mut state = self.lock();
        state.calm = true;
        let keeps = state.wire.as_ref().is_some_and(|wire| wire.waiting_bytes() > 0);
        if keeps && state.ending.is_none() {
            state.tickets.extend(tickets);
        }
    }

    /// The wire keeps nothing any more: what went there has left.
    pub fn has_left(&self) {
        let left = std::mem::take(&mut self.lock().tickets);
        drop(left);
    }

    /// From here on frames wait until [`Self::go_on`].
    pub fn hold(&self) {
        let mut state = self.lock();
        state.held = true;
        state.given = 0;
    }

    /// Frames wait no longer; those of events up to this position are forgotten, and so are those still to come.
    pub fn go_on(&self, above: u64) {
        let mut state = self.lock();
        state.held = false;
        state.given = state.given.max(above);
        let items = std::mem::take(&mut state.items);
        let (kept, passed): (VecDeque<_>, VecDeque<_>) =
            items.into_iter().partition(|(item, _)| item.is_past(above));
        state.items = kept;
        state.bytes -= passed.iter().map(|(_, bytes)| bytes).sum::<usize>();
        state.wake();
        drop(state);
        drop(passed);
    }

    /// Moves items of up to about `bytes_max` into `items`; they count until they are [`Self::release`]d.
    pub fn take(&self, bytes_max: usize, items: &mut Vec<Item>) -> usize {
        let mut state = self.lock();
        let mut taken = 0;
        while taken < bytes_max {
            let Some((item, bytes)) = state.next() else { break };
            taken += bytes;
            items.push(item);
        }
        if state.items.is_empty() {
            // At rest nothing waits, and most connections are at rest.
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

impl State {
    /// What is taken next: while frames are held, the first input.
    fn next(&mut self) -> Option<(Item, usize)> {
        if !self.held {
            return self.items.pop_front();
        }
        let first = self.items.iter().position(|(item, _)| !item.is_frame())?;
        self.items.remove(first)
    }

    fn has_next(&self) -> bool {
        if self.held { self.items.iter().any(|(item, _)| !item.is_frame()) } else { !self.items.is_empty() }
    }

    /// Nothing is before a frame that comes now, or will be.
    fn is_free(&self) -> bool {
        self.calm && !self.held && self.wire.is_some() && self.items.is_empty()
    }

    fn waited_for(&mut self, cx: &Context<'_>) {
        self.waiting.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
    }

    fn wake(&self) {
        if let Some(waiting) = &self.waiting {
            waiting.wake_by_ref();
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Outbox").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

/// Inputs other than events answer what the connection asked for, and are bounded by what it may ask at a time.
fn size(item: &Item) -> usize {
    match item {
        Item::Frame(frame, _) => frame.bytes(),
        Item::Input(input, _) => match input.as_ref() {
            Input::Event { event, .. } => prost::Message::encoded_len(event.as_ref()),
            Input::Frame(frame) => frame.bytes(),
            Input::Emitted { event, .. } => event.bytes(),
            Input::Connect { .. }
            | Input::Request(_)
            | Input::Answer { .. }
            | Input::Refreshed(_)
            | Input::RightsEnded(_)
            | Input::Timer(_)
            | Input::Closed => 0,
        },
    }
}

#[cfg(test)]
mod tests;
