//! Sends on a socket, from anywhere.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    close::Close,
    frame::{Head, Kind, Opcode},
    joined::Joined,
};
use crate::{
    outbox::{Closed, Outbox, Piece, Sent},
    reason::Reason,
};

/// A handle of a socket. It does not keep the socket: when that is gone, sending says so.
#[derive(Clone)]
pub struct Sender {
    line: Weak<Outbox>,
}

impl Sender {
    pub(super) fn new(line: &Arc<Outbox>) -> Self {
        Self { line: Arc::downgrade(line) }
    }

    /// Sends a message whose payload is `head` and then `body`: written at once if nothing waits, else it waits. The
    /// body's bytes are shared, never copied; the head has at most [`super::HEAD_BYTES_MAX`]. A text must be UTF-8.
    ///
    /// # Errors
    /// If the socket has ended or has been told to, or ends now because too much waits for it.
    pub fn send(&self, kind: Kind, head: &[u8], body: &Bytes) -> Result<(), Closed> {
        self.line()?.send(Head::new(kind.opcode(), head, body.len()).as_bytes(), body).map(drop)
    }

    /// Like [`Self::send`], but only waits: for bursts, followed by one [`Self::flush`].
    ///
    /// # Errors
    /// If the socket has ended or has been told to, or ends now because too much waits for it.
    pub fn queue(&self, kind: Kind, head: &[u8], body: &Bytes) -> Result<(), Closed> {
        let head = Head::new(kind.opcode(), head, body.len());
        self.line()?.queue([Piece::new(head.as_bytes(), body, 0)])
    }

    /// Like [`Self::queue`], for messages that are of use together only: the bound takes all of them or none.
    pub(crate) fn queue_all<'a>(
        &self,
        messages: impl IntoIterator<Item = (Kind, &'a [u8], Bytes)>,
    ) -> Result<(), Closed> {
        let pieces = messages.into_iter().map(|(kind, head, body)| {
            Piece::new(Head::new(kind.opcode(), head, body.len()).as_bytes(), &body, 0)
        });
        self.line()?.queue(pieces)
    }

    /// Sends messages that are frames already: written at once if nothing waits, else they wait.
    ///
    /// # Errors
    /// If the socket has ended or has been told to, or ends now because too much waits for it.
    pub fn send_joined(&self, messages: &Joined) -> Result<Sent, Closed> {
        self.line()?.send(b"", messages.as_bytes())
    }

    /// Writes what waits, as far as the kernel takes it.
    pub fn flush(&self) {
        if let Ok(line) = self.line() {
            line.flush();
        }
    }

    /// Asks the client whether it lives.
    ///
    /// # Errors
    /// If the socket has ended or has been told to.
    pub fn ping(&self) -> Result<(), Closed> {
        self.line()?.send(Head::new(Opcode::Ping, b"", 0).as_bytes(), &Bytes::new()).map(drop)
    }

    /// Says goodbye after what waits, and takes nothing more. The socket's owner is told by [`super::Socket::next`], once
    /// the client has answered or had its time.
    ///
    /// # Errors
    /// If the socket has ended or has been told to already.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), Closed> {
        let payload = Close::payload(code, reason);
        let head = Head::new(Opcode::Close, b"", payload.len());
        self.line()?.send_last(head.as_bytes(), &payload, Reason::ForcedClose)
    }

    /// Ends the socket at once: what waits is dropped and the client is told nothing.
    pub fn end(&self, reason: Reason) {
        if let Ok(line) = self.line() {
            line.end(reason);
        }
    }

    /// What waits to be written, with the cost of its places.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.line().map_or(0, |line| line.waiting_bytes())
    }

    /// What of it counts towards the bound: all but the one packet that may pass it.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.line().map_or(0, |line| line.counted_bytes())
    }

    /// Since when the client has taken nothing of what waits, if something does.
    #[must_use]
    pub fn stalled_since(&self) -> Option<Instant> {
        self.line().ok()?.stalled_since()
    }

    /// What waited when the socket ended, while its owner still has it.
    #[must_use]
    pub fn dropped_bytes(&self) -> usize {
        self.line().map_or(0, |line| line.dropped_bytes())
    }

    fn line(&self) -> Result<Arc<Outbox>, Closed> {
        self.line.upgrade().ok_or(Closed(Reason::TransportClose))
    }
}
