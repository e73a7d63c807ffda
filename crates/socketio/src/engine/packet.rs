//! One Engine.IO packet of either protocol, as a WebSocket message or as a piece of a payload.

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;

/// What a packet is, by its digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Open = 0,
    Close = 1,
    Ping = 2,
    Pong = 3,
    Message = 4,
    Upgrade = 5,
    Noop = 6,
}

impl Kind {
    /// From the digit as it stands in text.
    pub(super) fn from_digit(digit: u8) -> Option<Self> {
        Self::from_number(digit.wrapping_sub(b'0'))
    }

    /// From the number as it stands in a binary message of Engine.IO 3.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Open,
            1 => Self::Close,
            2 => Self::Ping,
            3 => Self::Pong,
            4 => Self::Message,
            5 => Self::Upgrade,
            6 => Self::Noop,
            _ => return None,
        })
    }
}

/// Text or bytes, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub kind: Kind,
    pub binary: bool,
    pub data: Bytes,
}

/// The message is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Engine.IO packet")]
pub struct Malformed;

impl Packet {
    pub(super) fn text(kind: Kind, data: Bytes) -> Self {
        Self { kind, binary: false, data }
    }

    pub(super) fn binary(data: Bytes) -> Self {
        Self { kind: Kind::Message, binary: true, data }
    }

    /// A text message of a WebSocket, or a piece of a payload. Bytes may come as base64; Engine.IO 3 puts the kind
    /// between.
    pub fn from_text(text: &Bytes, v3: bool) -> Result<Self, Malformed> {
        if let Some(encoded) = text.strip_prefix(b"b") {
            if !v3 {
                return base64(encoded).map(Self::binary);
            }
            let (&digit, encoded) = encoded.split_first().ok_or(Malformed)?;
            let kind = Kind::from_digit(digit).ok_or(Malformed)?;
            return Ok(Self { kind, binary: true, data: base64(encoded)? });
        }
        let kind = text.first().and_then(|&digit| Kind::from_digit(digit)).ok_or(Malformed)?;
        Ok(Self::text(kind, text.slice(1..)))
    }

    /// A binary message of a WebSocket. Engine.IO 3 puts the kind before the bytes.
    pub fn from_binary(bytes: &Bytes, v3: bool) -> Result<Self, Malformed> {
        if !v3 {
            return Ok(Self::binary(bytes.clone()));
        }
        let kind = bytes.first().and_then(|&number| Kind::from_number(number)).ok_or(Malformed)?;
        Ok(Self { kind, binary: true, data: bytes.slice(1..) })
    }
}

/// How bytes begin that are written as base64.
pub(super) const fn base64_head(v3: bool) -> &'static [u8] {
    if v3 { b"b4" } else { b"b" }
}

/// Base64 with or without its padding, as clients write it.
fn base64(text: &[u8]) -> Result<Bytes, Malformed> {
    let padded = text.ends_with(b"=");
    let decoded = if padded { STANDARD.decode(text) } else { STANDARD_NO_PAD.decode(text) };
    decoded.map(Bytes::from).map_err(|_| Malformed)
}
