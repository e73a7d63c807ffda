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
mod code;
mod error;
pub(crate) mod frame;
pub mod handshake;
mod heart;
mod joined;
mod limits;
mod mask;
mod reader;
mod rejection;
mod sender;
mod socket;
mod subprotocol;
mod utf8;

pub use self::{
    accept::{TakeApart, Taken, accept, plain},
    close::Close,
    error::Error,
    frame::{HEAD_BYTES_MAX, Kind},
    handshake::is_upgrade,
    heart::Pulse,
    joined::Joined,
    limits::{Limits, MESSAGE_BYTES, OUTBOX_BYTES},
    reader::{Reader, Received},
    rejection::Rejection,
    sender::Sender,
    socket::{Ended, Event, GOODBYE, Socket},
};
pub use crate::text::Text;
