//! How a client broke the protocol.

use super::code;

/// How a client broke the protocol or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("reserved bits are set")]
    Reserved,
    #[error("unknown opcode")]
    Opcode,
    #[error("a frame is not masked")]
    Unmasked,
    #[error("a control frame is long or fragmented")]
    Control,
    #[error("a length is no length")]
    Length,
    #[error("a continuation of nothing")]
    Continuation,
    #[error("a message begins within another")]
    Interrupted,
    #[error("a close with a bad code")]
    Close,
    #[error("text is not utf-8")]
    Utf8,
    #[error("message too big")]
    TooBig,
}

impl Error {
    /// The code that the client is told.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::TooBig => code::TOO_BIG,
            Self::Utf8 => code::NOT_UTF8,
            Self::Reserved
            | Self::Opcode
            | Self::Unmasked
            | Self::Control
            | Self::Length
            | Self::Continuation
            | Self::Interrupted
            | Self::Close => code::PROTOCOL_ERROR,
        }
    }

    /// What the client is told.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooBig => "message too big",
            Self::Utf8 => "text is not UTF-8",
            Self::Reserved
            | Self::Opcode
            | Self::Unmasked
            | Self::Control
            | Self::Length
            | Self::Continuation
            | Self::Interrupted
            | Self::Close => "protocol error",
        }
    }
}
