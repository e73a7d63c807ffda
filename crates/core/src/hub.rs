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

mod announced;
mod entry;
mod keeper;
pub mod mailbox;
mod shared;
pub mod state;
mod topic;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use futures::future::BoxFuture;
use parlor_api::v1;
use parlor_bus::Bus;
use parlor_store::TenantId;
use prost::Message as _;
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{entry::Entry, keeper::Keeper, shared::Shared};
use crate::{Error, Result, auth::Auth, caller::Principal, clock::Clock, locked::lock};

pub use self::{
    announced::{Announced, Began},
    mailbox::{Item, Mailbox},
    state::{StateOf, TYPING_LIFETIME},
    topic::{Source, Topic, Watcher, publish},
};

/// How often open logs compare their head with the store's: the longest an event stays lost on a quiet topic.
pub const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// States are compared on every so many rounds only, since a comparison reads all of it: everybody who is online.
const STATE_ROUNDS: u64 = 6;

/// The open topics of this node. Cloning is cheap.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
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

    /// Completes when a stream of this principal must end: its rights do, or this node stops.
    pub fn ended(&self, rights: &Arc<Auth>, principal: &Arc<Principal>) -> BoxFuture<'static, Error> {
        let (rights, principal, stop) = (Arc::clone(rights), Arc::clone(principal), self.shared.stop.clone());
        Box::pin(async move {
            tokio::select! {
                error = rights.standing().ended(&principal) => error,
                () = stop.cancelled() => Error::TryAgain,
            }
        })
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

    /// The events of a log above a number, in order, and its head before they were read: a page that is not full has all
    /// that is kept up to there.
    pub async fn fetch(&self, topic: Topic, after: i64, limit: u64) -> Result<(Vec<Announced>, i64)> {
        let head = self.shared.source.head(topic).await?;
        let events = self.shared.source.tail(topic, after, limit).await?;
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

#[cfg(test)]
mod tests;
