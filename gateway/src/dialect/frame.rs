//! What a client says and is told: frames of sockets, events of Socket.IO, REST requests and answers.

use std::{borrow::Cow, ops::Deref};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use parlor_socketio::{Event, Text, websocket::Kind};
use serde::Serialize;
use serde_json::value::RawValue;

/// What goes to a client of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text of a raw WebSocket.
    Text(Text),
    /// A binary message of a raw WebSocket.
    Binary(Bytes),
    /// An event of Socket.IO.
    Event(SocketEvent),
}

impl Frame {
    /// What it counts as while it waits.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Event(event) => event.bytes(),
        }
    }
}

impl Frame {
    /// It as a message of a raw WebSocket. An event is the same JSON array without Socket.IO's packet around it.
    pub(crate) fn message(&self) -> (Kind, &Bytes) {
        match self {
            Self::Text(text) => (Kind::Text, text.as_bytes()),
            Self::Binary(bytes) => (Kind::Binary, bytes),
            Self::Event(event) => (Kind::Text, &event.json),
        }
    }
}

/// An event of Socket.IO, `["name", argument, …]`, or the arguments of an acknowledgement: JSON text made once and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketEvent(pub Event);

impl SocketEvent {
    /// An event without arguments.
    #[must_use]
    pub fn bare(name: &str) -> Self {
        Self::of(&[name])
    }

    /// An event with one argument.
    ///
    /// # Panics
    /// Never for what the dialects' shapes are made of: their maps have names as keys, and writing to memory cannot fail.
    #[must_use]
    pub fn new(name: &str, argument: &impl Serialize) -> Self {
        Self::of(&(name, argument))
    }

    /// The arguments of an acknowledgement.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn arguments(argument: &impl Serialize) -> Self {
        Self::of(&[argument])
    }

    fn of(array: &impl Serialize) -> Self {
        Self(Event::from(serde_json::to_string(array).expect("shapes of dialects are JSON")))
    }

    /// Its name and arguments, borrowed from the text; `None` if it has no name.
    #[must_use]
    pub fn parts(&self) -> Option<(Cow<'_, str>, Vec<&RawValue>)> {
        let name = self.0.name()?;
        let arguments: Option<Vec<&RawValue>> =
            self.0.args().map(|argument| serde_json::from_str(argument).ok()).collect();
        Some((name, arguments?))
    }

    /// What it takes of an outbox.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.json.len() + self.0.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Text that is known to be a JSON array.
impl From<String> for SocketEvent {
    fn from(json: String) -> Self {
        Self(Event::from(json))
    }
}

impl Deref for SocketEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

/// A REST request; the mount's prefix is already off the path.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Percent-decoded segments are the dialect's business; this is the path as it came, beginning with '/'.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When it came, by the gateway's clock: a dialect has none of its own.
    pub received: jiff::Timestamp,
}

/// A REST answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Bytes,
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
}

impl Response {
    /// Plain words.
    pub fn text(status: StatusCode, text: &'static str) -> Self {
        let body = Bytes::from_static(text.as_bytes());
        Self { status, content_type: "text/plain; charset=utf-8", body, headers: Vec::new() }
    }
}

/// The events that must have left before an answer does, so that the old order of things is kept. Bounded in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The feed of the tenant has passed this position.
    pub position: Option<u64>,
    /// The conversation has passed this sequence.
    pub conversation: Option<(String, u64)>,
}

/// A REST answer, and what must have left before it does.
#[derive(Clone, Debug)]
pub struct Reply {
    pub response: Response,
    pub after: Option<After>,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, after: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use parlor_socketio::Event;

    use super::SocketEvent;

    #[test]
    fn an_event_is_an_array_that_begins_with_its_name() {
        assert_eq!(SocketEvent::bare("admin:online").text(), r#"["admin:online"]"#);
        assert_eq!(SocketEvent::new("a", &json!({"b": 1})).text(), r#"["a",{"b":1}]"#);
        assert_eq!(SocketEvent::arguments(&json!([1, 2])).text(), "[[1,2]]");
    }

    #[test]
    fn its_parts_are_borrowed_from_the_text() {
        let event = SocketEvent(Event::parse(r#"["user:join", {"userId": 2}, 7]"#).unwrap());
        let (name, arguments) = event.parts().unwrap();
        assert_eq!(name, "user:join");
        assert_eq!(
            arguments.iter().map(|argument| argument.get()).collect::<Vec<_>>(),
            [r#"{"userId": 2}"#, "7"]
        );
    }
}
