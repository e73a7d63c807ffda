//! One open topic, and the task that keeps it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parlor_api::v1;
use parlor_bus::{Delivery, Subscription};
use parlor_store::Millis;
use tokio::sync::{Notify, watch};

use super::{
    Announced, Began, Shared, Topic, Watcher, lock,
    state::{self, Applied, State},
};
use crate::{Error, Result, clock::Clock, wire};

/// How many missing events are fetched at once.
const TAIL_PAGE: u64 = 500;

/// How long to wait before asking a store or bus again that did not answer: first, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// An open topic.
pub(super) struct Entry {
    pub topic: Topic,
    pub interest: AtomicUsize,
    /// Wakes the keeper: nobody is interested any more, or heads shall be compared.
    pub poke: Notify,
    /// Set once: whether opening succeeded.
    pub opened: watch::Sender<Option<Result<()>>>,
    compare: AtomicBool,
    live: Mutex<Live>,
}

struct Live {
    head: i64,
    /// For a state, what it is.
    state: Option<Box<dyn State>>,
    /// The state as an event, until it changes: everybody who begins meanwhile shares it.
    snapshot: Option<Arc<v1::Event>>,
    watchers: Vec<(u64, Arc<dyn Watcher>)>,
    next_id: u64,
}

/// The task of one entry.
pub(super) struct Keeper {
    pub shared: Arc<Shared>,
    pub entry: Arc<Entry>,
}

impl Entry {
    pub fn new(topic: Topic) -> Self {
        let state = match topic {
            Topic::Log(..) | Topic::Feed(_) => None,
            Topic::State(_, of) => Some(of.unknown()),
        };
        Self {
            topic,
            interest: AtomicUsize::new(0),
            poke: Notify::new(),
            opened: watch::Sender::new(None),
            compare: AtomicBool::new(false),
            live: Mutex::new(Live { head: 0, state, snapshot: None, watchers: Vec::new(), next_id: 0 }),
        }
    }

    pub fn add(&self, watcher: Arc<dyn Watcher>, began: impl FnOnce(Began)) -> u64 {
        let mut live = self.live();
        let id = live.next_id;
        live.next_id += 1;
        live.watchers.push((id, watcher));
        began(live.began());
        id
    }

    pub fn remove(&self, id: u64) {
        self.live().watchers.retain(|(other, _)| *other != id);
    }

    pub fn at_head<T>(&self, now: impl FnOnce(Began) -> T) -> T {
        let mut live = self.live();
        now(live.began())
    }

    pub fn ask_to_compare(&self) {
        self.compare.store(true, Ordering::Release);
        self.poke.notify_one();
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }
}

impl Live {
    fn began(&mut self) -> Began {
        if self.snapshot.is_none() {
            self.snapshot = self.state.as_ref().map(|state| Arc::new(state.snapshot(self.head)));
        }
        Began { position: self.head, snapshot: self.snapshot.clone() }
    }

    /// The state is what the store says, as of this number.
    fn restore(&mut self, head: i64, snapshot: v1::Event) {
        self.head = head;
        if let Some(state) = &mut self.state {
            state.restore(snapshot);
        }
    }

    /// Moves the head to the event and gives it to every watcher.
    fn deliver(&mut self, topic: Topic, announced: &Announced) {
        self.head = announced.number;
        self.snapshot = None;
        for (_, watcher) in &self.watchers {
            watcher.hear(topic, announced);
        }
    }

    /// Tells the state as it is now; the time is said of what has just happened.
    fn tell_state(&mut self, topic: Topic, number: i64, at: Option<Millis>) {
        let Some(state) = &self.state else { return };
        let event = v1::Event { time: at.map(wire::timestamp), ..state.snapshot(number) };
        self.deliver(topic, &Announced::new(number, event));
    }
}

impl Keeper {
    /// Opens the topic and keeps it until nobody has been interested for the linger.
    pub async fn keep(self) {
        let mut heard = match self.begin().await {
            Ok(heard) => heard,
            Err(error) => {
                // Removed before telling: who asks again opens it anew.
                self.shared.topics().remove(&self.entry.topic);
                self.entry.opened.send_replace(Some(Err(error)));
                return;
            }
        };
        self.entry.opened.send_replace(Some(Ok(())));
        let mut idle_until = None;
        loop {
            idle_until = self.idle_until(idle_until);
            tokio::select! {
                delivery = heard.next() => match delivery {
                    Some(Delivery::Message(message)) => match Announced::decode(message) {
                        Some(announced) => self.take(announced).await,
                        None => self.compare().await,
                    },
                    Some(Delivery::Gap) => self.compare().await,
                    None => {
                        heard = self.hear_again().await;
                        self.compare().await;
                    }
                },
                () = self.entry.poke.notified() => {
                    if self.entry.compare.swap(false, Ordering::AcqRel) {
                        self.compare().await;
                    } else {
                        // Somebody was interested just now: the linger begins anew.
                        idle_until = None;
                    }
                }
                () = at(&self.shared.clock, idle_until) => {
                    if self.close() {
                        return;
                    }
                    idle_until = None;
                }
                () = at(&self.shared.clock, self.next_expiry()) => self.expire(),
            }
        }
    }

