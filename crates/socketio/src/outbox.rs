//! What waits to be written to one stream, in its order.
//!
//! A frame is written straight through when nothing waits; what the kernel does not take waits here and goes out with
//! one vectored write when it does. Whoever sends never waits: over the bound, the connection ends with a reason. One
//! packet at a time may pass the bound.
//! The connection's own task drives what waits with [`Outbox::poll_drive`]; there is no task for writing.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{reason::Reason, stream::Stream};

mod piece;
mod tally;

pub use self::piece::HEAD_BYTES_MAX;
pub(crate) use self::{piece::Piece, tally::Tally};

/// What a waiting piece costs beside its bytes.
pub const PIECE_BYTES: usize = mem::size_of::<Piece>();

/// Pieces for one system call: a burst of that many messages, well below what the kernel allows.
const PIECES_AT_ONCE: usize = 128;

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
    waiting: VecDeque<Piece>,
    /// What waits, or what waited when it ended.
    tally: Tally,
    /// The stream itself holds some of what was written.
    held: bool,
    /// Since when nothing was taken although something waits.
    stalled: Option<Instant>,
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
    pub fn send(&self, head: &[u8], body: &Bytes) -> Result<(), Closed> {
        let state = self.open()?;
        if !state.is_idle() {
            let state = self.wait(state, [Piece::new(head, body, 0)])?;
            return self.write_waiting(state).map(drop);
        }
        match self.stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
            Ok(written) if written == head.len() + body.len() => self.pass_on(state).map(drop),
            Ok(0) => Err(self.end_as(state, Reason::TransportError)),
            Ok(written) => self.wait_for_room(state, head, body, written),
            Err(error) if later(&error) => self.wait_for_room(state, head, body, 0),
            Err(_broken) => Err(self.end_as(state, Reason::TransportError)),
        }
    }

    /// Like [`Self::send`], but only waits: for bursts, followed by one [`Self::flush`]. Nobody is woken to write it before.
    ///
    /// # Errors
    /// If the connection has ended, or ends now because its bound is passed.
    pub fn queue(&self, head: &[u8], body: &Bytes) -> Result<(), Closed> {
        self.wait(self.open()?, [Piece::new(head, body, 0)]).map(drop)
    }

    /// Like [`Self::queue`], for pieces that are of use together only: the bound takes all of them or none.
    pub(crate) fn queue_all(&self, packet: Vec<Piece>) -> Result<(), Closed> {
        self.wait(self.open()?, packet).map(drop)
    }

    /// Writes what waits, as far as the kernel takes it.
    pub fn flush(&self) {
        if let Ok(state) = self.open_or_last() {
            let _ = self.write_waiting(state).map(drop);
        }
    }

    /// Sends something as the last thing: what waits before it still goes out, and nothing after it is taken.
    ///
    /// # Errors
    /// If the connection has ended, or its last thing has been sent already.
    pub fn send_last(&self, head: &[u8], body: &Bytes, reason: Reason) -> Result<(), Closed> {
        let mut state = self.open()?;
        let piece = Piece::new(head, body, 0);
        state.tally.admit(piece.cost(), usize::MAX);
        state.push(piece);
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
        let state = self.lock();
        state.ended.or(state.last)
    }

    /// What waits, with the cost of its places.
    pub fn waiting_bytes(&self) -> usize {
        let state = self.lock();
        if state.ended.is_none() { state.tally.bytes() } else { 0 }
    }

    /// What of it counts towards the bound.
    pub fn counted_bytes(&self) -> usize {
        let state = self.lock();
        if state.ended.is_none() { state.tally.beside() } else { 0 }
    }

    /// Whether all that was sent has left.
    pub fn sent(&self) -> Sent {
        if self.lock().is_idle() { Sent::Left } else { Sent::Waits }
    }

    /// What waited when the connection ended and was dropped with it.
    pub fn dropped_bytes(&self) -> usize {
        let state = self.lock();
        if state.ended.is_some() { state.tally.bytes() } else { 0 }
    }

    /// Since when the stream has taken nothing although something waits.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.lock().stalled
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
        let state = self.open_or_last()?;
        match state.last {
            Some(reason) => Err(Closed(reason)),
            None => Ok(state),
        }
    }

    fn open_or_last(&self) -> Result<MutexGuard<'_, State>, Closed> {
        let state = self.lock();
        match state.ended {
            Some(reason) => Err(Closed(reason)),
            None => Ok(state),
        }
    }

    /// Lets what has not been written of a packet wait, within the bound.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        packet: impl AsRef<[Piece]> + IntoIterator<Item = Piece>,
    ) -> Result<MutexGuard<'a, State>, Closed> {
        let pieces = packet.as_ref().iter().filter(|piece| piece.len() > 0);
        let cost = pieces.map(Piece::cost).sum();
        if !state.tally.admit(cost, self.bytes_max) {
            // What only waits for a flush is not the client's doing: the kernel is asked before anybody is ended.
            state = self.write_waiting(state)?;
            if !state.tally.admit(cost, self.bytes_max) {
                return Err(self.end_as(state, Reason::SlowReader));
            }
        }
        packet.into_iter().filter(|piece| piece.len() > 0).for_each(|piece| state.push(piece));
        Ok(state)
    }

    /// The kernel takes no more: the connection's task writes the rest when it does.
    fn wait_for_room(
        &self,
        state: MutexGuard<'_, State>,
        head: &[u8],
        body: &Bytes,
        written: usize,
    ) -> Result<(), Closed> {
        self.wait(state, [Piece::new(head, body, written)])?.wake();
        Ok(())
    }

    fn write_waiting<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Closed> {
        while !state.waiting.is_empty() {
            match state.write(&self.stream) {
                Ok(0) => return Err(self.end_as(state, Reason::TransportError)),
                Ok(written) => state.written(written),
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
        state.stalled = if held { state.stalled.or_else(|| Some(Instant::now())) } else { None };
        Ok(state)
    }

    fn end_as(&self, mut state: MutexGuard<'_, State>, reason: Reason) -> Closed {
        self.finish(&mut state, reason);
        Closed(reason)
    }

    /// Bytes that nobody will read must not stay with the kernel for minutes.
    fn finish(&self, state: &mut State, reason: Reason) {
        if reason.is_abrupt() || !state.is_idle() {
            self.stream.abort();
        }
        state.ended = Some(reason);
        state.waiting = VecDeque::new();
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a line")
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.held
    }

    fn push(&mut self, piece: Piece) {
        self.stalled.get_or_insert_with(Instant::now);
        self.waiting.push_back(piece);
    }

    fn write<S: Stream + ?Sized>(&self, stream: &S) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); 2 * PIECES_AT_ONCE];
        let mut count = 0;
        for piece in self.waiting.iter().take(PIECES_AT_ONCE) {
            for part in piece.parts().into_iter().filter(|part| !part.is_empty()) {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
        }
        stream.try_write_vectored(&slices[..count])
    }

    /// Forgets what the kernel took.
    fn written(&mut self, mut written: usize) {
        while let Some(first) = self.waiting.front_mut() {
            if written < first.len() {
                self.tally.leave(written);
                first.advance(written);
                self.stalled = Some(Instant::now());
                return;
            }
            written -= first.len();
            self.tally.leave(first.cost());
            self.waiting.pop_front();
        }
        self.stalled = None;
        // At rest nothing waits, and most connections are at rest.
        self.waiting = VecDeque::new();
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
