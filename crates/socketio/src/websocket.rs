//! WebSockets (RFC 6455), server side, without extensions: under Engine.IO, and raw for whoever wants frames only.
//!
//! [`accept()`] answers a request and gives a [`Socket`] once the connection is upgraded. One task owns the socket and
//! calls [`Socket::next`]; any number of [`Sender`]s send on it. A socket at rest holds no buffer: reads go into one that
//! the thread lends, and of what was read only the rest that is incomplete is kept.
//!
//! ```no_run
//! # use http::{Request, Response};
//! # use parlor_socketio::websocket::{self, Event, Kind, Limits};
//! # fn serve(mut request: Request<hyper::body::Incoming>, tasks: &mut tokio::task::JoinSet<()>) -> Response<String> {
//! let (response, opening) = match websocket::accept(&mut request, Limits::default(), websocket::plain) {
//!     Ok(accepted) => accepted,
//!     Err(rejection) => return rejection.response(),
//! };
//! tasks.spawn(async move {
//!     let Ok(mut socket) = opening.await else { return };
//!     let sender = socket.sender();
//!     while let Event::Text(text) = socket.next().await {
//!         let _ended = sender.send(Kind::Text, b"you said: ", text.as_bytes());
//!     }
//! });
//! response.map(|()| String::new())
//! # }
//! ```

mod accept;
mod buffer;
pub mod close;
pub(crate) mod frame;
pub mod handshake;
mod heart;
mod joined;
mod mask;
mod reader;
mod sender;
mod socket;
mod subprotocol;
mod utf8;

pub use self::{
    accept::{TakeApart, Taken, accept, plain},
    close::Close,
    frame::{HEAD_BYTES_MAX, Kind},
    handshake::{Rejection, is_upgrade},
    heart::Pulse,
    joined::Joined,
    reader::{Reader, Received},
    sender::Sender,
    socket::{Ended, Event, GOODBYE, Socket},
};
pub use crate::text::Text;

/// The largest message that is taken unless told otherwise: what the reference server takes.
pub const MESSAGE_BYTES: usize = 1_000_000;

/// What may wait for one socket unless told otherwise: a client a few seconds behind in a busy room stays below.
pub const OUTBOX_BYTES: usize = 256 * 1024;

/// What one socket may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame.
    pub frame_bytes: usize,
    /// The longest message, of however many frames. Their number is not bounded: a frame without bytes holds nothing.
    pub message_bytes: usize,
    /// What may wait to be written, beside one message that may pass it.
    pub outbox_bytes: usize,
}

impl Limits {
    /// Limits for messages up to this length, in one frame or in many.
    #[must_use]
    pub const fn messages(bytes: usize) -> Self {
        Self { frame_bytes: bytes, message_bytes: bytes, outbox_bytes: OUTBOX_BYTES }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::messages(MESSAGE_BYTES)
    }
}

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
            Self::TooBig => close::TOO_BIG,
            Self::Utf8 => close::NOT_UTF8,
            Self::Reserved
            | Self::Opcode
            | Self::Unmasked
            | Self::Control
            | Self::Length
            | Self::Continuation
            | Self::Interrupted
            | Self::Close => close::PROTOCOL_ERROR,
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
