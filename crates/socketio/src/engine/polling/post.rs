//! A POST: its payload is read within the limits, heartbeats take effect at once, messages wait for the user.
//!
//! A user who is behind holds the answer back, so what has come of one client is one payload at most. So does a client
//! that does not fetch, until that is held to be its end.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, header};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::{Instant, timeout};

use crate::{
    engine::{
        answer::Answer,
        message::Message,
        packet::{Kind, Malformed, Packet},
        payload::Payload,
        piece::Piece,
        session::Session,
        told::Told,
        v3::{BinaryPayload, TextPayload},
    },
    reason::Reason,
    text::Text,
};

/// A payload as its user gets it, and what it ended with.
#[derive(Default)]
struct Posted {
    messages: Vec<Message>,
    end: Option<(Reason, Told)>,
}

/// Answers a POST, once its user has what it brings.
pub(in crate::engine) async fn answer<B>(session: &Arc<Session>, request: Request<B>) -> Answer
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    session.check(Instant::now());
    match Post::begin(session) {
        Ok(post) => post.take(request).await,
        Err(answer) => answer,
    }
}

/// The place of the one POST of a session. One that is broken off before its user has its packets ends the session,
/// since they are lost.
struct Post<'a> {
    session: &'a Arc<Session>,
    broken: bool,
}

impl<'a> Post<'a> {
    fn begin(session: &'a Arc<Session>) -> Result<Self, Answer> {
        let mut state = session.lock();
        let transport = &mut state.transport;
        if transport.ended.is_some() {
            return Err(Answer::Unknown);
        }
        if transport.socket.is_some() {
            return Err(Answer::Bad);
        }
        let Some(polling) = &mut transport.polling else { return Err(Answer::Bad) };
        if polling.posted {
            session.finish(&mut state, Reason::TransportError, Told::AtOnce);
            return Err(Answer::Bad);
        }
        polling.posted = true;
        Ok(Self { session, broken: true })
    }

    async fn take<B>(mut self, request: Request<B>) -> Answer
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let binary = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes() == b"application/octet-stream");
        if binary && !self.session.v3 {
            return Answer::Bad;
        }
        let body = match self.read(request).await {
            Ok(body) => body,
            Err(Answer::TooBig) => {
                self.broken = false;
                return Answer::TooBig;
            }
            Err(answer) => return answer,
        };
        self.session.heard();
        let posted = self.decode(body, binary);
        if !posted.messages.is_empty() && !self.deliver(posted.messages).await {
            return Answer::Unknown;
        }
        self.broken = false;
        let Some((reason, told)) = posted.end else { return Answer::Taken };
        self.session.end(reason, told);
        if told == Told::Already { Answer::Taken } else { Answer::Bad }
    }

    /// The body, if it comes whole, in time and within the limit.
    async fn read<B>(&self, request: Request<B>) -> Result<Bytes, Answer>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let most = self.session.largest();
        let body = request.into_body();
        if body.size_hint().lower() > most as u64 {
            return Err(Answer::TooBig);
        }
        let (rhythm, patience) =
            (self.session.registry.rhythm(), self.session.registry.config.message_timeout);
        let read = Box::pin(Limited::new(body, most).collect());
        match timeout(patience.min(rhythm.interval + rhythm.timeout), read).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Answer::TooBig),
            Ok(Err(_broken)) => Err(Answer::Bad),
            Err(_late) => Err(Answer::Bad),
        }
    }

    fn decode(&self, body: Bytes, binary: bool) -> Posted {
        let length = body.len();
        let mut posted = self.cut(body, binary);
        for message in &mut posted.messages {
            own(message, length);
        }
        posted
    }

    fn cut(&self, body: Bytes, binary: bool) -> Posted {
        match (self.session.v3, binary) {
            (true, true) => self.sort(BinaryPayload::new(body)),
            (_, _) if std::str::from_utf8(&body).is_err() => {
                Posted { messages: Vec::new(), end: Some((Reason::ParseError, Told::AtOnce)) }
            }
            (true, false) => self.sort(TextPayload::new(body)),
            (false, _) => self.sort(Payload::new(body)),
        }
    }

    fn sort(&self, packets: impl Iterator<Item = Result<Packet, Malformed>>) -> Posted {
        let mut posted = Posted::default();
        for (count, packet) in packets.enumerate() {
            if count >= self.session.registry.config.max_packets_per_payload {
                posted.end = Some((Reason::TooMany, Told::AtOnce));
                return posted;
            }
            let Ok(packet) = packet else {
                posted.end = Some((Reason::ParseError, Told::AtOnce));
                return posted;
            };
            match packet.kind {
                Kind::Message if packet.binary => posted.messages.push(Message::Binary(packet.data)),
                Kind::Message => posted.messages.push(Message::Text(Text::checked(packet.data))),
                Kind::Ping if self.session.v3 => self.pong(),
                Kind::Pong if !self.session.v3 => self.session.alive(),
                Kind::Close => {
                    posted.end = Some((Reason::TransportClose, Told::Already));
                    return posted;
                }
                Kind::Ping | Kind::Pong => {
                    posted.end = Some((Reason::TransportError, Told::AtOnce));
                    return posted;
                }
                // They mean nothing here, and the reference lets them pass.
                Kind::Open | Kind::Upgrade | Kind::Noop => {}
            }
        }
        posted
    }

    /// An old client has pinged.
    fn pong(&self) {
        self.session.alive();
        if let Some(polling) = &mut self.session.lock().transport.polling {
            // Over the bound, the next packet or the next GET tells.
            let _ = polling.send([Piece::text(b"3", &Bytes::new())], true);
        }
    }

    /// Puts messages where the user finds them, once it has taken those before. False if the session has ended.
    async fn deliver(&self, messages: Vec<Message>) -> bool {
        let mut messages = Some(messages);
        loop {
            let delivered = poll_fn(|cx| self.poll_deliver(cx, &mut messages));
            match timeout(self.session.registry.rhythm().timeout, delivered).await {
                Ok(delivered) => return delivered,
                // The wheel may come late: it does not know who is held back.
                Err(_held) => self.session.check(Instant::now()),
            };
        }
    }

    fn poll_deliver(&self, cx: &mut Context<'_>, messages: &mut Option<Vec<Message>>) -> Poll<bool> {
        let transport = &mut self.session.lock().transport;
        if transport.ended.is_some() || transport.socket.is_some() {
            return Poll::Ready(false);
        }
        let Some(polling) = &mut transport.polling else { return Poll::Ready(false) };
        if !polling.inbox.is_empty() {
            polling.poster = Some(cx.waker().clone());
            return Poll::Pending;
        }
        polling.inbox.extend(messages.take().into_iter().flatten());
        polling.wake_reader();
        Poll::Ready(true)
    }
}

/// Copies a message that is but a part of its payload: however short, it would keep the whole of it for as long as it waits.
fn own(message: &mut Message, payload: usize) {
    match message {
        Message::Text(text) if text.len() < payload / 2 => {
            *text = Text::checked(Bytes::copy_from_slice(text.as_bytes()));
        }
        Message::Binary(bytes) if bytes.len() < payload / 2 => *bytes = Bytes::copy_from_slice(bytes),
        Message::Text(_) | Message::Binary(_) | Message::Ended(_) => {}
    }
}

impl Drop for Post<'_> {
    fn drop(&mut self) {
        let mut state = self.session.lock();
        if let Some(polling) = &mut state.transport.polling {
            polling.posted = false;
        }
        if self.broken {
            self.session.finish(&mut state, Reason::TransportError, Told::AtOnce);
        }
    }
}
