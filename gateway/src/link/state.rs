//! What the link knows: connections, what they hear, and the topics that are open for them.
//!
//! It does no I/O: [`super::client`] feeds it and sends what its [`Ledger`] wants sent. When a link resumes, what was
//! not answered is asked again; when it does not, the core is told of every connection and subscription anew.

mod hearing;

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parlor_api::v1::{self, link_attach::Credential, link_request, link_response::Body, topic::Name};
use tokio::time::Instant;

use crate::{
    call::Proof,
    dialect::{
        Answer, Audience, Input, Memory, Tag,
        refusal::{Kind, Refusal},
    },
    link::{
        Attach, Command, Wanted,
        ledger::{Ledger, Purpose},
        log::Page,
        topics::{Topic, TopicId, Topics},
    },
    mount::{Identity, Mount},
    mounted::Mounted,
    outbox::{Ending, Item, Outbox},
};

/// The link forgets a connection that ended without saying so within this.
const SWEEP: Duration = Duration::from_secs(10);

/// How many events a fetch asks for; the core's own most.
const FETCH_LIMIT: u32 = 500;

#[derive(Debug)]
pub(super) struct State {
    gateway: String,
    epoch: String,
    pub ledger: Ledger,
    connections: HashMap<Arc<str>, Box<Connection>>,
    topics: Topics,
    /// Topics with something to write, and when.
    owing: VecDeque<(Instant, TopicId)>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Connection {
    outbox: Arc<Outbox>,
    mounted: Mounted,
    proving: Proving,
    handle: Option<String>,
    tenant: String,
    subscriptions: Vec<Subscription>,
    /// What the core dropped with the latest proof, by its handles, and the number of the command that proved it: answers
    /// to earlier subscriptions of it mean nothing.
    dropped: (u64, Vec<u64>),
}

/// What the core is told of a connection beside who it is; the same whenever it proves itself again.
#[derive(Debug)]
struct Proving {
    as_role: v1::Role,
    peer: Option<IpAddr>,
    present: bool,
    memory: Memory,
}

#[derive(Clone, Debug)]
struct Subscription {
    topic: TopicId,
    name: Name,
    audience: Audience,
    /// The one conversation of a feed.
    only: Option<String>,
}

impl Proving {
    fn command(&self, connection: &str, mount: &Mount, credential: Credential) -> link_request::Command {
        link_request::Command::Attach(v1::LinkAttach {
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
            credential: Some(credential),
            redelivers: self.memory.redelivers,
            recover: self.memory.recover.clone().unwrap_or_default(),
        })
    }
}

impl Connection {
    /// The core has dropped this subscription since it was asked for.
    fn has_dropped(&self, subscribed: &v1::LinkSubscribed) -> bool {
        let (number, handles) = &self.dropped;
        subscribed.number < *number && handles.contains(&subscribed.topic)
    }
}

impl State {
    pub fn new(gateway: String, epoch: String, within: Duration) -> Self {
        Self {
            gateway,
            epoch,
            ledger: Ledger::new(within),
            connections: HashMap::new(),
            topics: Topics::default(),
            owing: VecDeque::new(),
            swept: None,
        }
    }

    /// The first request of a stream.
    pub fn hello(&mut self) -> v1::LinkRequest {
        let hello = v1::LinkHello { gateway: self.gateway.clone(), epoch: self.epoch.clone() };
        self.ledger.numbered(link_request::Command::Hello(hello))
    }

    /// The stream is broken. What is pending stays so; replies are held for nothing.
    pub fn lost(&mut self) {
        self.ledger.lost();
        self.topics.release_all();
        for (_, id) in std::mem::take(&mut self.owing) {
            self.topics.get(id).into_iter().for_each(Topic::flush);
        }
    }

