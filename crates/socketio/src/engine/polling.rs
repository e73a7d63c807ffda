//! Polling: what waits for the next GET, what POSTs have brought, and the end of both.

use std::{
    collections::VecDeque,
    mem,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    answer::Answer,
    message::Message,
    payload,
    piece::{Piece, bytes_message, text_message},
    told::Told,
    v3,
};
use crate::{
    outbox::{Closed, Tally},
    reason::Reason,
    websocket,
};

mod get;
mod post;

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

    /// Whether as much waits to be fetched as holds the client back: an answer still finds room.
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
