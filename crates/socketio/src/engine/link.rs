//! One Engine.IO connection as its user has it: messages in, in order; messages out. Socket.IO stands on it.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    handshake::Handshake,
    message::Message,
    packet::{Kind, Packet},
    session::Session,
    told::Told,
};
use crate::{
    outbox::Closed,
    reason::Reason,
    text::Text,
    websocket::{self, Event},
};

/// One connection, whatever carries it. Dropping it ends the connection.
pub struct Link {
    session: Arc<Session>,
    request: Option<Box<Handshake>>,
    socket: Option<websocket::Socket>,
    over: Option<Reason>,
    /// The session was told that the client owes the rest of something.
    owes: bool,
    /// What it owes is more than a message.
    owes_more: bool,
}

impl Link {
    pub(super) fn new(
        session: Arc<Session>,
        request: Box<Handshake>,
        socket: Option<websocket::Socket>,
    ) -> Self {
        Self { session, request: Some(request), socket, over: None, owes: false, owes_more: false }
    }

    /// The request that opened it, until it is taken.
    #[must_use]
    pub fn request(&self) -> Option<&Handshake> {
        self.request.as_deref()
    }

    /// Frees what is kept of the request.
    pub fn take_request(&mut self) -> Option<Box<Handshake>> {
        self.request.take()
    }

    /// Whether the client speaks Engine.IO 3.
    #[must_use]
    pub fn is_v3(&self) -> bool {
        self.session.v3
    }

    /// Says that the connection is of use, so that it may live longer than the time to connect, and send more.
    pub fn settle(&mut self) {
        self.session.settle();
        self.allow();
    }

