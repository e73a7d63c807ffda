//! What carries a session: polling, a WebSocket, or the one and what is left of the other. Packets leave in the order in
//! which they were given, across the upgrade too.

use std::{iter, task::Context};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    piece::{Form, Piece, bytes_message, text_message},
    polling::Polling,
    told::Told,
};
use crate::{
    outbox::Closed,
    reason::Reason,
    websocket::{Sender, Socket, close},
};

/// See the module.
pub(super) struct Transport {
    /// Why it carries nothing any more.
    pub ended: Option<Reason>,
    pub form: Form,
    pub socket: Option<Sender>,
    /// Polling, and what is left of it after the upgrade until the user has read it. What only polling needs is in there:
    /// most clients are WebSockets at rest.
    pub polling: Option<Box<Polling>>,
}

impl Transport {
    /// Polling, unless there is a WebSocket already; `bytes_max` is the bound of what waits for polling.
    pub fn new(form: Form, socket: Option<Sender>, bytes_max: usize) -> Self {
        let polling = socket.is_none().then(|| Box::new(Polling::new(bytes_max)));
        Self { ended: None, form, socket, polling }
    }

    /// Sends text made of `head` and `body`, and the bytes that belong to it. Nothing comes between them. Without `flush`
    /// it only waits, until [`Self::flush`] or the next packet.
    pub fn send(
        &mut self,
        head: &[u8],
        body: &Bytes,
        attachments: &[Bytes],
        flush: bool,
    ) -> Result<(), Closed> {
        match (&self.socket, &mut self.polling) {
            (Some(socket), _) if attachments.is_empty() => {
                let (kind, head, body) = text_message(head, body);
                if flush { socket.send(kind, head, &body) } else { socket.queue(kind, head, &body) }
            }
            (Some(socket), _) => {
                let bytes = attachments.iter().map(|bytes| bytes_message(self.form, bytes));
                let sent = socket.queue_all(iter::once(text_message(head, body)).chain(bytes));
                if flush {
                    socket.flush();
                }
                sent
            }
            (None, Some(polling)) => {
                let bytes = attachments.iter().map(Piece::bytes);
                polling.send(iter::once(Piece::text(head, body)).chain(bytes), flush)
            }
            (None, None) => Err(Closed(Reason::TransportClose)),
        }
    }

    /// Sends bytes that belong to no text.
    pub fn send_binary(&mut self, bytes: &Bytes) -> Result<(), Closed> {
        match (&self.socket, &mut self.polling) {
            (Some(socket), _) => {
                let (kind, head, body) = bytes_message(self.form, bytes);
                socket.send(kind, head, &body)
            }
            (None, Some(polling)) => polling.send([Piece::bytes(bytes)], true),
            (None, None) => Err(Closed(Reason::TransportClose)),
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self) {
        match (&self.socket, &mut self.polling) {
            (Some(socket), _) => socket.flush(),
            (None, Some(polling)) => polling.release(),
            (None, None) => {}
        }
    }

    /// Asks whichever carries it just now.
    pub fn ask<T: Default>(&self, socket: fn(&Sender) -> T, polling: fn(&Polling) -> T) -> T {
        match (&self.socket, &self.polling) {
            (Some(carrier), _) => socket(carrier),
            (None, Some(carrier)) => polling(carrier),
            (None, None) => T::default(),
        }
    }

    /// Since when the client has taken nothing of what waits for it. The kernel is asked first: a user who is busy
    /// drives no writing.
    pub fn stalled_since(&self) -> Option<Instant> {
        let asked = |socket: &Sender| {
            socket.stalled_since()?;
            socket.flush();
            socket.stalled_since()
        };
        self.ask(asked, Polling::stalled_since)
    }

    /// Wakes the user's task when polling has something.
    pub fn await_polling(&mut self, cx: &Context<'_>) {
        if let Some(polling) = &mut self.polling {
            polling.reader = Some(cx.waker().clone());
        }
    }

    /// Notes the WebSocket that asks to take over. False if one does already, or did, or there is nothing to take over.
    pub fn begin_upgrade(&mut self, socket: &Socket) -> bool {
        if self.ended.is_some() || self.socket.is_some() {
            return false;
        }
        let Some(polling) = self.polling.as_mut().filter(|polling| polling.upgrade.is_none()) else {
            return false;
        };
        polling.upgrade = Some(socket.sender());
        true
    }

    /// The WebSocket that asked takes over with all that waits; `base64` is how the client wants bytes from then on.
    pub fn take_over(&mut self, socket: Socket, base64: bool) -> Result<(), Closed> {
        // If the session has ended meanwhile, so has the WebSocket: its end was told to both.
        let Some(polling) = &mut self.polling else { return Ok(()) };
        if polling.upgrade.take().is_none() {
            return Ok(());
        }
        self.form.base64 = base64;
        self.socket = Some(socket.sender());
        polling.hand_over(socket, self.form)
    }

    /// Carries nothing any more. False if the client has yet to fetch the end.
    pub fn end(&mut self, reason: Reason, told: Told) -> bool {
        self.ended = Some(reason);
        if let Some(socket) = &self.socket {
            if reason.is_abrupt() {
                socket.end(reason);
            } else {
                // If the line has ended by itself, there is nobody left to be told.
                let _ = socket.close(close::NORMAL, "");
            }
        }
        let Some(polling) = &mut self.polling else { return true };
        if let Some(upgrade) = polling.upgrade.take() {
            upgrade.end(reason);
        }
        polling.wake_reader();
        self.socket.is_some() || polling.end(told, reason == Reason::ServerShuttingDown)
    }
}
