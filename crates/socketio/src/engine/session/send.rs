//! What leaves: packets of text and bytes, by what carries the session just now. What cannot be carried ends it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Session, Told};
use crate::{
    engine::{polling::Polling, transport::Transport},
    outbox::{Closed, Sent},
    packet::{Burst, Head, Kind},
    websocket::Sender,
};

impl Session {
    /// Gives something to what carries the session; ends the session if it is not taken.
    pub(in crate::engine) fn carry<T>(
        self: &Arc<Self>,
        give: impl FnOnce(&mut Transport) -> Result<T, Closed>,
    ) -> Result<T, Closed> {
        let mut state = self.lock();
        if let Some(reason) = state.transport.ended {
            return Err(Closed(reason));
        }
        let given = give(&mut state.transport);
        if let Err(Closed(reason)) = given {
            self.finish(&mut state, reason, Told::AtOnce);
        }
        given
    }

    /// Sends a packet: see [`Transport::send`].
    pub fn send(
        self: &Arc<Self>,
        head: &[u8],
        body: &Bytes,
        attachments: &[Bytes],
        flush: bool,
    ) -> Result<(), Closed> {
        self.carry(|transport| transport.send(head, body, attachments, flush))
    }

    /// Sends the events of a burst to a namespace, with one write where they are encoded together.
    pub fn send_burst(self: &Arc<Self>, namespace: &Arc<str>, burst: &Burst) -> Result<Sent, Closed> {
        let joined = self.carry(|transport| match (&transport.socket, burst.joined(namespace)) {
            (Some(socket), Some(joined)) => socket.send_joined(joined).map(Some),
            _ => Ok(None),
        });
        if let Some(sent) = joined? {
            return Ok(sent);
        }
        for event in burst.events() {
            let head = Head::new(Kind::Event, event.attachments.len(), namespace, None);
            self.send(head.as_bytes(), &event.json, &event.attachments, false)?;
        }
        self.flush();
        Ok(if self.waiting_bytes() == 0 { Sent::Left } else { Sent::Waits })
    }

    /// Sends bytes that belong to no text.
    pub fn send_binary(self: &Arc<Self>, bytes: &Bytes) -> Result<(), Closed> {
        self.carry(|transport| transport.send_binary(bytes))
    }

    /// Writes what waits.
    pub fn flush(&self) {
        self.lock().transport.flush();
    }

    /// What waits to be written, in bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.lock().transport.ask(Sender::waiting_bytes, Polling::waiting_bytes)
    }

    /// What of it counts towards the bound.
    pub fn counted_bytes(&self) -> usize {
        self.lock().transport.ask(Sender::counted_bytes, Polling::counted_bytes)
    }

    /// What waited with the socket when it ended, in bytes.
    pub fn dropped_bytes(&self) -> usize {
        self.lock().transport.socket.as_ref().map_or(0, Sender::dropped_bytes)
    }
}
