//! What is known of one connection of a gateway: who it is, what it hears, and what it is told of the past.

use std::sync::Arc;

use parlor_store::{TenantId, UserId};

use super::{
    past::{Missed, Past},
    queue::Handle,
};
use crate::{
    caller::Principal,
    hub::{Interest, Topic},
    presence::{Present, Visiting},
};

/// A connection that is attached.
pub(super) struct Connection {
    pub principal: Arc<Principal>,
    /// The client's address, for limits; empty if unknown.
    pub peer: Arc<str>,
    pub present: Option<Present>,
    /// It may record a visit.
    pub visiting: Option<Visiting>,
    /// Tells its rights from those of an earlier attach of the same name.
    pub generation: u64,
    /// Topics that it heard as somebody else and does not hear now, as long as the gateway may not know.
    pub dropped: Vec<Handle>,
    /// For one that redelivers.
    pub redelivery: Option<Box<Redelivery>>,
}

/// What a redelivering connection was told, and where it began.
#[derive(Clone, Debug)]
pub(super) struct Redelivery {
    /// The command that attached it first: its repetition is answered alike.
    pub number: u64,
    pub missed: Option<Missed>,
    pub began: i64,
}

/// A connection that is proven, and counted if it is present.
pub(super) struct Attached {
    pub connection: Connection,
    pub pid: String,
    pub recovered_from: Option<i64>,
    /// Where the connection of the pid began.
    pub began: i64,
}

/// What a connection was before it proves itself again.
pub(super) struct Earlier {
    pub principal: Arc<Principal>,
    pub heard: Vec<Heard>,
    pub redelivery: Option<Box<Redelivery>>,
}

/// What a connection hears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub handle: Handle,
    pub topic: Topic,
    /// It knew the key of the conversation.
    pub by_key: bool,
}

/// A topic that a connection may hear, open.
pub(super) struct Hearing {
    pub topic: Topic,
    pub conversation_id: String,
    /// It was named by its key.
    pub by_key: bool,
    pub interest: Interest,
}

impl Connection {
    /// The person, if it is one.
    pub fn person(&self) -> Option<(TenantId, UserId)> {
        self.principal.user_id().map(|user| (self.principal.tenant, user))
    }
}

impl Attached {
    /// Somebody who is proven, and nothing else yet.
    pub fn new(principal: Arc<Principal>, peer: Arc<str>, dropped: Vec<Handle>) -> Self {
        let connection = Connection {
            principal,
            peer,
            present: None,
            visiting: None,
            generation: 0,
            dropped,
            redelivery: None,
        };
        Self { connection, pid: String::new(), recovered_from: None, began: 0 }
    }

    /// Names the connection for a later recovery, and takes up the one that it continues.
    pub fn name(&mut self, past: &Past, mount: &str, recover: &str, head: i64) {
        let principal = &self.connection.principal;
        let known = Some(recover).filter(|pid| !pid.is_empty());
        // One beyond the head is of a database that is no more.
        let began =
            known.and_then(|pid| past.recovered(principal, mount, pid)).filter(|began| *began <= head);
        self.pid = match began {
            Some(_) => recover.to_owned(),
            None => past.pid(principal, mount, head),
        };
        self.recovered_from = began;
        self.began = began.unwrap_or(head);
    }

    /// Comes to nothing: what it was told of the past is told to the next.
    pub fn give_back(&self, past: &Past) {
        let missed = self.connection.redelivery.as_ref().and_then(|redelivery| redelivery.missed);
        if let (Some(missed), Some(person)) = (missed, self.connection.person()) {
            past.put_back(person, missed);
        }
    }
}
