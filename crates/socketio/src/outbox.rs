//! What waits to be written to one stream, in its order.
//!
//! A frame is written straight through when nothing waits; what the kernel does not take waits here and goes out with
//! one vectored write when it does. Whoever sends never waits: over the bound, the connection ends with a reason. One
//! packet at a time may pass the bound.
//! The connection's own task drives what waits with [`Outbox::poll_drive`]; there is no task for writing.

use std::{
    io::{self, IoSlice},
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{reason::Reason, stream::Stream};

mod piece;
mod queue;
mod tally;

pub use self::piece::HEAD_BYTES_MAX;
pub(crate) use self::{piece::Piece, queue::Queue, tally::Counted};

/// What a waiting piece costs beside its bytes.
pub const PIECE_BYTES: usize = mem::size_of::<Piece>();

/// The connection has ended, or has been told to; nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended: {0}")]
pub struct Closed(pub Reason);

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has it, and all that was before it.
    Left,
    /// Some of it waits.
    Waits,
}

/// The line of one connection: its stream, and what waits for it.
///
/// `Arc<Outbox<TcpStream>>` is an `Arc<Outbox>` by coercion, so whoever sends need not know what kind of stream it is.
pub struct Outbox<S: ?Sized = dyn Stream> {
    state: Mutex<State>,
    bytes_max: usize,
    stream: S,
}

/// A line that is shared by those who send.
pub type Line = Arc<Outbox>;

#[derive(Default)]
struct State {
    queue: Queue<Piece>,
    /// The stream itself holds some of what was written.
    held: bool,
    /// Nothing more is taken; what waits still goes out.
    last: Option<Reason>,
    ended: Option<Reason>,
    /// The connection's task: told when something begins to wait, and of the end.
    driver: Option<Waker>,
}

impl<S: Stream> Outbox<S> {
    /// A line on which at most `bytes_max` wait, beside one packet that passes it.
    pub fn new(stream: S, bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bytes_max, stream }
    }
}

