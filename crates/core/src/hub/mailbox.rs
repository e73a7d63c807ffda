//! The queue of one reader of topics, bounded in bytes. What does not fit is replaced by a lag of its topic.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard},
};

use tokio::sync::Notify;

use super::{Announced, Topic, Watcher};
use crate::locked::lock;

/// What an item costs beside its event, so that small events are bounded too.
const ITEM_OVERHEAD_BYTES: usize = 128;

/// What a reader takes out, in the order of what happened.
#[derive(Clone, Debug)]
pub enum Item<N, K = Topic> {
    /// An event of a topic.
    Event(K, Announced),
    /// Events of a topic up to `head` were left out here; those above it follow.
    Lagged { topic: K, head: i64 },
    /// What the reader's owner put among the events.
    Note(N),
}

/// A queue of events of many topics, with notes of `N` among them. `K` is what the reader calls a topic.
#[derive(Debug)]
pub struct Mailbox<N, K = Topic> {
    waiting: Mutex<Waiting<N, K>>,
    ready: Notify,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Waiting<N, K> {
    items: VecDeque<Item<N, K>>,
    bytes: usize,
    notes: usize,
    /// Topics with a lag in the queue, and the newest number left out.
    lagged: HashMap<K, i64>,
    /// Nobody will read what comes now; whoever comes back is told the heads.
    shut: bool,
}

impl<N, K: Copy + Eq + Hash> Mailbox<N, K> {
    /// An empty one.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        let waiting =
            Waiting { items: VecDeque::new(), bytes: 0, notes: 0, lagged: HashMap::new(), shut: false };
        Self { waiting: Mutex::new(waiting), ready: Notify::new(), limit_bytes }
    }

    /// Puts a note in its place among the events. Notes are not refused: each answers a command, and commands are
    /// bounded where they are read.
    pub fn note(&self, note: N) {
        let mut waiting = self.waiting();
        if !waiting.shut {
            waiting.items.push_back(Item::Note(note));
            waiting.notes += 1;
        }
        drop(waiting);
        self.ready.notify_one();
    }

    /// Takes the next item; waits for one. Nothing is lost if the future is dropped. For one reader.
    pub async fn next(&self) -> Item<N, K> {
        loop {
            if let Some(item) = self.pop() {
                return item;
            }
            self.filled().await;
        }
    }

    /// Completes when something was put in since it was last awaited. For one reader.
    pub async fn filled(&self) {
        self.ready.notified().await;
    }

    /// Takes the next item if there is one.
    pub fn pop(&self) -> Option<Item<N, K>> {
        let mut waiting = self.waiting();
        let item = waiting.items.pop_front()?;
        Some(match item {
            Item::Event(topic, announced) => {
                waiting.bytes -= announced.bytes + ITEM_OVERHEAD_BYTES;
                Item::Event(topic, announced)
            }
            Item::Lagged { topic, head } => {
                let head = waiting.lagged.remove(&topic).unwrap_or(head);
                Item::Lagged { topic, head }
            }
            Item::Note(note) => {
                waiting.notes -= 1;
                Item::Note(note)
            }
        })
    }

    /// Forgets everything and takes nothing until it is opened.
    pub fn shut(&self) {
        let mut waiting = self.waiting();
        waiting.items.clear();
        waiting.bytes = 0;
        waiting.notes = 0;
        waiting.lagged.clear();
        waiting.shut = true;
    }

    /// How many notes wait.
    pub fn notes(&self) -> usize {
        self.waiting().notes
    }

    /// Takes items again.
    pub fn open(&self) {
        self.waiting().shut = false;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<N, K>> {
        lock(&self.waiting)
    }
}

impl<N, K: Copy + Eq + Hash> Mailbox<N, K> {
    /// Takes an event of a topic, or turns it into a lag of the topic.
    pub fn take(&self, topic: K, announced: &Announced) {
        let mut waiting = self.waiting();
        if waiting.shut {
            return;
        }
        let cost = announced.bytes + ITEM_OVERHEAD_BYTES;
        if let Some(head) = waiting.lagged.get_mut(&topic) {
            *head = announced.number;
        } else if waiting.bytes + cost > self.limit_bytes {
            waiting.lagged.insert(topic, announced.number);
            metrics::counter!(crate::metric::HUB_LAGS).increment(1);
            waiting.items.push_back(Item::Lagged { topic, head: announced.number });
        } else {
            waiting.bytes += cost;
            waiting.items.push_back(Item::Event(topic, announced.clone()));
        }
        drop(waiting);
        self.ready.notify_one();
    }
}

impl<N: Send> Watcher for Mailbox<N> {
    fn hear(&self, topic: Topic, announced: &Announced) {
        self.take(topic, announced);
    }
}

#[cfg(test)]
mod tests {
    use parlor_api::v1;
    use parlor_store::TenantId;

    use super::*;

    const FEED: Topic = Topic::Feed(TenantId(1));
    const OTHER: Topic = Topic::Feed(TenantId(2));

    fn event(number: i64) -> Announced {
        Announced::new(number, v1::Event { sequence: 1, ..Default::default() })
    }

    fn mailbox_for(events: usize) -> Mailbox<&'static str> {
        Mailbox::new(events * (event(1).bytes + ITEM_OVERHEAD_BYTES))
    }

    fn drain(mailbox: &Mailbox<&'static str>) -> Vec<String> {
        std::iter::from_fn(|| mailbox.pop())
            .map(|item| match item {
                Item::Event(_, announced) => announced.number.to_string(),
                Item::Lagged { head, .. } => format!("lagged to {head}"),
                Item::Note(note) => note.to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_lag_is_counted_once_however_far_it_grows() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let mailbox = mailbox_for(1);
            (1..=5).for_each(|number| mailbox.hear(FEED, &event(number)));
            (1..=5).for_each(|number| mailbox.hear(OTHER, &event(number)));
        });
        let told = recorder.handle().render();
        assert!(told.contains(&format!("{} 2\n", crate::metric::HUB_LAGS)), "{told}");
    }

    #[test]
    fn it_holds_its_bytes_and_the_next_event_is_a_lag_that_grows() {
        let mailbox = mailbox_for(2);
        for number in 1..=2 {
            mailbox.hear(FEED, &event(number));
        }
        assert_eq!(drain(&mailbox), ["1", "2"]);

        for number in 3..=9 {
            mailbox.hear(FEED, &event(number));
        }
        mailbox.note("note");
        assert_eq!(drain(&mailbox), ["3", "4", "lagged to 9", "note"]);

        mailbox.hear(FEED, &event(10));
        assert_eq!(drain(&mailbox), ["10"]);
    }

    #[test]
    fn a_lag_of_one_topic_leaves_room_for_another_once_read() {
        let mailbox = mailbox_for(1);
        mailbox.hear(FEED, &event(1));
        mailbox.hear(FEED, &event(2));
        assert_eq!(mailbox.pop().map(|item| matches!(item, Item::Event(..))), Some(true));
        mailbox.hear(OTHER, &event(1));
        mailbox.hear(FEED, &event(3));
        assert_eq!(drain(&mailbox), ["lagged to 3", "1"]);
    }

    #[test]
    fn a_shut_mailbox_is_empty_and_takes_nothing() {
        let mailbox = mailbox_for(4);
        mailbox.hear(FEED, &event(1));
        mailbox.shut();
        mailbox.hear(FEED, &event(2));
        mailbox.note("note");
        assert!(mailbox.pop().is_none());
        mailbox.open();
        mailbox.hear(FEED, &event(3));
        assert_eq!(drain(&mailbox), ["3"]);
    }
}
