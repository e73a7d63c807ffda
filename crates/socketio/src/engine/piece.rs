//! Packets of Engine.IO on their way out, before it is known what carries them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::packet::base64_head;
use crate::{
    outbox::Counted,
    websocket::{HEAD_BYTES_MAX, Kind},
};

/// A message of a WebSocket: its payload is the head and then the body.
pub(super) type Outgoing<'a> = (Kind, &'a [u8], Bytes);

/// How a client wants its packets.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// As Engine.IO 3 has them.
    pub v3: bool,
    /// Bytes as base64: said for polling and for the WebSocket separately.
    pub base64: bool,
}

/// A packet of Engine.IO.
pub(super) struct Piece {
    pub binary: bool,
    pub head: Box<[u8]>,
    pub body: Bytes,
}

impl Piece {
    /// `head` and `body` make the text together.
    pub fn text(head: &[u8], body: &Bytes) -> Self {
        Self { binary: false, head: head.into(), body: body.clone() }
    }

    pub fn bytes(body: &Bytes) -> Self {
        Self { binary: true, head: Box::default(), body: body.clone() }
    }

    /// As a message of a WebSocket.
    pub fn message(&self, form: Form) -> Outgoing<'_> {
        if self.binary { bytes_message(form, &self.body) } else { text_message(&self.head, &self.body) }
    }
}

impl Counted for Piece {
    fn cost(&self) -> usize {
        size_of::<Self>() + self.head.len() + self.body.len()
    }
}

/// Text as a message of a WebSocket. A head that is longer than the line takes is put before its body.
pub(super) fn text_message<'a>(head: &'a [u8], body: &Bytes) -> Outgoing<'a> {
    if head.len() > HEAD_BYTES_MAX {
        return (Kind::Text, b"", [head, body].concat().into());
    }
    (Kind::Text, head, body.clone())
}

/// Bytes as a message of a WebSocket.
pub(super) fn bytes_message(form: Form, bytes: &Bytes) -> Outgoing<'static> {
    if form.base64 {
        return (Kind::Text, base64_head(form.v3), STANDARD.encode(bytes).into());
    }
    // Engine.IO 3 says in bytes too that this is a message.
    (Kind::Binary, if form.v3 { &[4] } else { &[] }, bytes.clone())
}
