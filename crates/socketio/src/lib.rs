//! Socket.IO and Engine.IO as a server-side transport: ordered packets in, shared encoded frames out.
//!
//! The crate moves frames. Rooms, rules and what an event means are its user's business.
//!
//! # Words
//!
//! An [`Engine`] answers the requests of one path. Each client is one [`Connection`], by polling, by WebSocket, or by one
//! after the other without its user noticing. Its user runs one task for it and calls [`Connection::next`]: packets come
//! strictly in order. A client joins namespaces; each one that is accepted gives a [`Socket`], which is what fan-out holds:
//! a pointer, with a public id that is not the secret sid of the transport. An [`Event`] is made once and given to any
//! number of sockets; its bytes are shared. Below it, a [link](engine::Link) carries messages without Socket.IO, and a
//! [`websocket`] frames without either.
//!
//! # What holds
//!
//! - What is sent is written at once by whoever sends it. Only what the client does not take waits, up to
//!   [`Config::outbox_bytes`] beside one packet that may pass it, however long; beyond that the connection ends with
//!   [`Reason::SlowReader`]. Nothing is lost silently.
//! - A client that is silent, or takes nothing, is gone within interval and time-out together, and one that sends other
//!   things than its answer one time-out later; `next` says so.
//! - A user who does not call `next` holds its client back, and its client's silence is excused.
//! - A connection at rest has no task, timer or buffer of its own: one [wheel] visits all.
//! - What a client has begun to send is whole in time: a message in fragments, a packet with its attachments, which count
//!   into [`Config::max_payload`] together. One that is in no namespace has [`Config::connect_bytes`] to ask for one.
//! - Every limit is a field of [`Config`] with a default that has a reason.
//!
//! # An echo
//!
//! ```
//! use parlor_socketio::{Config, Connection, Engine, Handler, Incoming};
//! use tokio::task::JoinSet;
//!
//! struct Echo(std::sync::Mutex<JoinSet<()>>);
//!
//! impl Handler for Echo {
//!     fn connected(&self, connection: Connection) {
//!         self.0.lock().expect("nobody panics here").spawn(echo(connection));
//!     }
//! }
//!
//! async fn echo(mut connection: Connection) {
//!     let mut joined = None;
//!     loop {
//!         match connection.next().await {
//!             Incoming::Connect { namespace, .. } if &*namespace == "/" => {
//!                 joined = Some(connection.accept(&namespace, None));
//!             }
//!             Incoming::Connect { namespace, .. } => connection.refuse(&namespace, "Invalid namespace", None),
//!             Incoming::Event { event, .. } => {
//!                 if let Some(socket) = &joined {
//!                     // If the connection has ended, the next packet says so.
//!                     let _ = socket.emit(&event);
//!                 }
//!             }
//!             Incoming::Oversized { .. } | Incoming::Ack { .. } => {}
//!             Incoming::Leave { .. } => joined = None,
//!             Incoming::Ended(_reason) => return,
//!         }
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let engine = Engine::new(Config::new("/socket.io"), Echo(Default::default()));
//! // In the server's loop, for each request for which `engine.matches(request.uri())`:
//! let request = http::Request::get("/socket.io/?EIO=4&transport=polling");
//! let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
//! let response = engine.serve(request, None).await;
//! assert_eq!(response.status(), 200);
//! # });
//! ```

mod config;
mod connection;
pub mod engine;
pub mod outbox;
pub mod packet;
pub mod reason;
pub mod stream;
pub mod text;
pub mod websocket;
pub mod wheel;

pub use self::{
    config::{Config, Cors, Transports, UPGRADE_TIMEOUT},
    connection::{Connection, Handler, Incoming, Socket},
    engine::Engine,
    outbox::{Closed, Outbox, Sent},
    packet::{Burst, Event, Protocol},
    reason::Reason,
    stream::Stream,
    text::Text,
};
