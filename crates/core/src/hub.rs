//! Who is told: one entry for each topic that somebody on this node listens to.
//!
//! Every topic is a *log* (of a subject, or of all that is stored in a tenant: numbered without gaps, the store keeps its
//! tail) or a *state* (presence, typing: only the latest matters, a snapshot replaces what was missed).
//!
//! ```text
//! commit ─► announce ─► bus ─► entry (orders, drops seen, fetches missing) ─► watchers (bounded in bytes)
//! ```
//!
//! # Concurrency contract
//!
//! - One task owns each entry: it alone moves the head and delivers, so order needs no lock across an await.
//! - Three locks, always in this order and never across an await: the map of topics, one entry, one watcher's mailbox.
//! - `interest` of an entry grows only under the lock of the map, and its task closes it only under that lock and only
//!   at zero: nobody can be handed an entry that is going away.
//! - A watcher is told of its beginning under the entry's lock, so its later deliveries are exactly those above the
//!   position it was told.
//! - Watchers must not block. A slow one turns its own loss into a lag; the entry never learns of it.
//! - A log delivers n+1 only after n: what is missing is fetched first, for as long as that takes. So whatever the bus
//!   loses, repeats or reorders only delays. A lost last event is found when heads are compared.

mod entry;
pub mod mailbox;
pub mod state;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use parlor_api::v1;
use parlor_bus::Bus;
use parlor_store::{ConversationId, Subject, TenantId};
use prost::Message as _;
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::entry::{Entry, Keeper};
use crate::{Error, Result, clock::Clock};

pub use self::{
    mailbox::{Item, Mailbox},
    state::{StateOf, TYPING_LIFETIME},
};

/// How often open logs compare their head with the store's: the longest an event stays lost on a quiet topic.
pub const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// States are compared on every so many rounds only, since a comparison reads all of it: everybody who is online.
const STATE_ROUNDS: u64 = 6;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The log of a subject, by sequence.
    Log(TenantId, Subject),
    /// The log of everything stored in a tenant, by position.
    Feed(TenantId),
    /// A state.
    State(TenantId, StateOf),
}

/// An event with its number in a topic, shared by all its watchers.
#[derive(Clone, Debug)]
pub struct Announced {
    pub number: i64,
    pub event: Arc<v1::Event>,
    /// What it costs in a queue.
    pub bytes: usize,
}

/// Where a watch begins.
#[derive(Clone, Debug)]
pub struct Began {
    /// The number of the last event before it.
    pub position: i64,
    /// For a state, the state as it is.
    pub snapshot: Option<Arc<v1::Event>>,
}

/// Takes the events of topics, in order.
pub trait Watcher: Send + Sync {
    /// Takes one event. Called under the entry's lock: must not block, and must not call the hub.
    fn hear(&self, topic: Topic, announced: &Announced);
}

/// Where the hub reads what it has missed.
#[async_trait::async_trait]
pub trait Source: Send + Sync + 'static {
    /// The number of the newest event of a log; 0 if there is none.
    async fn head(&self, topic: Topic) -> Result<i64>;

    /// The events of a log above a number, in order.
    async fn tail(&self, topic: Topic, after: i64, limit: u64) -> Result<Vec<Announced>>;

    /// A state as it is, and its number; none of what is stored nowhere.
    async fn state(&self, topic: Topic) -> Result<Option<(i64, v1::Event)>>;
}

/// The open topics of this node. Cloning is cheap.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    bus: Arc<dyn Bus>,
    source: Arc<dyn Source>,
    clock: Clock,
    topics: Mutex<HashMap<Topic, Arc<Entry>>>,
    /// The feed's head of each tenant when heads were last compared.
    compared: Mutex<HashMap<TenantId, i64>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Keeps a topic open.
#[must_use]
pub struct Interest {
    entry: Arc<Entry>,
}

/// Keeps a watcher on a topic; dropping it ends the watch.
#[must_use]
pub struct Watch {
    interest: Interest,
    id: u64,
}

