//! One Engine.IO packet of either protocol, as a WebSocket message or as a piece of a payload.

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

    /// A text message of a WebSocket, or a piece of a payload that is not base64.
    pub fn from_text(text: &Bytes) -> Result<Self, Malformed> {
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
