//! The topics that this gateway has open: for each, where it is, who hears it and who waits for it.
//!
//! A log delivers every event once and in order ([`Log`]). A state, which begins with a snapshot, delivers what is newer
//! than what it has, and a snapshot after a break; only its latest matters. What the topic is of makes no difference.

use std::{collections::HashMap, sync::Arc};

use parlor_api::v1::{self, topic::Name};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    dialect::Audience,
    fanout::Subscribers,
    link::{
        breather::Breather,
        log::{Log, Page, Step},
    },
    outbox::{Departure, Ticket},
};

/// What a held reply waits for: the departure of the event it names, or nothing.
pub(crate) type Passed = Option<tokio_util::sync::CancellationToken>;

/// The gateway's own name for a topic; it stays the same when the core's handle changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicId(pub u64);

/// A topic rests no longer when it owes so much to each: a piece that fits every outbox with what comes meanwhile.
const OWED_BYTES_MAX: usize = 64 * 1024;

type Shared = Arc<v1::Event>;

/// What a connection hears.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub topic: TopicId,
    pub name: Name,
    pub audience: Audience,
    /// The one conversation of a feed.
    pub only: Option<String>,
}

/// One open topic.
#[derive(Debug)]
pub(crate) struct Topic {
    order: Order,
    pub subscribers: Subscribers,
    waiting: Vec<(u64, oneshot::Sender<Passed>)>,
    last: Passed,
    breather: Breather,
    /// When what was delivered while it rested is to be written; taken by who keeps the time.
    pub due: Option<Instant>,
    /// The core's name for it on the present link.
    pub handle: Option<u64>,
    /// What held replies call it.
    key: Option<Key>,
}

#[derive(Debug)]
enum Order {
    Log(Log<Shared>),
    State { revision: u64 },
}

/// What a held reply names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Feed { tenant: String },
    Conversation { id: String },
}

impl Topic {
    fn new(name: &Name, tenant: &str, subscribed: &v1::LinkSubscribed) -> Self {
        let order = match subscribed.snapshot {
            None => Order::Log(Log::new(subscribed.position)),
            Some(_) => Order::State { revision: subscribed.position },
        };
        Self {
            order,
            subscribers: Subscribers::default(),
            waiting: Vec::new(),
            last: None,
            breather: Breather::default(),
            due: None,
            handle: Some(subscribed.topic),
            key: key(name, tenant, subscribed),
        }
    }

    /// True for the topic of this conversation.
    pub fn is_of(&self, conversation_id: &str) -> bool {
        matches!(&self.key, Some(Key::Conversation { id }) if id == conversation_id)
    }

    pub fn seen(&self) -> u64 {
        match &self.order {
            Order::Log(log) => log.seen(),
            Order::State { revision } => *revision,
        }
    }

    /// An event arrived. Like all that follow: the number above which events are to be fetched, if some are missing.
    pub fn event(&mut self, number: u64, event: Shared) -> Option<u64> {
        match &mut self.order {
            Order::Log(_) => self.in_log(|log| log.event(number, event)),
            Order::State { revision } => {
                if number > *revision {
                    *revision = number;
                    self.deliver(vec![(number, event)]);
                }
                None
            }
        }
    }

    /// Events up to `head` exist; a state comes with what it is now.
    pub fn head(&mut self, head: u64, snapshot: Option<v1::Event>) -> Option<u64> {
        match &mut self.order {
            Order::Log(_) => self.in_log(|log| log.head(head)),
            Order::State { revision } => {
                let changed = head != *revision;
                if head < *revision {
                    // The core counts anew; so does everybody.
                    self.subscribers.restart(head);
                }
                *revision = head;
                if let Some(snapshot) = snapshot.filter(|_| changed) {
                    self.subscribers.snapshot(&Arc::new(snapshot));
                }
                None
            }
        }
    }

    pub fn fetched(&mut self, page: Page<Shared>) -> Option<u64> {
        self.in_log(|log| log.fetched(page))
    }

    pub fn fetch_lost(&mut self) {
        if let Order::Log(log) = &mut self.order {
            log.fetch_lost();
        }
    }

    pub fn retry(&mut self) -> Option<u64> {
        self.in_log(Log::retry)
    }

    /// Somebody joins who is to be given the events above `position`, which may be behind or ahead of what was seen.
    pub fn joined_at(&mut self, position: u64) -> Option<u64> {
        let Order::Log(log) = &self.order else { return None };
        let seen = log.seen();
        if position < seen {
            self.subscribers.passed(seen);
            return self.in_log(|log| log.rewind(position));
        }
        self.in_log(|log| log.head(position))
    }

    /// Answers when the event of this number has been handed on; at once if it has.
    pub fn wait(&mut self, number: u64, reply: oneshot::Sender<Passed>) {
        if self.seen() >= number {
            let _ = reply.send(self.last.clone());
            return;
        }
        self.waiting.retain(|(_, waiting)| !waiting.is_closed());
        self.waiting.push((number, reply));
    }

