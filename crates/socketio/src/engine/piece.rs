//! Packets of Engine.IO on their way out, before it is known what carries them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::packet::base64_head;
use crate::websocket;

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

    /// What it counts as while it waits.
    pub fn cost(&self) -> usize {
        size_of::<Self>() + self.head.len() + self.body.len()
    }
}

/// Text as a message of a WebSocket. A head that is longer than the line takes is put before its body.
pub(super) fn text_message<'a>(head: &'a [u8], body: &Bytes) -> (websocket::Kind, &'a [u8], Bytes) {
    if head.len() > websocket::HEAD_BYTES_MAX {
        return (websocket::Kind::Text, b"", [head, body].concat().into());
    }
    (websocket::Kind::Text, head, body.clone())
}

/// Bytes as a message of a WebSocket.
pub(super) fn bytes_message(
    v3: bool,
    base64: bool,
    bytes: &Bytes,
) -> (websocket::Kind, &'static [u8], Bytes) {
    if base64 {
        return (websocket::Kind::Text, base64_head(v3), STANDARD.encode(bytes).into());
    }
    // Engine.IO 3 says in bytes too that this is a message.
    (websocket::Kind::Binary, if v3 { &[4] } else { &[] }, bytes.clone())
}
