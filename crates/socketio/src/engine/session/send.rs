//! What leaves: packets of text and bytes, in the order in which they were given, by what carries the session just now.

use std::{
    iter,
    sync::{Arc, MutexGuard},
};

use bytes::Bytes;

use super::{Session, State, Told};
use crate::{
    engine::piece::{Piece, bytes_message, text_message},
    outbox::{Closed, Sent},
    packet::{Burst, Head, Kind},
    reason::Reason,
    websocket::Sender,
};

impl Session {
    /// Sends a packet: text made of `head` and `body`, and the bytes that belong to it. Nothing comes between them.
    /// Without `flush` it only waits, until [`Self::flush`] or the next packet.
    pub fn send(
        self: &Arc<Self>,
        head: &[u8],
        body: &Bytes,
        attachments: &[Bytes],
        flush: bool,
    ) -> Result<(), Closed> {
        let mut state = self.open()?;
        let state = &mut *state;
        let sent = match (&state.socket, &mut state.polling) {
            (Some(socket), _) if attachments.is_empty() => send_text(socket, head, body, flush),
            (Some(socket), _) => {
                let (v3, base64) = (self.v3, state.base64);
                let bytes = attachments.iter().map(|bytes| bytes_message(v3, base64, bytes));
                let sent = socket.queue_all(iter::once(text_message(head, body)).chain(bytes));
                if flush {
                    socket.flush();
                }
                sent
            }
            (None, Some(polling)) => {
                let bytes = attachments.iter().map(Piece::bytes);
                let packet = iter::once(Piece::text(head, body)).chain(bytes);
                polling.push(self.registry.config.outbox_bytes, packet)
            }
            (None, None) => Err(Closed(Reason::TransportClose)),
        };
        if let Err(Closed(reason)) = sent {
            self.finish(state, reason, Told::AtOnce);
            return sent;
        }
        if flush && let Some(polling) = &mut state.polling {
            polling.release();
        }
        Ok(())
    }

    /// Sends the events of a burst to a namespace, with one write where they are encoded together.
    pub fn send_burst(self: &Arc<Self>, namespace: &Arc<str>, burst: &Burst) -> Result<Sent, Closed> {
        let mut state = self.open()?;
        if let (Some(socket), Some(joined)) = (&state.socket, burst.joined(namespace)) {
            let sent = socket.send_joined(joined);
            if let Err(Closed(reason)) = sent {
                self.finish(&mut state, reason, Told::AtOnce);
            }
            return sent;
        }
        drop(state);
        for event in burst.events() {
            let head = Head::new(Kind::Event, event.attachments.len(), namespace, None);
            self.send(head.as_bytes(), &event.json, &event.attachments, false)?;
        }
        self.flush();
        Ok(if self.waiting_bytes() == 0 { Sent::Left } else { Sent::Waits })
    }

    /// Sends bytes that belong to no text.
    pub fn send_binary(self: &Arc<Self>, bytes: &Bytes) -> Result<(), Closed> {
        let mut state = self.open()?;
        let state = &mut *state;
        let sent = match (&state.socket, &mut state.polling) {
            (Some(socket), _) => {
                let (kind, head, body) = bytes_message(self.v3, state.base64, bytes);
                socket.send(kind, head, &body)
            }
            (None, Some(polling)) => {
                let pushed = polling.push(self.registry.config.outbox_bytes, [Piece::bytes(bytes)]);
                polling.release();
                pushed
            }
            (None, None) => Err(Closed(Reason::TransportClose)),
        };
        if let Err(Closed(reason)) = sent {
            self.finish(state, reason, Told::AtOnce);
        }
        sent
    }

    /// Writes what waits.
    pub fn flush(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        match (&state.socket, &mut state.polling) {
            (Some(socket), _) => socket.flush(),
            (None, Some(polling)) => polling.release(),
            (None, None) => {}
        }
    }

    /// What waits to be written, in bytes.
    pub fn waiting_bytes(&self) -> usize {
        let state = self.lock();
        match (&state.socket, &state.polling) {
            (Some(socket), _) => socket.waiting_bytes(),
            (None, Some(polling)) => polling.waiting_bytes(),
            (None, None) => 0,
        }
    }

    /// What of it counts towards the bound.
    pub fn counted_bytes(&self) -> usize {
        let state = self.lock();
        match (&state.socket, &state.polling) {
            (Some(socket), _) => socket.counted_bytes(),
            (None, Some(polling)) => polling.counted_bytes(),
            (None, None) => 0,
        }
    }

    /// What waited with the socket when it ended, in bytes.
    pub fn dropped_bytes(&self) -> usize {
        self.lock().socket.as_ref().map_or(0, Sender::dropped_bytes)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, Closed> {
        let state = self.lock();
        match state.ended {
            Some(reason) => Err(Closed(reason)),
            None => Ok(state),
        }
    }
}

fn send_text(socket: &Sender, head: &[u8], body: &Bytes, now: bool) -> Result<(), Closed> {
    let (kind, head, body) = text_message(head, body);
    if now { socket.send(kind, head, &body) } else { socket.queue(kind, head, &body) }
}
