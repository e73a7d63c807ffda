//! One open topic, and the task that keeps it.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parlor_api::v1;
use parlor_store::Millis;
use tokio::sync::{Notify, watch};

use super::{
    announced::{Announced, Began},
    state::State,
    topic::{Topic, Watcher},
};
use crate::{Result, locked::lock, wire};

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

pub(super) struct Live {
    pub head: i64,
    /// For a state, what it is.
    pub state: Option<Box<dyn State>>,
    /// The state as an event, until it changes: everybody who begins meanwhile shares it.
    snapshot: Option<Arc<v1::Event>>,
    watchers: Vec<(u64, Arc<dyn Watcher>)>,
    next_id: u64,
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

    /// Whether heads shall be compared, said once.
    pub fn is_to_compare(&self) -> bool {
        self.compare.swap(false, Ordering::AcqRel)
    }

    pub fn ask_to_compare(&self) {
        self.compare.store(true, Ordering::Release);
        self.poke.notify_one();
    }

    pub fn live(&self) -> MutexGuard<'_, Live> {
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
    pub fn restore(&mut self, head: i64, snapshot: v1::Event) {
        self.head = head;
        if let Some(state) = &mut self.state {
            state.restore(snapshot);
        }
    }

    /// Moves the head to the event and gives it to every watcher.
    pub fn deliver(&mut self, topic: Topic, announced: &Announced) {
        self.head = announced.number;
        self.snapshot = None;
        for (_, watcher) in &self.watchers {
            watcher.hear(topic, announced);
        }
    }

    /// Tells the state as it is now; the time is said of what has just happened.
    pub fn tell_state(&mut self, topic: Topic, number: i64, at: Option<Millis>) {
        let Some(state) = &self.state else { return };
        let event = v1::Event { time: at.map(wire::timestamp), ..state.snapshot(number) };
        self.deliver(topic, &Announced::new(number, event));
    }
}
