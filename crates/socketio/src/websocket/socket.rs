//! One WebSocket as its task has it: messages in, in order; pings are answered and goodbyes are said inside.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{task::coop, time::Sleep};

use super::{
    Error, Limits, Text, buffer,
    close::{self, Close},
    frame::{Head, Opcode},
    heart::{Heart, Pulse},
    reader::{Reader, Received},
    sender::Sender,
};
use crate::{
    outbox::{Closed, Outbox},
    reason::Reason,
    wheel::Wheel,
};

/// How long a client has to take a goodbye and say its own.
pub const GOODBYE: Duration = Duration::from_secs(1);

/// What [`Socket::next`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Text(Text),
    Binary(Bytes),
    /// Nothing comes after it.
    Ended(Ended),
}

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client said goodbye, and was answered.
    Closed(Option<Close>),
    /// The connection broke off.
    Lost,
    /// The client broke the protocol or a limit, and was told.
    Refused(Error),
    /// This side ended it.
    Here(Reason),
}

impl Ended {
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Closed(_) => Reason::TransportClose,
            Self::Lost => Reason::TransportError,
            Self::Refused(Error::TooBig) => Reason::TooBig,
            Self::Refused(_) => Reason::ParseError,
            Self::Here(reason) => *reason,
        }
    }
}

/// One WebSocket. Dropping it ends the connection at once.
///
/// A task that does not ask for the next message leaves it with the kernel, and so holds the client back; meanwhile it
/// polls [`Self::poll_drive`], so that what waits to be written goes out.
pub struct Socket {
    line: Arc<Outbox>,
    reader: Reader,
    /// Read, and not yet parsed.
    rest: Bytes,
    goodbye: Option<Goodbye>,
    heart: Option<Arc<Heart>>,
}

/// The end is near: it comes when the client has said goodbye too, or has had its time.
struct Goodbye {
    ended: Ended,
    /// What comes is no longer understood.
    deaf: bool,
    /// The client sees the end of what is written.
    finished: bool,
    over: Pin<Box<Sleep>>,
}

