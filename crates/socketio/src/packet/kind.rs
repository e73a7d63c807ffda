//! What every packet says of itself.

/// The dialect of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Socket.IO protocol 5 on Engine.IO 4: clients from 3.0 on.
    V5,
    /// Socket.IO protocol 4 on Engine.IO 3: clients before 3.0.
    V4,
}

/// What a packet is; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Connect = 0,
    Disconnect = 1,
    Event = 2,
    Ack = 3,
    ConnectError = 4,
    BinaryEvent = 5,
    BinaryAck = 6,
}

impl Kind {
    pub(super) fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    pub(super) const fn digit(self) -> u8 {
        b'0' + self as u8
    }

    /// Whether attachments follow.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// The longest name of a namespace. Longer than any in use; it bounds the head of every packet.
pub const MAX_NAMESPACE_BYTES: usize = 200;