impl Topic {
    /// The log of a conversation.
    #[must_use]
    pub fn conversation(tenant: TenantId, id: ConversationId) -> Self {
        Self::Log(tenant, id.into())
    }

    /// Who is typing in a conversation.
    #[must_use]
    pub fn typing(tenant: TenantId, id: ConversationId) -> Self {
        Self::State(tenant, StateOf::Typing(id))
    }

    /// The conversation that it tells of, if it is one alone.
    #[must_use]
    pub fn conversation_id(self) -> Option<ConversationId> {
        match self {
            Self::Log(_, subject) => subject.as_conversation(),
            Self::State(_, StateOf::Typing(id)) => Some(id),
            Self::Feed(_) | Self::State(_, StateOf::Presence) => None,
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(self) -> TenantId {
        match self {
            Self::Log(tenant, _) | Self::Feed(tenant) | Self::State(tenant, _) => tenant,
        }
    }

    /// Its name on the bus.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Log(tenant, subject) => format!("l/{}/{}/{}", tenant.0, subject.kind.0, subject.id),
            Self::Feed(tenant) => format!("f/{}", tenant.0),
            Self::State(tenant, StateOf::Presence) => format!("p/{}", tenant.0),
            Self::State(tenant, StateOf::Typing(id)) => format!("t/{}/{id}", tenant.0),
        }
    }

    /// True if missed events can be fetched.
    #[must_use]
    pub fn is_log(self) -> bool {
        !matches!(self, Self::State(..))
    }
}

impl Announced {
    /// Wraps an event that was not read from the bus.
    #[must_use]
    pub fn new(number: i64, event: v1::Event) -> Self {
        let bytes = event.encoded_len();
        Self { number, event: Arc::new(event), bytes }
    }

    fn decode(mut message: Bytes) -> Option<Self> {
        use bytes::Buf as _;
        let number = message.try_get_i64().ok()?;
        let bytes = message.len();
        let event = v1::Event::decode(message).ok()?;
        Some(Self { number, event: Arc::new(event), bytes })
    }
}

impl Hub {
    /// A hub without open topics. It compares heads until it is shut down.
    pub fn start(bus: Arc<dyn Bus>, source: Arc<dyn Source>, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            bus,
            source,
            clock,
            topics: Mutex::default(),
            compared: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let hub = Self { shared };
        hub.shared.tasks.spawn(hub.clone().compare_until_stopped());
        hub
    }

    /// Ends every task of this hub and waits for them.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Completes when this hub is shut down.
    pub async fn stopped(&self) {
        self.shared.stop.cancelled().await;
    }

    /// Announces on the bus, to every node.
    pub fn publish(&self, topic: Topic, number: i64, event: &v1::Event) {
        publish(&*self.shared.bus, topic, number, &event.encode_to_vec());
    }

    /// Adds a watcher. `began` runs under the topic's lock: events above its position are heard, and no others.
    pub async fn watch(
        &self,
        topic: Topic,
        watcher: Arc<dyn Watcher>,
        began: impl FnOnce(Began) + Send,
    ) -> Result<Watch> {
        Ok(self.open(topic).await?.watch(watcher, began))
    }

    /// Opens a topic, or joins it: from the answer on, and until the interest has been gone for a while, it hears.
    pub async fn open(&self, topic: Topic) -> Result<Interest> {
        let interest = self.interest(topic)?;
        let mut opening = interest.entry.opened.subscribe();
        let waited = self.shared.stop.run_until_cancelled(opening.wait_for(Option::is_some)).await;
        let opened = waited.and_then(Result::ok).and_then(|opened| opened.clone());
        opened.unwrap_or(Err(Error::TryAgain)).map(|()| interest)
    }

