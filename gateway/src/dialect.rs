//! What a dialect is: a pure step from what happened to what shall be done.
//!
//! A dialect translates words. It does no I/O, knows no client, no clock and no runtime: parking, graces and conditional
//! replies are states of its machine. `session.rs` runs one machine for each connection (a REST exchange is a short
//! connection), strictly in order, and carries its effects out.
//!
//! ```text
//! frame ─► step ─► Call ─► answer ─► step ─► Send / Respond
//! ```

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use parlor_api::v1;
use tonic::Status;

use crate::mount::Mount;

pub mod staff;

/// A dialect: how its connections begin, and how events look to its clients.
pub trait Dialect: Send + Sync + std::fmt::Debug {
    /// Its name in configuration, metrics and paths.
    fn name(&self) -> &'static str;

    /// The machine of a new connection.
    fn open(&self, opening: Opening) -> Box<dyn Machine>;

    /// How an event looks to everybody of an audience: made once, shared by all their sockets.
    fn render(&self, event: &v1::Event, audience: Audience) -> Rendered;

    /// How fast a socket may send, and what becomes of what is over.
    fn pace(&self) -> Pace;

    /// The refusal of a frame that is over the pace, for dialects that answer one; nothing is sent if `None`.
    fn over_pace(&self) -> Option<Frame>;

    /// The refusal of a frame that is over the size; nothing is sent if `None`.
    fn oversized(&self) -> Option<Frame> {
        self.over_pace()
    }

    /// The cross-origin headers of a REST answer, and what preflights are told.
    fn cors(&self) -> Cors;

    /// The answer to a REST request over the limit of its address.
    fn too_many_requests(&self) -> Response;

    /// The answer where the core cannot be reached or failed unexpectedly.
    fn unavailable(&self) -> Response;

    /// The answer to a REST request whose body is over the limit.
    fn too_large(&self) -> Response {
        Response {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            content_type: "text/plain; charset=utf-8",
            body: Bytes::from_static(b"the request is too large\n"),
            headers: Vec::new(),
        }
    }
}

/// The state of one connection.
pub trait Machine: Send {
    /// Takes one thing that happened and pushes what shall be done. Never blocks, never panics, whatever it is given.
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>);
}

/// How a connection began.
#[derive(Clone, Debug)]
pub struct Opening {
    pub mount: Arc<Mount>,
    pub peer: Option<IpAddr>,
    pub kind: OpeningKind,
}

/// A WebSocket, or one REST exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningKind {
    WebSocket,
    Rest,
}

/// Names a call or timer in the machine that asked for it, so that it knows the answer.
pub type Tag = u32;

/// What happened.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it waits in a box, and is moved out of it once")]
pub enum Input {
    /// A frame came from the client.
    Frame(Frame),
    /// A REST request came; answer with [`Effect::Respond`] exactly once.
    Request(Request),
    /// A call, an attach or a subscription was answered. `position` is the tenant position of what the call stored.
    Answer { tag: Tag, answer: Result<Answer, Status>, position: Option<u64> },
    /// An event that [`Dialect::render`] wanted to be stepped, or the snapshot of a state.
    Event { event: Arc<v1::Event>, audience: Audience },
    /// The rights of the connection's principal ended; its subscriptions are gone.
    RightsEnded(v1::RightsEndedReason),
    /// A timer that the machine set has run out.
    Timer(Tag),
    /// The client is gone. Effects other than calls are ignored.
    Closed,
}

/// What shall be done.
#[derive(Debug)]
pub enum Effect {
    /// Ask the core. The answer comes as [`Input::Answer`]; frames that follow wait for it only if the machine parks them.
    Call { tag: Tag, call: Box<Call>, credential: Credential },
    /// Prove who this connection is. Answered by [`Answer::Attached`].
    Attach { tag: Tag, credential: Credential },
    /// Hear a topic from here on. Answered by [`Answer::Subscribed`]. With `replaces`, another topic is heard up to that
    /// answer and not beyond; if this one cannot be heard, the other still is.
    Subscribe { tag: Tag, topic: v1::topic::Name, audience: Audience, replaces: Option<TopicHandle> },
    /// Stop hearing a topic.
    Unsubscribe { topic: TopicHandle },
    /// Send a frame to this client.
    Send(Frame),
    /// Answer the REST request; with `after`, once the gateway has passed on what is named.
    Respond { response: Response, after: Option<After> },
    /// Come back after a time.
    Timer { tag: Tag, after: Duration },
    /// End the connection.
    Close { code: u16, reason: &'static str },
}

/// A frame of a raw WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
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

/// The events that must have left before an answer does, so that the old order of things is kept. Bounded in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The feed of the tenant has passed this position.
    pub position: Option<u64>,
    /// The conversation has passed this sequence.
    pub conversation: Option<(String, u64)>,
}

/// On whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The principal this connection has attached as.
    Connection,
    /// A token the client presented with this very request.
    Bearer(String),
    /// An API key the client presented with this very request.
    ApiKey(String),
    /// Nobody: a guest of the mount's tenant.
    Guest,
}

/// For whom an event is rendered. One connection may hear several topics as different audiences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    Staff,
    Customer,
}

/// How an event looks to an audience.
#[derive(Clone, Debug)]
pub enum Rendered {
    /// Like this, for each of them.
    Frame(Frame),
    /// It is not shown.
    Nothing,
    /// It depends on the connection: hand it to each machine.
    Step,
}

/// A topic that a connection hears, until the link is lost for good; the gateway keeps it true over a reconnect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicHandle(pub u64);

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
#[derive(Clone, Debug)]
pub struct Cors {
    pub allow_origin: &'static str,
    pub allow_headers: &'static str,
    pub allow_methods: &'static str,
}

/// A call to the core: one variant for each generated client method a dialect uses.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "an effect holds it in a box")]
pub enum Call {
    CreateConversation(v1::CreateConversationRequest),
    GetConversation(v1::GetConversationRequest),
    ListConversations(v1::ListConversationsRequest),
    UpdateConversation(v1::UpdateConversationRequest),
    SendMessage(v1::SendMessageRequest),
    ListMessages(v1::ListMessagesRequest),
    MarkRead(v1::MarkReadRequest),
    ExchangeCredential(v1::ExchangeCredentialRequest),
}

/// The answer of a call, an attach or a subscription.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it waits in a box, and is moved out of it once")]
pub enum Answer {
    CreateConversation(v1::CreateConversationResponse),
    GetConversation(v1::GetConversationResponse),
    ListConversations(v1::ListConversationsResponse),
    UpdateConversation(v1::UpdateConversationResponse),
    SendMessage(v1::SendMessageResponse),
    ListMessages(v1::ListMessagesResponse),
    MarkRead(v1::MarkReadResponse),
    ExchangeCredential(v1::ExchangeCredentialResponse),
    Attached(v1::LinkAttached),
    /// The topic is heard; `position` is the number of the last event before that.
    Subscribed {
        topic: TopicHandle,
        position: u64,
        conversation_id: String,
    },
}
