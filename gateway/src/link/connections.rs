//! The connections of this gateway that the link knows: how each proves itself, and what it hears.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use parlor_api::v1::{self, link_request::Command, topic::Name};

use super::{
    Attach, Proving,
    ledger::Purpose,
    topics::{Subscription, TopicId},
};
use crate::{
    call::Proof,
    mount::{Identity, Mount},
    mounted::Mounted,
    outbox::{Ending, Outbox},
};

#[derive(Debug, Default)]
pub(super) struct Connections(HashMap<Arc<str>, Box<Connection>>);

#[derive(Debug)]
pub(super) struct Connection {
    pub outbox: Arc<Outbox>,
    pub mounted: Mounted,
    pub handle: Option<String>,
    pub tenant: String,
    pub subscriptions: Vec<Subscription>,
    proving: Proving,
    /// What the core dropped with the latest proof, by its handles, and the number of the command that proved it: answers
    /// to earlier subscriptions of it mean nothing.
    pub dropped: (u64, Vec<u64>),
}

impl Connections {
    pub fn get(&self, connection: &str) -> Option<&Connection> {
        self.0.get(connection).map(|known| &**known)
    }

    pub fn get_mut(&mut self, connection: &str) -> Option<&mut Connection> {
        self.0.get_mut(connection).map(|known| &mut **known)
    }

    /// The command by which a connection proves itself; it is known from here on.
    pub fn prove(&mut self, attach: Attach) -> Command {
        let Attach { connection, outbox, mounted, proving, proof, .. } = attach;
        let command = proving.command(&connection, &mounted.mount, proof);
        if let Entry::Vacant(place) = self.0.entry(connection) {
            let tenant = mounted.mount.tenant.clone().unwrap_or_default();
            let (handle, subscriptions, dropped) = (None, Vec::new(), (0, Vec::new()));
            let known = Connection { outbox, mounted, handle, tenant, subscriptions, proving, dropped };
            place.insert(Box::new(known));
        }
        command
    }

    /// Forgets a connection; with what it heard.
    pub fn remove(&mut self, connection: &str) -> Option<Vec<Subscription>> {
        Some(self.0.remove(connection)?.subscriptions)
    }

    /// Those that ended without saying so.
    pub fn gone(&self) -> Vec<Arc<str>> {
        let gone = self.0.iter().filter(|(_, known)| known.outbox.is_abandoned());
        gone.map(|(connection, _)| Arc::clone(connection)).collect()
    }

    /// The commands that attach every connection that had proved itself, and subscribe what it heard.
    pub fn anew(&self) -> Vec<(Command, Purpose)> {
        let mut commands = Vec::new();
        for (connection, known) in &self.0 {
            let Some(handle) = &known.handle else { continue };
            let proof = Proof::Handle(handle.clone());
            let command = known.proving.command(connection, &known.mounted.mount, proof);
            commands.push((command, Purpose::Attach { connection: Arc::clone(connection), tag: None }));
            for heard in &known.subscriptions {
                let purpose = Purpose::Resubscribe { connection: Arc::clone(connection), topic: heard.topic };
                commands.push((subscribe(connection, &heard.name), purpose));
            }
        }
        commands
    }

    /// One that can no longer be kept true ends, so that its client begins anew.
    pub fn end(&self, connection: &str) {
        if let Some(known) = self.get(connection) {
            known.outbox.end(Ending::SUBSCRIPTION_LOST);
        }
    }

    pub fn hears(&self, connection: &str, topic: TopicId) -> bool {
        self.get(connection).is_some_and(|known| known.hears(topic))
    }
}

impl Connection {
    pub fn hears(&self, topic: TopicId) -> bool {
        self.subscriptions.iter().any(|heard| heard.topic == topic)
    }

    /// Notes what it hears, once.
    pub fn hear(&mut self, heard: Subscription) {
        let is_same = |known: &Subscription| {
            known.topic == heard.topic && known.audience == heard.audience && known.only == heard.only
        };
        if !self.subscriptions.iter().any(is_same) {
            // A few topics for each of very many connections.
            self.subscriptions.reserve_exact(1);
            self.subscriptions.push(heard);
        }
    }

    /// The core has dropped this subscription since it was asked for.
    pub fn has_dropped(&self, subscribed: &v1::LinkSubscribed) -> bool {
        let (number, handles) = &self.dropped;
        subscribed.number < *number && handles.contains(&subscribed.topic)
    }
}

impl Proving {
    fn command(&self, connection: &str, mount: &Mount, proof: Proof) -> Command {
        Command::Attach(v1::LinkAttach {
            connection: connection.to_owned(),
            as_role: self.as_role.into(),
            mount: Some(v1::MountContext {
                name: mount.name.clone(),
                tenant: mount.tenant.clone().unwrap_or_default(),
                issuers: mount.issuers.clone(),
                claims: mount.identity == Identity::Claims,
            }),
            peer: self.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            present: self.present,
            linger: prost_types::Duration::try_from(mount.linger).ok(),
            credential: Some(proof),
            redelivers: self.recovery.redelivers,
            recover: self.recovery.recover.clone().unwrap_or_default(),
        })
    }
}

pub(super) fn subscribe(connection: &str, name: &Name) -> Command {
    let topic = Some(v1::Topic { name: Some(name.clone()) });
    Command::Subscribe(v1::LinkSubscribe { connection: connection.to_owned(), topic })
}
