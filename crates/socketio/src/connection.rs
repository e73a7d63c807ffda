//! One Socket.IO connection as its user has it: packets in, strictly in order; answers to those that want to join.
//!
//! What a client may say when is decided here, as the reference decides it: an event for a namespace that the client has
//! not joined, a second CONNECT, a malformed packet end the connection.

mod incoming;
mod namespaces;
mod receive;
mod socket;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use self::namespaces::Namespaces;
pub use self::{incoming::Incoming, socket::Socket};
use crate::{
    engine::{Accept, Handshake, Link},
    outbox::Closed,
    packet::{self, Assembler, Protocol},
    reason::Reason,
};

/// What is told of every new connection.
pub trait Handler: Send + Sync + 'static {
    /// Takes the connection, and with it the duty to run it: the crate spawns no task of its user's. Must not block.
    fn connected(&self, connection: Connection);
}

impl<H: Handler> Accept for H {
    fn opened(&self, link: Link) {
        self.connected(Connection::new(link));
    }
}

/// One client, with its namespaces. Dropping it ends the transport.
pub struct Connection {
    /// Apart, so that a task which moves a connection about does not hold room for several.
    link: Box<Link>,
    namespaces: Namespaces,
    /// A packet whose attachments are still to come.
    assembler: Option<Box<Assembler>>,
    begun: bool,
}

impl Connection {
    fn new(link: Link) -> Self {
        Self { link: Box::new(link), namespaces: Namespaces::default(), assembler: None, begun: false }
    }

    /// The request that opened it, until it is taken.
    #[must_use]
    pub fn request(&self) -> Option<&Handshake> {
        self.link.request()
    }

    /// Frees what is kept of the request.
    pub fn take_request(&mut self) -> Option<Box<Handshake>> {
        self.link.take_request()
    }

    #[must_use]
    pub fn protocol(&self) -> Protocol {
        if self.link.is_v3() { Protocol::V4 } else { Protocol::V5 }
    }

    /// The next thing that the client did. It may be dropped and called again: nothing is lost. Who does not call it
    /// holds the client back.
    pub async fn next(&mut self) -> Incoming {
        Next { connection: self }.await
    }

    /// See [`Self::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if !self.begun {
            self.begun = true;
            if self.protocol() == Protocol::V4 {
                // An old client is in the main namespace without a word.
                let namespace = self.namespaces.ask("/");
                return Poll::Ready(Incoming::Connect { namespace, auth: None });
            }
        }
        loop {
            let message = ready!(self.link.poll_next(cx));
            if let Some(incoming) = self.received(message) {
                return Poll::Ready(incoming);
            }
        }
    }

    /// Writes what waits; ready when nothing does, or nothing can be written any more. [`Self::poll_next`] writes as well;
    /// who does not call it calls this, or nobody writes.
    pub fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.poll_flushed(cx)
    }

    /// Writes what waits whenever the client takes it, for a user who does not ask for the next packet just now. Ready when
    /// the connection has ended.
    pub fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<Reason> {
        self.link.poll_drive(cx)
    }

    /// Lets the client into a namespace that it asked for. `pid` names its session to a later recovery.
    pub fn accept(&mut self, namespace: &str, pid: Option<&str>) -> Socket {
        self.link.settle();
        let socket = Socket::new(self.link.session(), namespace);
        self.namespaces.join(&socket);
        let answer = packet::connect(self.protocol(), namespace, socket.id(), pid);
        // If the connection has ended, the next packet says so.
        let _ = self.send(&answer);
        socket
    }

    /// Tells the client why it may not join. `data` is JSON.
    pub fn refuse(&mut self, namespace: &str, message: &str, data: Option<&str>) {
        self.namespaces.remove(namespace);
        let _ = self.send(&packet::connect_error(self.protocol(), namespace, message, data));
    }

    /// What it holds of what its client has sent and its user has not got yet, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.link.held_bytes() + self.assembler.as_ref().map_or(0, |assembler| assembler.held_bytes())
    }

    /// Ends the transport, after what waits has gone out; [`Self::next`] then says so.
    pub fn close(&self, reason: Reason) {
        self.link.close(reason);
    }

    /// The Engine.IO connection alone, for whoever wants messages without Socket.IO. Nothing may have been read yet.
    #[must_use]
    pub fn into_link(mut self) -> Link {
        self.link.settle();
        *self.link
    }

    fn send(&self, text: &bytes::Bytes) -> Result<(), Closed> {
        self.link.session().send(b"", text, &[], true)
    }
}

/// See [`Connection::next`].
struct Next<'a> {
    connection: &'a mut Connection,
}

impl Future for Next<'_> {
    type Output = Incoming;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Incoming> {
        self.connection.poll_next(cx)
    }
}

/// A user that gives up waiting listens no more.
impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.connection.link.unattended();
    }
}