    /// Lets everybody who waits go on: the events they wait for may not come.
    pub fn release(&mut self) {
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(None);
        }
    }

    /// What comes of something that happens to a log; a state has none.
    fn in_log(&mut self, happens: impl FnOnce(&mut Log<Shared>) -> Step<Shared>) -> Option<u64> {
        let Order::Log(log) = &mut self.order else { return None };
        let Step { deliver, fetch } = happens(log);
        self.deliver(deliver);
        fetch
    }

    /// Writes what was delivered while the topic rested.
    pub fn flush(&mut self) {
        self.flush_since(Instant::now());
    }

    fn flush_since(&mut self, began: Instant) {
        self.subscribers.flush();
        self.breather.wrote(began, Instant::now());
    }

    fn deliver(&mut self, events: Vec<(u64, Shared)>) {
        if events.is_empty() {
            return;
        }
        let began = Instant::now();
        let is_feed = matches!(self.key, Some(Key::Feed { .. }));
        for (number, event) in events {
            let ticket: Ticket = Arc::new(Departure::of(is_feed.then_some(number)));
            self.last = Some(ticket.left());
            self.subscribers.deliver(number, &event, &ticket);
        }
        if self.breather.is_resting(began) && self.subscribers.owed_bytes() < OWED_BYTES_MAX {
            self.due = self.due.or(self.breather.owe(began));
        } else {
            self.flush_since(began);
        }
        let seen = self.seen();
        for (_, reply) in self.waiting.extract_if(.., |(number, _)| *number <= seen) {
            let _ = reply.send(self.last.clone());
        }
    }
}

/// All open topics, by the names they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    open: HashMap<TopicId, Topic>,
    by_handle: HashMap<u64, TopicId>,
    by_key: HashMap<Key, TopicId>,
    last: u64,
}

impl Topics {
    pub fn get(&mut self, id: TopicId) -> Option<&mut Topic> {
        self.open.get_mut(&id)
    }

    pub fn by_handle(&mut self, handle: u64) -> Option<(TopicId, &mut Topic)> {
        let id = *self.by_handle.get(&handle)?;
        self.open.get_mut(&id).map(|topic| (id, topic))
    }

    pub fn by_key(&mut self, key: &Key) -> Option<&mut Topic> {
        self.open.get_mut(self.by_key.get(key)?)
    }

    /// The topic of a subscription, opened if it is the first.
    pub fn open(&mut self, name: &Name, tenant: &str, subscribed: &v1::LinkSubscribed) -> TopicId {
        if let Some(id) = self.by_handle.get(&subscribed.topic) {
            return *id;
        }
        self.last += 1;
        let id = TopicId(self.last);
        let topic = Topic::new(name, tenant, subscribed);
        if let Some(key) = &topic.key {
            self.by_key.insert(key.clone(), id);
        }
        self.open.insert(id, topic);
        self.by_handle.insert(subscribed.topic, id);
        id
    }

    /// The core's name for a topic on a new link.
    pub fn bind(&mut self, id: TopicId, handle: u64) {
        if let Some(topic) = self.open.get_mut(&id) {
            topic.handle = Some(handle);
            self.by_handle.insert(handle, id);
        }
    }

    /// Forgets the core's names, and the fetches under way: the core has forgotten them.
    pub fn unbind_all(&mut self) {
        self.by_handle.clear();
        for topic in self.open.values_mut() {
            topic.handle = None;
            topic.fetch_lost();
        }
    }

    /// Nobody waits for what may not come.
    pub fn release_all(&mut self) {
        self.open.values_mut().for_each(Topic::release);
    }

    /// A connection hears this no longer; a topic closes with the last one.
    pub fn leave_all(&mut self, connection: &str, ended: &[Subscription]) {
        for heard in ended {
            let Some(topic) = self.open.get_mut(&heard.topic) else { continue };
            topic.subscribers.leave(connection, heard.only.as_deref());
            if !topic.subscribers.is_empty() {
                continue;
            }
            topic.release();
            let Some(closed) = self.open.remove(&heard.topic) else { continue };
            closed.key.and_then(|key| self.by_key.remove(&key));
            closed.handle.and_then(|handle| self.by_handle.remove(&handle));
        }
    }

    /// The topics that are behind and have no fetch under way, with the number to fetch above.
    pub fn retry(&mut self) -> Vec<(TopicId, u64)> {
        let bound = self.open.iter_mut().filter(|(_, topic)| topic.handle.is_some());
        let retried = bound.filter_map(|(id, topic)| {
            let after = topic.retry();
            // Nobody keeps the time for what this delivered.
            if topic.due.take().is_some() {
                topic.flush();
            }
            after.map(|after| (*id, after))
        });
        retried.collect()
    }
}

/// Replies wait for the feed, and for the log of a conversation.
fn key(name: &Name, tenant: &str, subscribed: &v1::LinkSubscribed) -> Option<Key> {
    if matches!(name, Name::Feed(_)) {
        return Some(Key::Feed { tenant: tenant.to_owned() });
    }
    let is_conversation = subscribed.snapshot.is_none() && !subscribed.conversation_id.is_empty();
    is_conversation.then(|| Key::Conversation { id: subscribed.conversation_id.clone() })
}
