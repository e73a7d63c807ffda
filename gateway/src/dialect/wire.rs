//! What is fixed of a dialect: its name, what its clients come over, its limits and the words for what is over them.

use super::{Frame, Response};

/// What is fixed of a dialect.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Its name in configuration, metrics and paths.
    pub name: &'static str,
    /// The audience that is staff, if one is.
    pub staff: Option<Audience>,
    /// What its clients come over, beside REST.
    pub carriers: Carriers,
    /// What its clients ask to be let in by: the log tells of refusals, since old front-ends do not.
    pub joins: &'static [&'static str],
    /// How fast a socket may send, and what becomes of what is over.
    pub pace: Pace,
    /// The refusal of a frame that is over the pace; nothing is sent if `None`.
    pub over_pace: Option<fn() -> Frame>,
    /// The refusal of a frame that is over the size; nothing is sent if `None`.
    pub oversized: Option<fn() -> Frame>,
    /// The cross-origin headers of a REST answer, and what preflights are told.
    pub cors: Cors,
    /// The answer to a REST request over the limit of its address.
    pub too_many_requests: fn() -> Response,
    /// The answer to a REST request whose body is over the limit.
    pub too_large: fn() -> Response,
    /// The answer where the core cannot be reached or failed unexpectedly.
    pub unavailable: fn() -> Response,
}

/// For whom an event is rendered; a dialect numbers its audiences itself. One connection may hear several topics as
/// different audiences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Audience(pub u8);

/// What the clients of a dialect come over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carriers {
    /// A raw WebSocket at the mount's base URL.
    pub websocket: bool,
    /// Socket.IO at this path of the listener (without a trailing slash), such as "/socket.io"; the mount's prefix is the
    /// namespace.
    pub socketio: Option<&'static str>,
}

/// How fast a socket may send.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub burst: u32,
    pub per_second: u32,
    /// True to refuse each frame that is over; false to let it wait.
    pub refuse: bool,
    /// Larger frames are refused.
    pub max_frame_bytes: usize,
}

/// What browsers are told of cross-origin use.
#[derive(Clone, Copy, Debug)]
pub struct Cors {
    pub allow_origin: &'static str,
    pub allow_headers: AllowHeaders,
    pub allow_methods: &'static str,
}

/// Which request headers a browser may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowHeaders {
    /// These.
    Named(&'static str),
    /// Those it asks for.
    Requested,
}
