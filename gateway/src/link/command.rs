//! What connections want of the link.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parlor_api::v1::{self, topic::Name};
use tokio::sync::oneshot;

use super::topics::{Key, Passed};
use crate::{
    call::Proof,
    dialect::{Audience, Recovery, Tag, TopicHandle},
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
    /// A connection no longer wants a topic, or one conversation of a feed.
    Unsubscribe { connection: Arc<str>, topic: TopicHandle, only: Option<String> },
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
    pub proving: Proving,
    pub proof: Proof,
    pub tag: Tag,
}

/// What the core is told of a connection beside who it is; the same whenever it proves itself again.
#[derive(Debug)]
pub(crate) struct Proving {
    pub as_role: v1::Role,
    pub peer: Option<IpAddr>,
    pub present: bool,
    pub recovery: Recovery,
}
