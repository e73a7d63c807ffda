//! What a dialect is: a pure step from what happened to what shall be done.
//!
//! A dialect translates words. It does no I/O, knows no client, no clock and no runtime: parking, graces and conditional
//! replies are states of its machine. `driver.rs` runs one machine for each connection (a REST exchange is a short
//! connection), strictly in order, and carries its effects out.
//!
//! ```text
//! frame ─► step ─► Call ─► answer ─► step ─► Send / Respond
//! ```

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, uri::PathAndQuery};
use parlor_api::v1;

use self::refusal::Refusal;
use crate::mount::Mount;

mod ask;
mod cookies;
mod erased;
mod frame;
mod javascript;
#[cfg(test)]
mod kit;
mod login;
pub mod native;
pub mod refusal;
mod rest;
pub mod rpc;
pub mod staff;
pub mod support;
mod who;
mod wire;

pub use frame::{After, Frame, Reply, Request, Response, SocketEvent};
pub use wire::{AllowHeaders, Audience, Carriers, Cors, Pace, Wire};

/// A dialect: how its connections begin, and how events look to its clients.
pub trait Dialect: Send + Sync + std::fmt::Debug {
    /// What is fixed of it.
    fn wire(&self) -> &'static Wire;

    /// The machine of a new connection.
    fn open(&self, opening: Opening) -> Box<dyn Machine>;

    /// Whether an audience may be shown what the core shows to `shown_to`: the core names the widest, and a dialect may
    /// narrow it, never widen it. What is for staff alone is for nobody, unless [`Wire::staff`] says who they are.
    fn may_see(&self, audience: Audience, shown_to: v1::Audience) -> bool {
        shown_to != v1::Audience::Staff || self.wire().staff == Some(audience)
    }

    /// How an event looks to everybody of an audience: made once, shared by all their sockets.
    fn render(&self, event: &v1::Event, audience: Audience) -> Rendered;

    /// What becomes of an event of Socket.IO that is over the size.
    fn oversized_event(&self, _event: &SocketEvent, _ack: Option<u64>) -> Oversized {
        Oversized::Told(self.wire().oversized.map(|refusal| Effect::Send(refusal())))
    }
}

/// The state of one connection.
pub trait Machine: Send {
    /// Takes one thing that happened and pushes what shall be done. Never blocks, never panics, whatever it is given.
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>);

    /// False while what the client sends shall wait for its turn, so that it is neither read nor parked.
    fn takes(&self) -> bool {
        true
    }

    /// False while its client has not said who it is, or is not let in: such a one may say little, and not stay for long.
    fn has_joined(&self) -> bool {
        true
    }

    /// False while what it works on needs the connection with the core, as when somebody comes in. A call does not: it is
    /// made by whom the connection was.
    fn is_settled(&self) -> bool {
        true
    }
}

/// How a connection began.
#[derive(Clone, Debug)]
pub struct Opening {
    pub mount: Arc<Mount>,
    pub peer: Option<IpAddr>,
    pub kind: OpeningKind,
    /// The headers that may prove who it is (`authorization`, `cookie`) or where its page is from (`origin`), as they came
    /// with the request that opened a socket. A REST request brings its own.
    pub headers: HeaderMap,
}

/// A raw WebSocket, a namespace of a Socket.IO connection, or one REST exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningKind {
    WebSocket,
    SocketIo,
    Rest,
}

