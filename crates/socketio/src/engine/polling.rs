//! Polling: what waits for the next GET, what POSTs have brought, and the end of both.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    link::Message,
    payload,
    session::{Session, Told, bytes_message, text_message},
    v3,
};
use crate::{
    outbox::{Closed, Tally},
    reason::Reason,
    websocket,
};

mod post;

/// A GET that comes while the client upgrades is held so long before it is sent away with a NOOP: long enough that one
/// which overtakes the end of its own upgrade is refused, short enough that nobody notices.
const NOOP_DELAY: Duration = Duration::from_millis(100);

/// The state of a polling transport.
#[derive(Default)]
pub(super) struct Polling {
    waiting: VecDeque<Piece>,
    tally: Tally,
    /// Since when something waits.
    stalled: Option<Instant>,
    /// What waits may go.
    released: bool,
    /// A GET is open.
    polled: bool,
    poller: Option<Waker>,
    /// The open GET goes away empty.
    noop: bool,
    /// A POST is being read.
    pub posted: bool,
    /// A WebSocket has asked whether it may take over.
    pub probed: bool,
    /// A WebSocket has taken over.
    pub arrived: Option<websocket::Socket>,
    took_over: bool,
    /// A WebSocket that has not ended its upgrade.
    pub upgrade: Option<websocket::Sender>,
    farewell: Option<Farewell>,
    /// Ended, but kept so that a last poll gets its last packets.
    pub lingers: Option<Instant>,
    /// The user's task, while it waits.
    pub reader: Option<Waker>,
    /// What has come and was not taken yet: at most what one POST brought.
    pub inbox: VecDeque<Message>,
    pub poster: Option<Waker>,
    /// The user's task, while it waits for what waits to go.
    flusher: Option<Waker>,
}

/// The last packet of a polling transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    Close,
    Noop,
}

/// A packet of Engine.IO.
pub(super) struct Piece {
    binary: bool,
    head: Box<[u8]>,
    body: Bytes,
}

impl Piece {
    /// `head` and `body` make the text together.
    pub fn text(head: &[u8], body: &Bytes) -> Self {
        Self { binary: false, head: head.into(), body: body.clone() }
    }

    pub fn bytes(body: &Bytes) -> Self {
        Self { binary: true, head: Box::default(), body: body.clone() }
    }

    /// What it counts as while it waits.
    fn cost(&self) -> usize {
        size_of::<Self>() + self.head.len() + self.body.len()
    }
}

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Payload {
        bytes: Bytes,
        binary: bool,
    },
    /// A POST was taken.
    Taken,
    /// The session is gone.
    Unknown,
    /// The request does not fit the state of its session.
    Bad,
    TooBig,
}