impl<S: Stream + ?Sized> Outbox<S> {
    /// Sets the bound, before the line is shared.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Writes `head` and `body` at once if nothing waits and the kernel takes them; else they wait.
    ///
    /// # Errors
    /// If the connection has ended, or ends now because its bound is passed.
    ///
    /// # Panics
    /// If the head is longer than [`HEAD_BYTES_MAX`].
    pub fn send(&self, head: &[u8], body: &Bytes) -> Result<Sent, Closed> {
        let state = self.open()?;
        if !state.is_idle() {
            let state = self.wait(state, [Piece::new(head, body, 0)])?;
            return self.write_waiting(state).map(|state| state.sent());
        }
        let written = match self.stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
            Ok(written) if written == head.len() + body.len() => {
                return self.pass_on(state).map(|state| state.sent());
            }
            Ok(0) => return Err(self.end_as(state, Reason::TransportError)),
            Ok(written) => written,
            Err(error) if later(&error) => 0,
            Err(_broken) => return Err(self.end_as(state, Reason::TransportError)),
        };
        // The kernel takes no more: the connection's task writes the rest when it does.
        let state = self.wait(state, [Piece::new(head, body, written)])?;
        state.wake();
        Ok(state.sent())
    }

    /// Lets the pieces of a packet wait, for bursts, followed by one [`Self::flush`]: nobody is woken to write them before.
    /// The bound takes all of them or none.
    pub(crate) fn queue(&self, packet: impl IntoIterator<Item = Piece>) -> Result<(), Closed> {
        self.wait(self.open()?, packet).map(drop)
    }

    /// Writes what waits, as far as the kernel takes it.
    pub fn flush(&self) {
        let state = self.lock();
        if state.ended.is_none() {
            let _ = self.write_waiting(state).map(drop);
        }
    }

    /// Sends something as the last thing: what waits before it still goes out, and nothing after it is taken.
    ///
    /// # Errors
    /// If the connection has ended, or its last thing has been sent already.
    pub fn send_last(&self, head: &[u8], body: &Bytes, reason: Reason) -> Result<(), Closed> {
        let mut state = self.open()?;
        // It finds room.
        let _ = state.queue.push([Piece::new(head, body, 0)], usize::MAX);
        state.last = Some(reason);
        state.wake();
        self.write_waiting(state).map(drop)
    }

    /// Ends the connection: what waits is dropped. The first reason stays.
    pub fn end(&self, reason: Reason) {
        let state = self.lock();
        if state.ended.is_none() {
            self.end_as(state, reason);
        }
    }

    pub fn ended(&self) -> Option<Reason> {
        self.lock().ended
    }

    /// Why nothing more is taken, although what waits may still go out.
    pub fn closing(&self) -> Option<Reason> {
        self.lock().closing()
    }

    /// What waits, with the cost of its places.
    pub fn waiting_bytes(&self) -> usize {
        let state = self.lock();
        if state.ended.is_none() { state.queue.tally.bytes() } else { 0 }
    }

    /// What of it counts towards the bound.
    pub fn counted_bytes(&self) -> usize {
        let state = self.lock();
        if state.ended.is_none() { state.queue.tally.beside() } else { 0 }
    }

    /// What waited when the connection ended and was dropped with it.
    pub fn dropped_bytes(&self) -> usize {
        let state = self.lock();
        if state.ended.is_some() { state.queue.tally.bytes() } else { 0 }
    }

    /// Since when the stream has taken nothing although something waits.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.lock().queue.stalled
    }

    /// Writes what waits whenever the kernel takes it; ready when the connection has ended. Polled by the connection's
    /// task, also while it reads nothing.
    pub fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<Reason> {
        self.drive(cx).0.map_or(Poll::Pending, Poll::Ready)
    }

    /// Like [`Self::poll_drive`], and ready already when nothing more is taken.
    pub fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<Reason> {
        let (ended, last) = self.drive(cx);
        ended.or(last).map_or(Poll::Pending, Poll::Ready)
    }

    fn drive(&self, cx: &mut Context<'_>) -> (Option<Reason>, Option<Reason>) {
        loop {
            let mut state = self.lock();
            state.driven_by(cx);
            let (ended, last) = (state.ended, state.last);
            if ended.is_some() || state.is_idle() {
                return (ended, last);
            }
            drop(state);
            match self.stream.poll_write_ready(cx) {
                Poll::Pending => return (ended, last),
                Poll::Ready(Ok(())) => self.flush(),
                Poll::Ready(Err(_broken)) => self.end(Reason::TransportError),
            }
        }
    }

    /// Ready when nothing waits, or the connection has ended.
    pub fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Poll::Ready(reason) = self.poll_drive(cx) {
            return Poll::Ready(Err(Closed(reason)));
        }
        if self.lock().is_idle() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, Closed> {
        let state = self.lock();
        match state.closing() {
            Some(reason) => Err(Closed(reason)),
            None => Ok(state),
        }
    }

    /// Lets what has not been written of a packet wait, within the bound.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        packet: impl IntoIterator<Item = Piece>,
    ) -> Result<MutexGuard<'a, State>, Closed> {
        let packet = packet.into_iter().filter(|piece| piece.len() > 0);
        if let Err(packet) = state.queue.push(packet, self.bytes_max) {
            // What only waits for a flush is not the client's doing: the kernel is asked before anybody is ended.
            state = self.write_waiting(state)?;
            if state.queue.push(packet, self.bytes_max).is_err() {
                return Err(self.end_as(state, Reason::SlowReader));
            }
        }
        Ok(state)
    }

    fn write_waiting<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Closed> {
        while !state.queue.is_empty() {
            match state.queue.write_to(&self.stream) {
                Ok(()) => {}
                Err(error) if later(&error) => {
                    state.wake();
                    return Ok(state);
                }
                Err(_broken) => return Err(self.end_as(state, Reason::TransportError)),
            }
        }
        self.pass_on(state)
    }

    /// What was written leaves the stream itself too.
    fn pass_on<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>, Closed> {
        let held = match self.stream.try_flush() {
            Ok(()) => false,
            Err(error) if later(&error) => true,
            Err(_broken) => return Err(self.end_as(state, Reason::TransportError)),
        };
        if held && !state.held {
            state.wake();
        }
        state.held = held;
        let stalled = &mut state.queue.stalled;
        *stalled = if held { stalled.or_else(|| Some(Instant::now())) } else { None };
        Ok(state)
    }

    fn end_as(&self, mut state: MutexGuard<'_, State>, reason: Reason) -> Closed {
        // Bytes that nobody will read must not stay with the kernel for minutes.
        if reason.is_abrupt() || !state.is_idle() {
            self.stream.abort();
        }
        state.ended = Some(reason);
        state.queue.give_up();
        state.wake();
        Closed(reason)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a line")
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.held
    }

    fn sent(&self) -> Sent {
        if self.is_idle() { Sent::Left } else { Sent::Waits }
    }

    /// Why nothing more is taken.
    fn closing(&self) -> Option<Reason> {
        self.ended.or(self.last)
    }

    fn driven_by(&mut self, cx: &Context<'_>) {
        match &mut self.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            None => self.driver = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }
}

pub(crate) fn later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
