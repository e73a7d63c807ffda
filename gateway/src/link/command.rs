//! What connections want of the link.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parlor_api::v1::topic::Name;
use tokio::sync::oneshot;

use super::topics::{Key, Passed};
use crate::{
    call::Proof,
    dialect::{Audience, Memory, Tag, TopicHandle},
    mounted::Mounted,
    outbox::Outbox,
};

/// What a connection wants of the link.
#[derive(Debug)]
pub(crate) enum Command {
    /// Prove who a connection is.
    Attach(Box<Attach>),
    /// A connection is gone.
    /// `silence` is how long nothing had been heard of the client when it was found gone.
    Detach { connection: Arc<str>, silence: Duration },
    /// A connection wants a topic.
    Subscribe { connection: Arc<str>, wanted: Wanted },
    /// A connection no longer wants a topic.
    Unsubscribe { connection: Arc<str>, topic: TopicHandle },
    /// A connection no longer wants one conversation of a feed.
    Unhear { connection: Arc<str>, topic: TopicHandle, conversation_id: String },
    /// A reply is held until this gateway has handed on an event.
    Wait { key: Key, number: u64, reply: oneshot::Sender<Passed> },
}

/// A topic that a connection wants to hear, and the one it then hears no longer.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub tag: Tag,
    pub topic: Name,
    pub audience: Audience,
    pub replaces: Option<TopicHandle>,
}

/// A connection and its proof.
#[derive(Debug)]
pub(crate) struct Attach {
    pub connection: Arc<str>,
    pub outbox: Arc<Outbox>,
    pub mounted: Mounted,
    pub peer: Option<IpAddr>,
    pub present: bool,
    pub memory: Memory,
    /// `None` if the connection was to prove itself by a proof it does not have.
    pub credential: Option<Proof>,
    pub tag: Tag,
}