/// Names a call or timer in the machine that asked for it, so that it knows the answer.
pub type Tag = u32;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A frame came from the client of a raw WebSocket.
    Frame(Frame),
    /// The client of a Socket.IO connection asks for the mount's namespace, with its auth payload (JSON) if it gave one.
    /// Answer with [`Effect::Accept`] or [`Effect::Refuse`]; before that, no [`Input::Emitted`] comes.
    Connect { auth: Option<Bytes> },
    /// The client emitted an event; with `ack` it waits for [`Effect::Acknowledge`].
    Emitted { event: SocketEvent, ack: Option<u64> },
    /// A REST request came; answer with [`Effect::Respond`] exactly once.
    Request(Request),
    /// A call, an attach or a subscription was answered. `position` is the tenant position of what the call stored.
    Answer { tag: Tag, answer: Result<Answer, Refusal>, position: Option<u64> },
    /// An event that [`Dialect::render`] wanted to be stepped, or the snapshot of a state.
    Event { event: Arc<v1::Event>, audience: Audience },
    /// A list that this connection said has changed, as it is now. See [`Effect::Refresh`].
    Refreshed(Frame),
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
    Call { tag: Tag, call: Call, credential: Credential },
    /// Prove who this connection is. Answered by [`Answer::Attached`].
    Attach { tag: Tag, credential: Credential, recovery: Recovery },
    /// Hear a topic from here on. Answered by [`Answer::Subscribed`]. With `replaces`, another topic is heard up to that
    /// answer and not beyond; if this one cannot be heard, the other still is.
    Subscribe { tag: Tag, topic: v1::topic::Name, audience: Audience, replaces: Option<TopicHandle> },
    /// Stop hearing a topic, or only this conversation of a feed of which conversations are heard.
    Unsubscribe { topic: TopicHandle, only: Option<String> },
    /// Let what is rendered wait until [`Effect::Release`]; inputs come as ever.
    Hold,
    /// Go on with what waits, but for what a log has up to this number: the machine has sent that itself.
    Release { above: u64 },
    /// This list has changed for this client: it comes as [`Input::Refreshed`], asked for once for all who say so.
    Refresh(&'static Derived),
    /// Break the connection off, so that its client connects again by itself.
    Reconnect,
    /// Send a frame to this client.
    Send(Frame),
    /// Let the client of a Socket.IO connection into the namespace; `pid` names the session to be recovered later.
    Accept { pid: Option<String> },
    /// Keep the client of a Socket.IO connection out; `data` is JSON.
    Refuse { message: String, data: Option<Bytes> },
    /// Answer an emitted event; the arguments are a JSON array.
    Acknowledge { ack: u64, arguments: SocketEvent },
    /// Answer the REST request, once the gateway has passed on what is named.
    Respond(Reply),
    /// Come back after a time.
    Timer { tag: Tag, after: Duration },
    /// Input was refused: counted in a metric, by what was said and why it was refused.
    Refused { what: &'static str, why: &'static str },
    /// End the connection.
    Close { code: u16, reason: &'static str },
}

impl Effect {
    /// Stop hearing a topic.
    pub fn unsubscribe(topic: TopicHandle) -> Self {
        Self::Unsubscribe { topic, only: None }
    }
}

/// A list that follows from what happened, as the list of conversations does: many see the same, so it is not each
/// connection that asks for it.
#[derive(Debug)]
pub struct Derived {
    /// Names it among those of its dialect. All who hear of it may see the same: what two audiences see has two names.
    pub name: &'static str,
    /// How long after a change it is asked for: many changes make one list.
    pub after: Duration,
    /// The question, asked on behalf of one of those who are sent the answer.
    pub ask: fn() -> Call,
    /// How the answer looks to all of them.
    pub render: fn(Result<Answer, Refusal>) -> Frame,
}

/// What shall be remembered of a connection when it is gone, and what is wanted of an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// If it goes away, the next one of the same person is told since when it missed something.
    pub redelivers: bool,
    /// The session that this connection continues, as an earlier [`Answer::Attached`] named it.
    pub recover: Option<String>,
}

/// On whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The principal this connection has attached as.
    Connection,
    /// A token the client presented with this very request.
    Bearer(String),
    /// The same, but only what a customer may do is wanted of it. For attaching.
    BearerAsCustomer(String),
    /// Nobody: a guest of the mount's tenant.
    Guest,
    /// An identity that is only claimed, by the subject of one of the mount's issuers. The core takes it only from a mount
    /// that was configured to trust claims.
    Claim { subject: String, role: v1::Role },
}

/// How an event looks to an audience.
#[derive(Clone, Debug)]
pub enum Rendered {
    /// Like this, for each of them.
    Frame(Frame),
    /// Like this, for each of them but the connection that it came from.
    FrameButOrigin(Frame),
    /// It is not shown.
    Nothing,
    /// It depends on the connection: hand it to each machine.
    Step,
}

/// What becomes of what is too large.
#[derive(Debug)]
pub enum Oversized {
    /// It is refused; this is told.
    Told(Option<Effect>),
    /// This is taken in its place.
    Taken(SocketEvent),
}

/// A topic that a connection hears, until the link is lost for good; the gateway keeps it true over a reconnect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicHandle(pub u64);

/// A call of a unary method of the core, encoded; see `rpc.rs` for those that dialects know by their types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub path: PathAndQuery,
    pub message: Bytes,
    /// It is in the client's own words: it has no more rights than on the public port.
    pub public: bool,
}

/// The answer of a call, an attach or a subscription.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it waits in a box, and is moved out of it once")]
pub enum Answer {
    /// The message that a call was answered with, encoded.
    Called(Bytes),
    /// `dropped` names the topics that this connection hears no longer by their [`TopicHandle`]s.
    Attached(v1::LinkAttached),
    Subscribed(Subscribed),
}

/// A topic that is heard.
#[derive(Clone, Debug)]
pub struct Subscribed {
    pub topic: TopicHandle,
    /// The number of the last event before that.
    pub position: u64,
    pub conversation_id: String,
}