    /// Compares the heads of open logs with the store's and fetches what was lost.
    pub async fn compare_heads(&self) -> Result<()> {
        let tenants: HashSet<TenantId> = {
            let topics = self.shared.topics();
            topics.keys().filter(|topic| topic.is_log()).map(|topic| topic.tenant()).collect()
        };
        lock(&self.shared.compared).retain(|tenant, _| tenants.contains(tenant));
        for tenant in tenants {
            let head = self.shared.source.head(Topic::Feed(tenant)).await?;
            // A tenant in which nothing was stored since the last round has nothing that could be lost.
            if lock(&self.shared.compared).insert(tenant, head) != Some(head) {
                self.compare(|topic| topic.is_log() && topic.tenant() == tenant);
            }
        }
        Ok(())
    }

    /// The events of a log above a number, in order, and its head when they were read.
    pub async fn fetch(&self, topic: Topic, after: i64, limit: u64) -> Result<(Vec<Announced>, i64)> {
        let events = self.shared.source.tail(topic, after, limit).await?;
        let head = self.shared.source.head(topic).await?;
        Ok((events, head))
    }

    /// How many topics are open, for metrics.
    #[must_use]
    pub fn open_topics(&self) -> usize {
        self.shared.topics().len()
    }

    fn interest(&self, topic: Topic) -> Result<Interest> {
        if self.shared.stop.is_cancelled() {
            return Err(Error::TryAgain);
        }
        let mut topics = self.shared.topics();
        let entry = topics.entry(topic).or_insert_with(|| {
            let entry = Arc::new(Entry::new(topic));
            let keeper = Keeper { shared: Arc::clone(&self.shared), entry: Arc::clone(&entry) };
            let stop = self.shared.stop.clone();
            self.shared.tasks.spawn(async move { stop.run_until_cancelled_owned(keeper.keep()).await });
            entry
        });
        entry.interest.fetch_add(1, Ordering::AcqRel);
        Ok(Interest { entry: Arc::clone(entry) })
    }

    async fn compare_until_stopped(self) {
        let mut rounds = tokio::time::interval(COMPARE_EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round: u64 = 0;
        while self.shared.stop.run_until_cancelled(rounds.tick()).await.is_some() {
            if let Err(error) = self.compare_heads().await {
                tracing::warn!(%error, "heads could not be compared");
            }
            if round.is_multiple_of(STATE_ROUNDS) {
                self.compare(|topic| !topic.is_log());
            }
            round += 1;
        }
    }

    /// Asks every topic that is open now, so also those that were opened while a head was read.
    fn compare(&self, which: impl Fn(Topic) -> bool) {
        let topics = self.shared.topics();
        topics.values().filter(|entry| which(entry.topic)).for_each(|entry| entry.ask_to_compare());
    }
}

impl Shared {
    fn topics(&self) -> MutexGuard<'_, HashMap<Topic, Arc<Entry>>> {
        lock(&self.topics)
    }
}

impl Interest {
    /// Adds a watcher to the open topic. `began` runs under the topic's lock.
    pub fn watch(self, watcher: Arc<dyn Watcher>, began: impl FnOnce(Began)) -> Watch {
        let id = self.entry.add(watcher, began);
        Watch { interest: self, id }
    }
}

impl Watch {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        self.interest.entry.topic
    }

    /// Runs under the topic's lock, with what a watch that began now would be told.
    pub fn at_head<T>(&self, now: impl FnOnce(Began) -> T) -> T {
        self.interest.entry.at_head(now)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.interest.entry.remove(self.id);
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        if self.entry.interest.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.entry.poke.notify_one();
        }
    }
}

/// Puts an encoded event on the bus: its number, then its bytes.
pub fn publish(bus: &dyn Bus, topic: Topic, number: i64, event: &[u8]) {
    let mut message = BytesMut::with_capacity(size_of::<i64>() + event.len());
    message.put_i64(number);
    message.put_slice(event);
    bus.publish(&topic.name(), message.freeze());
}

/// What these locks guard is whole after every statement, so a poisoned one is taken as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
