//! What the link knows: connections, what they hear, and the topics that are open for them.
//!
//! It does no I/O: [`super::client`] feeds it and sends what its [`Ledger`] wants sent. When a link resumes, what was
//! not answered is asked again; when it does not, the core is told of every connection and subscription anew.

mod hearing;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parlor_api::v1::{self, link_request, link_response::Body};
use tokio::time::Instant;

use crate::{
    dialect::{
        Answer, Input, Tag,
        refusal::{Kind, Refusal},
    },
    link::{
        Attach, Command, Wanted,
        connections::Connections,
        ledger::{Ledger, Pending, Purpose},
        log::Page,
        topics::{Subscription, Topic, TopicId, Topics},
    },
    outbox::{Item, Outbox},
};

/// The link forgets a connection that ended without saying so within this.
const SWEEP: Duration = Duration::from_secs(10);

/// How many events a fetch asks for; the core's own most.
const FETCH_LIMIT: u32 = 500;

#[derive(Debug)]
pub(super) struct State {
    hello: v1::LinkHello,
    pub ledger: Ledger,
    connections: Connections,
    topics: Topics,
    /// Topics with something to write, and when.
    owing: VecDeque<(Instant, TopicId)>,
    swept: Option<Instant>,
}

impl State {
    pub fn new(gateway: String, epoch: String, within: Duration) -> Self {
        Self {
            hello: v1::LinkHello { gateway, epoch },
            ledger: Ledger::new(within),
            connections: Connections::default(),
            topics: Topics::default(),
            owing: VecDeque::new(),
            swept: None,
        }
    }

    /// The first request of a stream.
    pub fn hello(&mut self) -> v1::LinkRequest {
        self.ledger.numbered(link_request::Command::Hello(self.hello.clone()))
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
            for connection in self.connections.gone() {
                self.detach(&connection, Duration::ZERO);
            }
        }
    }

    pub fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Attach(attach) => self.attach(*attach, now),
            Command::Detach { connection, silence } => self.detach(&connection, silence),
            Command::Subscribe { connection, wanted } => self.subscribe(connection, wanted, now),
            Command::Unsubscribe { connection, topic, only } => {
                self.unsubscribe(&connection, TopicId(topic.0), only.as_deref());
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
                if let Some(pending) = self.ledger.answered(failed.number) {
                    self.fail(pending.purpose, refusal);
                }
            }
            Some(Body::Subscribed(subscribed)) => self.subscribed(subscribed),
            Some(Body::Event(event)) => {
                if let Some((id, topic)) = self.topics.by_handle(event.topic) {
                    let after = topic.event(event.number, Arc::new(event.event.unwrap_or_default()));
                    self.fetch(id, after);
                }
            }
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
        if self.refuses(&attach.outbox, attach.tag) {
            return;
        }
        let purpose = Purpose::Attach { connection: Arc::clone(&attach.connection), tag: Some(attach.tag) };
        let command = self.connections.prove(attach);
        self.ledger.ask_in_time(command, purpose, now);
    }

    fn detach(&mut self, connection: &Arc<str>, silence: Duration) {
        let Some(heard) = self.connections.remove(connection) else { return };
        self.topics.leave_all(connection, &heard);
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
        for (command, purpose) in self.connections.anew() {
            self.ledger.ask(command, purpose);
        }
        for (command, purpose) in asked {
            self.ledger.ask_in_time(command, purpose, Instant::now());
        }
    }

    fn attached(&mut self, mut attached: v1::LinkAttached) {
        let answered = self.ledger.answered(attached.number);
        let Some(Pending { purpose: Purpose::Attach { connection, tag }, .. }) = answered else { return };
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.handle = Some(attached.handle.clone());
        known.tenant.clone_from(&attached.tenant);
        let dropped = std::mem::take(&mut attached.dropped);
        known.dropped = (attached.number, dropped.clone());
        // Before the answer: nothing of what is dropped is delivered after it, which names the topics as the dialect does.
        for handle in dropped {
            let Some((id, _)) = self.topics.by_handle(handle) else { continue };
            let ended: Vec<_> = known.subscriptions.extract_if(.., |heard| heard.topic == id).collect();
            self.topics.leave_all(&connection, &ended);
            attached.dropped.push(id.0);
        }
        if let Some(tag) = tag {
            known.outbox.push(Item::answer(tag, Ok(Answer::Attached(attached)), None));
        }
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
        let answered = self.ledger.answered(fetched.number);
        let Some(Pending { purpose: Purpose::Fetch { topic: id, after }, .. }) = answered else { return };
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
        self.topics.leave_all(connection, &heard);
    }

    fn fail(&mut self, purpose: Purpose, refusal: Refusal) {
        match purpose {
            Purpose::Attach { connection, tag: Some(tag) }
            | Purpose::Subscribe { connection, wanted: Wanted { tag, .. } } => {
                if let Some(known) = self.connections.get(&connection) {
                    known.outbox.push(Item::answer(tag, Err(refusal), None));
                }
            }
            Purpose::Attach { connection, tag: None } => match refusal.kind {
                Kind::NotProven | Kind::NotPermitted => {
                    self.rights_ended(&connection, ended_reason(refusal.reason));
                }
                _ => self.connections.end(&connection),
            },
            Purpose::Resubscribe { connection, topic } => {
                if self.connections.hears(&connection, topic) {
                    self.connections.end(&connection);
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
