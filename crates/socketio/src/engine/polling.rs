//! Polling: what waits for the next GET, what POSTs have brought, and the end of both.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    answer::Answer,
    message::Message,
    payload,
    piece::{Form, Piece},
    told::Told,
    v3,
};
use crate::{
    outbox::{Closed, Queue},
    reason::Reason,
    websocket,
};

pub mod get;
pub mod post;

/// The state of a polling transport.
#[derive(Default)]
pub(super) struct Polling {
    queue: Queue<Piece>,
    /// What may wait, beside one packet that passes it.
    bytes_max: usize,
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

impl Polling {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Sends a packet of Socket.IO with all that belongs to it, if all of it finds room. Without `flush` it only waits.
    pub fn send(&mut self, packet: impl IntoIterator<Item = Piece>, flush: bool) -> Result<(), Closed> {
        let sent = self.queue.push(packet, self.bytes_max);
        if flush {
            self.release();
        }
        sent.map_err(|_refused| Closed(Reason::SlowReader))
    }

    /// Lets what waits go with the open GET, or with the next.
    pub fn release(&mut self) {
        self.released = true;
        self.wake();
    }

    pub fn waiting_bytes(&self) -> usize {
        self.queue.tally.bytes()
    }

    pub fn counted_bytes(&self) -> usize {
        self.queue.tally.beside()
    }

    /// Whether as much waits to be fetched as holds the client back: an answer still finds room.
    pub fn is_behind(&self) -> bool {
        self.released && self.queue.tally.bytes() > self.bytes_max / 2
    }

    /// Ready when nothing waits.
    pub fn poll_flushed(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.queue.is_empty() {
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
        self.queue.stalled
    }

    /// Ends it. True if an open GET takes the farewell. One that `comes_back` is not told that this is the end: some clients
    /// take that for their own wish and stay away. The next request finds nothing, so it begins anew.
    pub fn end(&mut self, told: Told, comes_back: bool) -> bool {
        if told != Told::AfterAll {
            self.queue = Queue::default();
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

    /// What POSTs have brought and the user has not taken, in bytes.
    pub fn held_bytes(&self) -> usize {
        let bytes = |message: &Message| match message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
            Message::Ended(_) => 0,
        };
        self.inbox.iter().map(bytes).sum()
    }

    /// Tells the user's task that there is something.
    pub fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// The WebSocket takes over, with what waits.
    pub fn hand_over(&mut self, socket: websocket::Socket, form: Form) -> Result<(), Closed> {
        let sender = socket.sender();
        self.took_over = true;
        self.arrived = Some(socket);
        self.flushed();
        self.wake();
        self.wake_reader();
        // As one: it has found room already.
        sender.queue_all(self.queue.take().iter().map(|piece| piece.message(form)))?;
        sender.flush();
        Ok(())
    }

    fn wake(&mut self) {
        if let Some(poller) = self.poller.take() {
            poller.wake();
        }
    }

    /// Everything that waits, as one payload.
    fn drain(&mut self, Form { v3, base64 }: Form) -> Answer {
        let mut pieces = self.queue.take();
        self.flushed();
        self.wake_reader();
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