    /// Time has passed: what was not answered is told so, what is missing is fetched again, who is gone is forgotten.
    pub fn tick(&mut self, now: Instant) {
        while let Some(purpose) = self.ledger.overdue(now) {
            self.fail(purpose, away("the core does not answer"));
        }
        if self.ledger.is_up() {
            for (topic, after) in self.topics.retry() {
                self.fetch(topic, Some(after));
            }
        }
        if self.swept.is_none_or(|swept| now - swept >= SWEEP) {
            self.swept = Some(now);
            let gone = self.connections.iter().filter(|(_, known)| known.outbox.is_abandoned());
            let gone: Vec<_> = gone.map(|(connection, _)| Arc::clone(connection)).collect();
            gone.iter().for_each(|connection| self.detach(connection, Duration::ZERO));
        }
    }

    pub fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Attach(attach) => self.attach(*attach, now),
            Command::Detach { connection, silence } => self.detach(&connection, silence),
            Command::Subscribe { connection, wanted } => self.subscribe(connection, wanted, now),
            Command::Unsubscribe { connection, topic } => self.unsubscribe(&connection, TopicId(topic.0)),
            Command::Unhear { connection, topic, conversation_id } => {
                self.unhear(&connection, TopicId(topic.0), &conversation_id);
            }
            Command::Wait { key, number, reply } => {
                if let Some(topic) = self.topics.by_key(&key).filter(|_| self.ledger.is_up()) {
                    topic.wait(number, reply);
                } else {
                    let _ = reply.send(None);
                }
            }
        }
    }

    pub fn response(&mut self, response: v1::LinkResponse) {
        match response.body {
            Some(Body::Welcome(welcome)) => self.welcome(welcome.resumed),
            Some(Body::Attached(attached)) => self.attached(attached),
            Some(Body::Done(done)) => {
                self.ledger.answered(done.number);
            }
            Some(Body::Failure(failed)) => {
                let refusal = Refusal::from(failed.failure.unwrap_or_default());
                if let Some(answered) = self.ledger.answered(failed.number) {
                    self.fail(answered.purpose, refusal);
                }
            }
            Some(Body::Subscribed(subscribed)) => self.subscribed(subscribed),
            Some(Body::Event(event)) => self.event(event),
            Some(Body::Lagged(lagged)) => {
                if let Some((id, topic)) = self.topics.by_handle(lagged.topic) {
                    let after = topic.head(lagged.head, lagged.snapshot);
                    self.fetch(id, after);
                }
            }
            Some(Body::Fetched(fetched)) => self.fetched(fetched),
            Some(Body::RightsEnded(ended)) => {
                self.rights_ended(&ended.connection, ended.reason());
            }
            Some(Body::Drain(drain)) => tracing::info!(grace = ?drain.grace, "the core is going down"),
            None => tracing::warn!("the core said something this gateway does not know"),
        }
    }

    // === what connections want ===

    fn attach(&mut self, attach: Attach, now: Instant) {
        let Attach { connection, outbox, mounted, peer, present, memory, credential, tag } = attach;
        if self.refuses(&outbox, tag) {
            return;
        }
        let Some(credential) = credential else {
            let refusal = Refusal::of(Kind::NotProven, "there is no proof yet");
            outbox.push(Item::answer(tag, Err(refusal), None));
            return;
        };
        let proving = Proving { as_role: credential.as_role(), peer, present, memory };
        let credential = match credential {
            Proof::Handle(handle) => Credential::Handle(handle),
            Proof::Bearer(token) | Proof::BearerAsCustomer(token) => Credential::Bearer(token),
            Proof::Guest => Credential::Guest(true),
            Proof::Claim { subject, role } => Credential::Claim(v1::LinkClaim { subject, role: role.into() }),
        };
        let command = proving.command(&connection, &mounted.mount, credential);
        self.connections.entry(Arc::clone(&connection)).or_insert_with(|| {
            Box::new(Connection {
                outbox,
                proving,
                tenant: mounted.mount.tenant.clone().unwrap_or_default(),
                mounted,
                handle: None,
                subscriptions: Vec::new(),
                dropped: (0, Vec::new()),
            })
        });
        self.ledger.ask_in_time(command, Purpose::Attach { connection, tag }, now);
    }

    fn detach(&mut self, connection: &Arc<str>, silence: Duration) {
        let Some(known) = self.connections.remove(connection) else { return };
        for subscription in known.subscriptions {
            self.topics.leave(subscription.topic, connection);
        }
        let silence = (silence > Duration::ZERO).then(|| prost_types::Duration::try_from(silence).ok());
        let detach =
            v1::LinkDetach { connection: connection.to_string(), position: 0, silence: silence.flatten() };
        self.ledger.ask(link_request::Command::Detach(detach), Purpose::Tell);
    }

    fn refuses(&self, outbox: &Outbox, tag: Tag) -> bool {
        let full = self.ledger.is_full();
        if full {
            outbox.push(Item::answer(tag, Err(away("too much waits for the core")), None));
        }
        full
    }

    // === what the core says ===

    /// On a resumed link the same commands are asked again; on a new one everything is told anew, first what stood.
    fn welcome(&mut self, resumed: bool) {
        if resumed {
            self.ledger.resume();
            return;
        }
        self.topics.unbind_all();
        let asked = self.ledger.begin_anew();
        self.tell_connections();
        for (command, purpose) in asked {
            self.ledger.ask_in_time(command, purpose, Instant::now());
        }
    }

    /// Attaches every connection that had proved itself, and subscribes what it heard.
    fn tell_connections(&mut self) {
        let mut commands = Vec::new();
        for (connection, known) in &self.connections {
            let Some(handle) = &known.handle else { continue };
            let credential = Credential::Handle(handle.clone());
            let command = known.proving.command(connection, &known.mounted.mount, credential);
            commands.push((command, Purpose::Reattach { connection: Arc::clone(connection) }));
            for heard in &known.subscriptions {
                let purpose = Purpose::Resubscribe { connection: Arc::clone(connection), topic: heard.topic };
                commands.push((subscription(connection, &heard.name), purpose));
            }
        }
        for (command, purpose) in commands {
            self.ledger.ask(command, purpose);
        }
    }

    fn attached(&mut self, mut attached: v1::LinkAttached) {
        let Some(answered) = self.ledger.answered(attached.number) else { return };
        let (connection, tag) = match answered.purpose {
            Purpose::Attach { connection, tag } => (connection, Some(tag)),
            Purpose::Reattach { connection } => (connection, None),
            Purpose::Subscribe { .. }
            | Purpose::Resubscribe { .. }
            | Purpose::Fetch { .. }
            | Purpose::Tell => return,
        };
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.handle = Some(attached.handle.clone());
        known.tenant.clone_from(&attached.tenant);
        let dropped = std::mem::take(&mut attached.dropped);
        known.dropped = (attached.number, dropped.clone());
        // Before the answer: nothing of what is dropped is delivered after it, which names the topics as the dialect does.
        for handle in dropped {
            let Some((id, _)) = self.topics.by_handle(handle) else { continue };
            known.subscriptions.retain(|heard| heard.topic != id);
            self.topics.leave(id, &connection);
            attached.dropped.push(id.0);
        }
        if let Some(tag) = tag {
            known.outbox.push(Item::answer(tag, Ok(Answer::Attached(attached)), None));
        }
    }

    fn event(&mut self, event: v1::LinkEvent) {
        let Some((id, topic)) = self.topics.by_handle(event.topic) else { return };
        let after = topic.event(event.number, Arc::new(event.event.unwrap_or_default()));
        self.fetch(id, after);
    }

    /// When something that was delivered is to be written.
    pub fn next_flush(&self) -> Option<Instant> {
        self.owing.front().map(|(due, _)| *due)
    }

    /// Writes what is due. A topic rests for a short time only, so its turn in the order of coming is near enough.
    pub fn flush(&mut self, now: Instant) {
        while let Some((_, id)) = self.owing.pop_front_if(|(due, _)| *due <= now) {
            self.topics.get(id).into_iter().for_each(Topic::flush);
        }
    }

    fn fetched(&mut self, fetched: v1::LinkFetched) {
        let Some(answered) = self.ledger.answered(fetched.number) else { return };
        let Purpose::Fetch { topic: id, after } = answered.purpose else { return };
        let Some(topic) = self.topics.get(id) else { return };
        let events = fetched.events.into_iter();
        let events = events.map(|event| (event.number, Arc::new(event.event.unwrap_or_default()))).collect();
        let page = Page { after, events, through: fetched.through, head: fetched.head };
        let after = topic.fetched(page);
        self.fetch(id, after);
    }

    fn rights_ended(&mut self, connection: &str, reason: v1::RightsEndedReason) {
        let Some(known) = self.connections.get_mut(connection) else { return };
        if known.handle.take().is_none() && known.subscriptions.is_empty() {
            // Told again after a resume, in case the first time was lost with the link.
            return;
        }
        let heard = std::mem::take(&mut known.subscriptions);
        known.outbox.push(Item::Input(Box::new(Input::RightsEnded(reason)), None));
        for subscription in heard {
            self.topics.leave(subscription.topic, connection);
        }
    }

    fn fail(&mut self, purpose: Purpose, refusal: Refusal) {
        match purpose {
            Purpose::Attach { connection, tag }
            | Purpose::Subscribe { connection, wanted: Wanted { tag, .. } } => {
                if let Some(known) = self.connections.get(&connection) {
                    known.outbox.push(Item::answer(tag, Err(refusal), None));
                }
            }
            Purpose::Reattach { connection } => match refusal.kind {
                Kind::NotProven | Kind::NotPermitted => {
                    self.rights_ended(&connection, ended_reason(refusal.reason));
                }
                _ => self.end(&connection),
            },
            Purpose::Resubscribe { connection, topic } => {
                let hears = self
                    .connections
                    .get(&connection)
                    .is_some_and(|known| known.subscriptions.iter().any(|heard| heard.topic == topic));
                if hears {
                    self.end(&connection);
                }
            }
            Purpose::Fetch { topic, .. } => {
                tracing::warn!(kind = ?refusal.kind, "events could not be fetched; trying again");
                if let Some(topic) = self.topics.get(topic) {
                    topic.fetch_lost();
                }
            }
            Purpose::Tell => {}
        }
    }

    /// A connection that can no longer be kept true ends, so that its client begins anew.
    fn end(&mut self, connection: &str) {
        if let Some(known) = self.connections.get(connection) {
            known.outbox.end(Ending::SUBSCRIPTION_LOST);
        }
    }

    // === commands to the core ===

    /// After a topic was told something: what it owes is written in time, and what it misses is fetched.
    fn fetch(&mut self, id: TopicId, after: Option<u64>) {
        let Some(topic) = self.topics.get(id) else { return };
        self.owing.extend(topic.due.take().map(|due| (due, id)));
        let Some(after) = after else { return };
        let Some(handle) = topic.handle.filter(|_| self.ledger.is_up()) else {
            topic.fetch_lost();
            return;
        };
        let fetch = v1::LinkFetch { topic: handle, after, limit: FETCH_LIMIT };
        self.ledger.ask(link_request::Command::Fetch(fetch), Purpose::Fetch { topic: id, after });
    }
}

fn subscription(connection: &str, name: &Name) -> link_request::Command {
    let topic = Some(v1::Topic { name: Some(name.clone()) });
    link_request::Command::Subscribe(v1::LinkSubscribe { connection: connection.to_owned(), topic })
}

fn away(message: &str) -> Refusal {
    Refusal::of(Kind::Away, message)
}

fn ended_reason(reason: v1::Reason) -> v1::RightsEndedReason {
    match reason {
        v1::Reason::CredentialExpired => v1::RightsEndedReason::Expired,
        _ => v1::RightsEndedReason::Revoked,
    }
}

#[cfg(test)]
mod tests;