    /// Hears first and reads the head then, so that nothing falls between.
    async fn begin(&self) -> Result<Subscription> {
        let topic = self.entry.topic;
        let heard = self.shared.bus.subscribe(&topic.name()).await.map_err(|error| {
            tracing::warn!(%error, "a topic cannot be heard");
            Error::TryAgain
        })?;
        let source = &self.shared.source;
        if topic.is_log() {
            let head = source.head(topic).await?;
            self.entry.live().head = head;
        } else if let Some((head, snapshot)) = source.state(topic).await? {
            self.entry.live().restore(head, snapshot);
        }
        Ok(heard)
    }

    async fn hear_again(&self) -> Subscription {
        let mut wait = RETRY_FIRST;
        loop {
            match self.shared.bus.subscribe(&self.entry.topic.name()).await {
                Ok(heard) => return heard,
                Err(error) => tracing::warn!(%error, "a topic cannot be heard"),
            }
            tokio::time::sleep(wait).await;
            wait = RETRY_MOST.min(wait * 2);
        }
    }

    async fn take(&self, announced: Announced) {
        if self.entry.topic.is_log() {
            self.take_event(&announced).await;
        } else if self.apply(&announced) == Applied::Missing {
            self.compare().await;
        }
    }

    async fn take_event(&self, announced: &Announced) {
        if announced.number > self.head() + 1 {
            self.catch_up(announced.number - 1).await;
        }
        let mut live = self.entry.live();
        if announced.number == live.head + 1 {
            live.deliver(self.entry.topic, announced);
        }
    }

    fn apply(&self, announced: &Announced) -> Applied {
        let (topic, now) = (self.entry.topic, self.shared.clock.now());
        let mut live = self.entry.live();
        let head = live.head;
        let Some(state) = &mut live.state else { return Applied::Nothing };
        let applied = state.apply(announced, head, now);
        match applied {
            Applied::Told => live.deliver(topic, announced),
            Applied::Changed => live.tell_state(topic, head + 1, Some(now)),
            Applied::Nothing | Applied::Missing => {}
        }
        applied
    }

    fn expire(&self) {
        let now = self.shared.clock.now();
        let mut live = self.entry.live();
        if live.state.as_mut().is_some_and(|state| state.expire(now)) {
            let next = live.head + 1;
            live.tell_state(self.entry.topic, next, Some(now));
        }
    }

    /// Looks for what was lost on the way here.
    async fn compare(&self) {
        let (topic, source) = (self.entry.topic, &self.shared.source);
        if topic.is_log() {
            let head = persist("head", || source.head(topic)).await;
            return self.catch_up(head).await;
        }
        if let Some((head, snapshot)) = persist("state", || source.state(topic)).await {
            let mut live = self.entry.live();
            if head > live.head {
                live.restore(head, snapshot);
                live.tell_state(topic, head, None);
            }
        }
    }

    /// Delivers everything up to a number from the store.
    async fn catch_up(&self, through: i64) {
        let (topic, source) = (self.entry.topic, &self.shared.source);
        while self.head() < through {
            let after = self.head();
            let page = persist("tail", || source.tail(topic, after, TAIL_PAGE)).await;
            if page.is_empty() {
                tracing::warn!(topic = topic.name(), after, through, "the store lacks announced events");
                return;
            }
            let mut live = self.entry.live();
            for announced in page.iter().filter(|announced| announced.number > after) {
                live.deliver(topic, announced);
            }
        }
    }

    fn head(&self) -> i64 {
        self.entry.live().head
    }

    fn next_expiry(&self) -> Option<Millis> {
        self.entry.live().state.as_ref().and_then(|state| state.next_expiry())
    }

    fn idle_until(&self, before: Option<Millis>) -> Option<Millis> {
        let idle = self.entry.interest.load(Ordering::Acquire) == 0;
        idle.then(|| before.unwrap_or_else(|| self.shared.clock.now().saturating_add(self.linger_ms())))
    }

    fn linger_ms(&self) -> Millis {
        self.entry.live().state.as_ref().map_or(state::LINGER_MS, |state| state.linger_ms())
    }

    fn close(&self) -> bool {
        let mut topics = self.shared.topics();
        let closes = self.entry.interest.load(Ordering::Acquire) == 0;
        if closes {
            topics.remove(&self.entry.topic);
        }
        closes
    }
}

/// Completes at a moment; never without one.
async fn at(clock: &Clock, moment: Option<Millis>) {
    match moment {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Asks the store until it answers: whoever listens waits, and misses nothing.
async fn persist<T, F: Future<Output = Result<T>>>(what: &'static str, ask: impl Fn() -> F) -> T {
    let mut wait = RETRY_FIRST;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => tracing::warn!(%error, what, "the store did not answer the hub"),
        }
        tokio::time::sleep(wait).await;
        wait = RETRY_MOST.min(wait * 2);
    }
}
