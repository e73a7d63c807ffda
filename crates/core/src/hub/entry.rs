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
use parlor_store::{Millis, TenantId};
use tokio::sync::{Notify, watch};

use super::{
    Announced, Began, Shared, Topic, Watcher, lock,
    state::{Presences, Typists},
};
use crate::{Error, Result, clock::Clock, wire};

/// A topic that nobody watches stays open for so long: page loads leave and come back.
const LINGER_MS: i64 = 2_000;

/// Longer than a typing mark lives, so that who comes next still sees it.
const TYPING_LINGER_MS: i64 = 8_000;

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
    state: State,
    /// The state as an event, until it changes: everybody who begins meanwhile shares it.
    snapshot: Option<Arc<v1::Event>>,
    watchers: Vec<(u64, Arc<dyn Watcher>)>,
    next_id: u64,
}

enum State {
    Log,
    Presence(Presences),
    Typing(Typists),
}

/// The task of one entry.
pub(super) struct Keeper {
    pub shared: Arc<Shared>,
    pub entry: Arc<Entry>,
}

impl Entry {
    pub fn new(topic: Topic) -> Self {
        let state = match topic {
            Topic::Conversation(..) | Topic::Feed(_) => State::Log,
            Topic::Presence(_) => State::Presence(Presences::default()),
            Topic::Typing(_, conversation) => State::Typing(Typists::new(conversation)),
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
            let snapshot = match &self.state {
                State::Log => None,
                State::Presence(presences) => Some(presences.snapshot(self.head)),
                State::Typing(typists) => Some(typists.snapshot()),
            };
            self.snapshot = snapshot.map(Arc::new);
        }
        Began { position: self.head, snapshot: self.snapshot.clone() }
    }

    /// Moves the head to the event and gives it to every watcher.
    fn deliver(&mut self, topic: Topic, announced: &Announced) {
        self.head = announced.number;
        self.snapshot = None;
        for (_, watcher) in &self.watchers {
            watcher.hear(topic, announced);
        }
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
        match topic {
            Topic::Conversation(..) | Topic::Feed(_) => {
                let head = self.shared.source.head(topic).await?;
                self.entry.live().head = head;
            }
            Topic::Presence(tenant) => {
                let (revision, presences) = self.shared.source.presences(tenant).await?;
                let mut live = self.entry.live();
                live.head = revision;
                live.state = State::Presence(Presences::new(presences));
            }
            Topic::Typing(..) => {}
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
        match self.entry.topic {
            Topic::Conversation(..) | Topic::Feed(_) => {
                if announced.number > self.head() + 1 {
                    self.catch_up(announced.number - 1).await;
                }
                let mut live = self.entry.live();
                if announced.number == live.head + 1 {
                    live.deliver(self.entry.topic, &announced);
                }
            }
            Topic::Presence(tenant) => self.take_presence(tenant, &announced).await,
            Topic::Typing(..) => self.take_typing(&announced),
        }
    }

    async fn take_presence(&self, tenant: TenantId, announced: &Announced) {
        {
            let mut live = self.entry.live();
            if announced.number <= live.head {
                return;
            }
            if announced.number == live.head + 1 {
                if let State::Presence(presences) = &mut live.state {
                    presences.apply(&announced.event);
                }
                live.deliver(self.entry.topic, announced);
                return;
            }
        }
        self.reload(tenant).await;
    }

    /// A mark travels as the number: 1 while typing, 0 when it stopped.
    fn take_typing(&self, mark: &Announced) {
        let mut live = self.entry.live();
        let State::Typing(typists) = &mut live.state else { return };
        if typists.mark(&mark.event, mark.number == 1, self.shared.clock.now()) {
            self.announce_typing(&mut live);
        }
    }

    fn expire(&self) {
        let mut live = self.entry.live();
        let State::Typing(typists) = &mut live.state else { return };
        if typists.expire(self.shared.clock.now()) {
            self.announce_typing(&mut live);
        }
    }

    fn announce_typing(&self, live: &mut Live) {
        if let State::Typing(typists) = &live.state {
            let mut event = typists.snapshot();
            event.time = Some(wire::timestamp(self.shared.clock.now()));
            let announced = Announced::new(live.head + 1, event);
            live.deliver(self.entry.topic, &announced);
        }
    }

    async fn compare(&self) {
        match self.entry.topic {
            topic @ (Topic::Conversation(..) | Topic::Feed(_)) => {
                let source = &self.shared.source;
                let head = persist("head", || source.head(topic)).await;
                self.catch_up(head).await;
            }
            Topic::Presence(tenant) => self.reload(tenant).await,
            // A lost mark is repeated by who is typing, and expires by itself.
            Topic::Typing(..) => {}
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

    async fn reload(&self, tenant: TenantId) {
        let source = &self.shared.source;
        let (revision, presences) = persist("presence", || source.presences(tenant)).await;
        let mut live = self.entry.live();
        if revision > live.head {
            let presences = Presences::new(presences);
            let snapshot = Announced::new(revision, presences.snapshot(revision));
            live.state = State::Presence(presences);
            live.deliver(self.entry.topic, &snapshot);
        }
    }

    fn head(&self) -> i64 {
        self.entry.live().head
    }

    fn next_expiry(&self) -> Option<Millis> {
        match &self.entry.live().state {
            State::Typing(typists) => typists.next_expiry(),
            State::Log | State::Presence(_) => None,
        }
    }

    fn idle_until(&self, before: Option<Millis>) -> Option<Millis> {
        let linger = if matches!(self.entry.topic, Topic::Typing(..)) { TYPING_LINGER_MS } else { LINGER_MS };
        let idle = self.entry.interest.load(Ordering::Acquire) == 0;
        idle.then(|| before.unwrap_or_else(|| self.shared.clock.now().saturating_add(linger)))
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