impl Polling {
    /// Lets a packet of Socket.IO wait with all that belongs to it, if all of it finds room.
    pub fn push(&mut self, most: usize, packet: impl IntoIterator<Item = Piece>) -> Result<(), Closed> {
        let before = self.waiting.len();
        self.waiting.extend(packet);
        let cost = self.waiting.range(before..).map(Piece::cost).sum();
        if !self.tally.admit(cost, most) {
            self.waiting.truncate(before);
            return Err(Closed(Reason::SlowReader));
        }
        self.stalled.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Lets what waits go with the open GET, or with the next.
    pub fn release(&mut self) {
        self.released = true;
        self.wake();
    }

    pub fn waiting_bytes(&self) -> usize {
        self.tally.bytes()
    }

    pub fn counted_bytes(&self) -> usize {
        self.tally.beside()
    }

    /// So much may be fetched that the client has to do so before it is heard again: an answer still finds room.
    pub fn is_behind(&self, most: usize) -> bool {
        self.released && self.tally.bytes() > most / 2
    }

    /// Ready when nothing waits.
    pub fn poll_flushed(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.waiting.is_empty() {
            return Poll::Ready(());
        }
        self.flusher = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Tells who waits for it that nothing waits any more, or never goes.
    pub fn flushed(&mut self) {
        if let Some(flusher) = self.flusher.take() {
            flusher.wake();
        }
    }

    /// Since when the client has fetched nothing of what waits, if something does.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    /// Ends it. True if an open GET takes the farewell. One that `comes_back` is not told that this is the end: some clients
    /// take that for their own wish and stay away. The next request finds nothing, so it begins anew.
    pub fn end(&mut self, told: Told, comes_back: bool) -> bool {
        if told != Told::AfterAll {
            self.waiting = VecDeque::new();
            self.tally = Tally::default();
        }
        let noop = told == Told::Already || comes_back;
        self.farewell = Some(if noop { Farewell::Noop } else { Farewell::Close });
        if let Some(poster) = self.poster.take() {
            poster.wake();
        }
        self.flushed();
        self.wake();
        self.polled
    }

    /// The WebSocket that asks gets an empty line as fast as it can.
    pub fn probe(&mut self) {
        self.probed = true;
        if self.polled {
            self.noop = true;
            self.wake();
        }
    }

    /// The client gave the upgrade up.
    pub fn unprobe(&mut self) {
        self.probed = false;
        self.upgrade = None;
    }

    /// Tells the user's task that there is something.
    pub fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// The WebSocket takes over, with what waits.
    pub fn hand_over(&mut self, sender: &websocket::Sender, v3: bool, base64: bool) -> Result<(), Closed> {
        self.took_over = true;
        self.tally = Tally::default();
        self.flushed();
        self.wake();
        // As one: it has found room already.
        let waiting = mem::take(&mut self.waiting);
        sender.queue_all(waiting.iter().map(|piece| {
            if piece.binary {
                bytes_message(v3, base64, &piece.body)
            } else {
                text_message(&piece.head, &piece.body)
            }
        }))?;
        sender.flush();
        Ok(())
    }

    fn wake(&mut self) {
        if let Some(poller) = self.poller.take() {
            poller.wake();
        }
    }

    /// Everything that waits, as one payload.
    fn drain(&mut self, v3: bool, base64: bool) -> Answer {
        let mut pieces = mem::take(&mut self.waiting);
        self.flushed();
        self.wake_reader();
        self.tally = Tally::default();
        self.stalled = None;
        self.released = false;
        let last = match self.farewell {
            Some(Farewell::Close) => Some(b'1'),
            Some(Farewell::Noop) => Some(b'6'),
            None if pieces.is_empty() => Some(b'6'),
            None => None,
        };
        if let Some(digit) = last {
            pieces.push_back(Piece { binary: false, head: [digit].into(), body: Bytes::new() });
        }
        let binary = v3 && !base64 && pieces.iter().any(|piece| piece.binary);
        let append = match (v3, binary) {
            (false, _) => payload::append,
            (true, false) => v3::append_text,
            (true, true) => v3::append_binary,
        };
        let mut bytes = Vec::new();
        for piece in &pieces {
            append(&mut bytes, piece.binary, &piece.head, &piece.body);
        }
        Answer::Payload { bytes: bytes.into(), binary }
    }
}

impl Session {
    /// A GET: waits for something to take away.
    pub(in crate::engine) async fn poll(self: &Arc<Self>) -> Answer {
        self.check(Instant::now());
        let probed = match self.begin_poll() {
            Ok(probed) => probed,
            Err(answer) => return answer,
        };
        let open = OpenPoll { session: self, answered: false };
        let answer = if probed {
            let held = timeout(NOOP_DELAY, poll_fn(|cx| self.poll_payload(cx))).await;
            match held {
                Ok(answer) => answer,
                Err(_late) => {
                    if let Some(polling) = &mut self.lock().polling {
                        polling.noop = true;
                    }
                    poll_fn(|cx| self.poll_payload(cx)).await
                }
            }
        } else {
            poll_fn(|cx| self.poll_payload(cx)).await
        };
        open.answered();
        answer
    }

    fn begin_poll(self: &Arc<Self>) -> Result<bool, Answer> {
        let mut state = self.lock();
        let lingers = state.polling.as_ref().is_some_and(|polling| polling.lingers.is_some());
        if state.ended.is_some() && !lingers {
            return Err(Answer::Unknown);
        }
        if state.socket.is_some() {
            return Err(Answer::Bad);
        }
        let Some(polling) = &mut state.polling else { return Err(Answer::Bad) };
        if polling.polled {
            self.finish(&mut state, Reason::TransportError, Told::AtOnce);
            return Err(Answer::Bad);
        }
        polling.polled = true;
        Ok(polling.probed)
    }

    fn poll_payload(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.lock();
        let base64 = state.base64;
        let Some(polling) = &mut state.polling else { return Poll::Ready(Answer::Bad) };
        let ready = if polling.took_over {
            Some(Answer::Bad)
        } else if polling.farewell.is_some()
            || (polling.released && !polling.waiting.is_empty())
            || polling.noop
        {
            Some(polling.drain(self.v3, base64))
        } else {
            None
        };
        let Some(answer) = ready else {
            polling.poller = Some(cx.waker().clone());
            return Poll::Pending;
        };
        polling.polled = false;
        polling.noop = false;
        if polling.lingers.take().is_some() {
            self.registry.remove(&self.key);
        }
        Poll::Ready(answer)
    }
}

/// A GET that its client gives up ends the session: what it would have taken away might be lost.
struct OpenPoll<'a> {
    session: &'a Arc<Session>,
    answered: bool,
}

impl OpenPoll<'_> {
    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.session.end(Reason::TransportError, Told::AtOnce);
        }
    }
}