    /// Lets the WebSocket take what the session may send.
    fn allow(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.allow(self.session.largest());
        }
    }

    /// Says whether what has come is to be followed by more, which has its time from the first piece to the last.
    pub(crate) fn expect_more(&mut self, more: bool) {
        self.owes_more = more;
        if !more {
            self.owe(false);
        }
    }

    fn owe(&mut self, rest: bool) {
        if self.owes != rest {
            self.owes = rest;
            self.session.owes(rest);
        }
    }

    /// Tells the session when something has begun to come, and when it is whole.
    fn hurry(&mut self, is_whole: bool) {
        let begun = || self.socket.as_ref().is_some_and(|socket| !socket.is_at_rest());
        if !self.owes_more && is_whole {
            self.owe(false);
        } else if !is_whole {
            self.owe(self.owes_more || begun());
        }
    }

    /// The next message. It may be dropped and called again: nothing is lost. Who does not call it holds the client back.
    pub async fn next(&mut self) -> Message {
        Next(self).await
    }

    /// See [`Self::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        let polled = self.poll_message(cx);
        self.hurry(polled.is_ready());
        self.session.attended.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    /// Writes what waits; ready when nothing does, or nothing can be written any more. Who does not read calls it too:
    /// otherwise nobody writes.
    pub fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(socket) = &self.socket {
            return socket.line().poll_flushed(cx).map(drop);
        }
        let transport = &mut self.session.lock().transport;
        let ended = transport.ended.is_some();
        match &mut transport.polling {
            // After the end only a session that lingers still gives its last packets away.
            Some(polling) if !ended || polling.lingers.is_some() => polling.poll_flushed(cx),
            Some(_) | None => Poll::Ready(()),
        }
    }

    /// Writes what waits whenever the client takes it, for a user who does not ask for the next message just now. Ready
    /// when the connection has ended.
    pub fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<Reason> {
        self.unattended();
        if let Some(socket) = &self.socket {
            return socket.poll_drive(cx);
        }
        let transport = &mut self.session.lock().transport;
        if let Some(socket) = transport.polling.as_ref().and_then(|polling| polling.arrived.as_ref()) {
            return socket.poll_drive(cx);
        }
        if let Some(reason) = transport.ended {
            return Poll::Ready(reason);
        }
        transport.await_polling(cx);
        Poll::Pending
    }

    /// Sends text.
    ///
    /// # Errors
    /// If the connection has ended, or ends now because too much waits for it.
    pub fn send_text(&self, text: &Text) -> Result<(), Closed> {
        self.session.send(b"4", text.as_bytes(), &[], true)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the connection has ended, or ends now because too much waits for it.
    pub fn send_binary(&self, bytes: &Bytes) -> Result<(), Closed> {
        self.session.send_binary(bytes)
    }

    /// Ends the connection, after what waits has gone out.
    pub fn close(&self, reason: Reason) {
        self.session.end(reason, Told::AfterAll);
    }

    pub(crate) fn held_bytes(&self) -> usize {
        let posted = self.session.lock().transport.polling.as_ref().map_or(0, |polling| polling.held_bytes());
        posted + self.socket.as_ref().map_or(0, websocket::Socket::held_bytes)
    }

    /// Nobody waits for the next message.
    pub(crate) fn unattended(&self) {
        self.session.attended.store(false, Ordering::Relaxed);
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        loop {
            if let Some(reason) = self.over {
                return Poll::Ready(Message::Ended(reason));
            }
            let polled = match &mut self.socket {
                Some(socket) => match socket.poll_next(cx) {
                    Poll::Ready(event) => self.received(event),
                    Poll::Pending => return Poll::Pending,
                },
                None => match self.poll_polling(cx) {
                    Poll::Ready(message) => {
                        // Where a WebSocket has taken over.
                        self.allow();
                        message
                    }
                    Poll::Pending => return Poll::Pending,
                },
            };
            if let Some(message) = polled {
                return Poll::Ready(message);
            }
        }
    }

    /// What POSTs have brought, then the WebSocket that took over, then the end.
    fn poll_polling(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let transport = &mut self.session.lock().transport;
        let ended = transport.ended.is_some();
        if let Some(polling) = &mut transport.polling {
            // What comes in one request may be answered faster than its client can fetch.
            let behind = !ended && polling.is_behind();
            if !behind && let Some(message) = polling.inbox.pop_front() {
                if polling.inbox.is_empty()
                    && let Some(poster) = polling.poster.take()
                {
                    poster.wake();
                }
                return Poll::Ready(Some(message));
            }
            if let Some(socket) = polling.arrived.take() {
                self.socket = Some(socket);
                transport.polling = None;
                return Poll::Ready(None);
            }
        }
        if let Some(reason) = transport.ended {
            self.over = Some(reason);
            return Poll::Ready(None);
        }
        transport.await_polling(cx);
        Poll::Pending
    }

    /// What a WebSocket brought, if it is for the user.
    fn received(&mut self, event: Event) -> Option<Message> {
        let packet = match event {
            Event::Text(text) => Packet::from_text(text.as_bytes(), self.session.v3),
            Event::Binary(bytes) => Packet::from_binary(&bytes, self.session.v3),
            Event::Ended(ended) => {
                self.session.end(ended.reason(), Told::Already);
                self.over = self.session.ended();
                return None;
            }
        };
        let Ok(packet) = packet else {
            self.session.end(Reason::ParseError, Told::AtOnce);
            return None;
        };
        self.session.heard();
        match packet.kind {
            Kind::Message if packet.binary => return Some(Message::Binary(packet.data)),
            Kind::Message => return Some(Message::Text(Text::checked(packet.data))),
            Kind::Ping if self.session.v3 => {
                self.session.alive();
                // If the line has ended, the next look at it tells.
                let _ = self.session.send(b"3", &Bytes::new(), &[], true);
            }
            Kind::Pong if !self.session.v3 => self.session.alive(),
            Kind::Ping | Kind::Pong => self.session.end(Reason::TransportError, Told::AtOnce),
            Kind::Close => self.session.end(Reason::TransportClose, Told::Already),
            // They mean nothing here, and the reference lets them pass.
            Kind::Open | Kind::Upgrade | Kind::Noop => {}
        }
        None
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.session.end(Reason::ForcedClose, Told::AfterAll);
        // What waits goes out with the goodbye, in the short time that a goodbye has.
        if let (None, Some(socket)) = (self.over, self.socket.take()) {
            self.session.registry.spawn(async move {
                socket.close(websocket::close::NORMAL, "").await;
            });
        }
    }
}

/// See [`Link::next`].
struct Next<'a>(&'a mut Link);

impl Future for Next<'_> {
    type Output = Message;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Message> {
        self.0.poll_next(cx)
    }
}

/// A user that gives up waiting listens no more.
impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.0.unattended();
    }
}
