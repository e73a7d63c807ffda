//! The task that keeps one open topic.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use parlor_bus::{Delivery, Subscription};
use parlor_store::Millis;

use super::{
    announced::Announced,
    entry::Entry,
    shared::Shared,
    state::{self, Applied},
};
use crate::{Error, Result, optional::some};

/// How many missing events are fetched at once.
const TAIL_PAGE: u64 = 500;

/// How long to wait before asking a store or bus again that did not answer: first, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// The task of one entry.
pub(super) struct Keeper {
    pub shared: Arc<Shared>,
    pub entry: Arc<Entry>,
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
                    if self.entry.is_to_compare() {
                        self.compare().await;
                    } else {
                        // Somebody was interested just now: the linger begins anew.
                        idle_until = None;
                    }
                }
                () = self.at(idle_until) => {
                    if self.close() {
                        return;
                    }
                    idle_until = None;
                }
                () = self.at(self.next_expiry()) => self.expire(),
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
            if page.first().is_none_or(|first| first.number > after + 1) {
                let floor = persist("floor", || source.floor(topic)).await;
                if floor > after + 1 {
                    // What stood there is not kept any more.
                    self.entry.live().head = through.min(floor - 1);
                    continue;
                }
            }
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

    /// Completes at a moment; never without one.
    async fn at(&self, moment: Option<Millis>) {
        some(moment.map(|moment| self.shared.clock.sleep_until(moment))).await;
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