impl Socket {
    pub(super) fn new(line: Arc<Outbox>, read: Bytes, limits: Limits) -> Self {
        Self { line, reader: Reader::new(limits), rest: read, goodbye: None, heart: None }
    }

    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(&self.line)
    }

    /// The line under the socket.
    #[must_use]
    pub fn line(&self) -> &Arc<Outbox> {
        &self.line
    }

    /// Lets the wheel watch whether the client lives. It is told so with 1001 if it does not, and [`Self::next`] ends with
    /// [`Reason::PingTimeout`] or, where it does not take what is written, [`Reason::SlowReader`]. One that does not finish
    /// its message is told so with 1008, and ends with [`Reason::TooSlow`].
    pub fn watch(&mut self, wheel: &Wheel, pulse: Pulse) {
        let heart = Arc::new(Heart::new(&self.line, pulse));
        wheel.add(&heart, heart.first_visit());
        self.heart = Some(heart);
    }

    /// Takes messages up to this length from here on, in one frame or in many: a client that is not known yet has little to
    /// say.
    pub fn allow(&mut self, message_bytes: usize) {
        self.reader.allow(message_bytes);
    }

    /// What it holds of what the client has sent, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.rest.len() + self.reader.held_bytes()
    }

    /// True between messages: the client does not owe the rest of one.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.reader.is_at_rest()
    }

    /// The next message, or how the socket ended. It may be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// See [`Self::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let polled = self.poll_event(cx);
        if let Some(heart) = &self.heart {
            heart.owes(polled.is_pending() && !self.reader.is_at_rest());
            if polled.is_ready() { heart.pauses() } else { heart.reads() }
        }
        polled
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Poll::Ready(ended) = self.poll_over(cx) {
                self.line.end(ended.reason());
                return Poll::Ready(Event::Ended(ended));
            }
            let received = if self.rest.is_empty() {
                ready!(self.poll_read(cx))
            } else {
                // A client that has sent much at once still takes turns with others.
                ready!(coop::poll_proceed(cx)).made_progress();
                self.parse_rest()
            };
            if let Some(event) = received {
                return Poll::Ready(event);
            }
        }
    }

    /// Writes what waits whenever the kernel takes it. Ready when the socket has ended, or is about to.
    pub fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<Reason> {
        if let Some(heart) = &self.heart {
            heart.pauses();
        }
        self.line.poll_closing(cx)
    }

    /// Waits until nothing waits to be written.
    ///
    /// # Errors
    /// If the socket ends before that.
    pub async fn flushed(&self) -> Result<(), Closed> {
        poll_fn(|cx| self.line.poll_flushed(cx)).await
    }

    /// Says goodbye after what waits, and waits a little for the client's own, so that the reason is not lost with the
    /// connection. A socket that has been told goodbye already goes on with that.
    pub async fn close(mut self, code: u16, reason: &str) -> Ended {
        let _ = self.sender().close(code, reason);
        loop {
            if let Event::Ended(ended) = self.next().await {
                return ended;
            }
        }
    }

    /// Ready when the socket is over: its line has ended, or the goodbye is said.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let closing = self.line.poll_closing(cx);
        let ended = self.line.ended();
        if self.goodbye.is_none()
            && ended.is_none()
            && let Poll::Ready(reason) = closing
        {
            self.goodbye = Some(Goodbye::new(Ended::Here(reason), false));
        }
        let Some(goodbye) = &mut self.goodbye else {
            return ended.map_or(Poll::Pending, |reason| Poll::Ready(Ended::Here(reason)));
        };
        let answered = matches!(goodbye.ended, Ended::Closed(_));
        if answered && self.line.poll_flushed(cx).is_ready() {
            return Poll::Ready(goodbye.ended.clone());
        }
        if ended.is_some() || goodbye.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(goodbye.ended.clone());
        }
        if goodbye.deaf && !goodbye.finished && self.line.poll_flushed(cx).is_ready() {
            // The client sees the end after the reason, and answers it with its own.
            goodbye.finished = true;
            self.line.stream().finish();
        }
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let line = Arc::clone(&self.line);
        if ready!(line.stream().poll_read_ready(cx)).is_err() {
            return Poll::Ready(self.lost());
        }
        let event = buffer::lend(|buffer| match line.stream().try_read(buffer) {
            Ok(0) => self.lost(),
            Ok(read) => {
                if let Some(heart) = &self.heart {
                    heart.hears();
                }
                let mut input = &buffer[..read];
                let event = self.parse(&mut input);
                self.rest = Bytes::copy_from_slice(input);
                event
            }
            Err(error) if crate::outbox::later(&error) => None,
            Err(_broken) => self.lost(),
        });
        Poll::Ready(event)
    }

    fn parse_rest(&mut self) -> Option<Event> {
        let rest = mem::take(&mut self.rest);
        let mut input = &*rest;
        let event = self.parse(&mut input);
        if !input.is_empty() {
            self.rest = rest.slice(rest.len() - input.len()..);
        }
        event
    }

    /// Parses up to the next message for the user.
    fn parse(&mut self, input: &mut &[u8]) -> Option<Event> {
        while !input.is_empty() {
            if self.goodbye.as_ref().is_some_and(|goodbye| goodbye.deaf) {
                *input = &[];
                return None;
            }
            match self.reader.advance(input) {
                Ok(None) => {}
                Ok(Some(received)) => {
                    if let Some(event) = self.received(received) {
                        return Some(event);
                    }
                }
                Err(error) => self.refuse(error),
            }
        }
        None
    }

    fn received(&mut self, received: Received) -> Option<Event> {
        match received {
            Received::Ping(payload) => {
                let head = Head::new(Opcode::Pong, b"", payload.len());
                // If the line has ended, the next look at it tells.
                let _ = self.line.send(head.as_bytes(), &payload);
                None
            }
            Received::Pong(_) => None,
            Received::Close(close) => {
                self.answer(close);
                None
            }
            // After its goodbye a client listens no more.
            Received::Text(_) | Received::Binary(_) if self.goodbye.is_some() => None,
            Received::Text(text) => Some(Event::Text(text)),
            Received::Binary(bytes) => Some(Event::Binary(bytes)),
        }
    }

    /// The client's goodbye is answered with its own code, unless ours was first.
    fn answer(&mut self, close: Option<Close>) {
        let code = close.as_ref().map_or(close::NO_CODE, |close| close.code);
        let payload = Close::payload(code, "");
        let head = Head::new(Opcode::Close, b"", payload.len());
        let _ = self.line.send_last(head.as_bytes(), &payload, Reason::TransportClose);
        match &self.goodbye {
            Some(goodbye) => self.line.end(goodbye.ended.reason()),
            None => self.goodbye = Some(Goodbye::new(Ended::Closed(close), true)),
        }
    }

    fn refuse(&mut self, error: Error) {
        let payload = Close::payload(error.code(), error.reason());
        let head = Head::new(Opcode::Close, b"", payload.len());
        let _ = self.line.send_last(head.as_bytes(), &payload, Reason::ParseError);
        match &mut self.goodbye {
            Some(goodbye) => goodbye.deaf = true,
            None => self.goodbye = Some(Goodbye::new(Ended::Refused(error), true)),
        }
    }

    fn lost(&mut self) -> Option<Event> {
        let ended = self.goodbye.take().map_or(Ended::Lost, |goodbye| goodbye.ended);
        self.line.end(ended.reason());
        Some(Event::Ended(ended))
    }
}

impl Goodbye {
    fn new(ended: Ended, deaf: bool) -> Self {
        Self { ended, deaf, finished: false, over: Box::pin(tokio::time::sleep(GOODBYE)) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.line.end(Reason::TransportClose);
    }
}
