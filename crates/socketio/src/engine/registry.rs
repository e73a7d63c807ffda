//! All sessions of an engine by the random part of their sid, their places, and the tasks that bring WebSockets up and
//! down.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{runtime::Handle, task::JoinSet};

use super::{
    beat::Rhythm,
    places::{Place, Places},
    sid::{Key, Sids},
};
use crate::{config::Config, wheel::Wheel};

/// A user whose namespaces are endless (one for each document, say) shares the first only.
const SHARED_NAMES: usize = 64;

/// What all sessions of an engine share.
pub(super) struct Registry<S> {
    pub config: Config,
    pub sids: Sids,
    pub wheel: Wheel,
    sessions: Mutex<HashMap<Key, Arc<S>>>,
    places: Arc<Places>,
    /// The names of namespaces that clients have been let into: nearly always few, each shared by all who are in it.
    names: Mutex<Vec<Arc<str>>>,
    runtime: Handle,
    /// Upgrades and goodbyes under way. Each is bounded in time; closing the engine ends them.
    tasks: Mutex<JoinSet<()>>,
    closed: AtomicBool,
}

impl<S> Registry<S> {
    pub fn new(config: Config, wheel: Wheel) -> Self {
        Self {
            sids: Sids::new(&config.node, config.sid_key),
            places: Places::new(config.sessions_max, config.sessions_per_address),
            names: Mutex::default(),
            config,
            wheel,
            sessions: Mutex::default(),
            runtime: Handle::current(),
            tasks: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub fn rhythm(&self) -> Rhythm {
        let Config { ping_interval: interval, ping_timeout: timeout, .. } = self.config;
        Rhythm { interval, timeout, slot: self.wheel.slot() }
    }

    /// The name, shared with all others who have it.
    pub fn name(&self, namespace: &str) -> Arc<str> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.iter().find(|name| &***name == namespace) {
            return Arc::clone(name);
        }
        let name: Arc<str> = namespace.into();
        if names.len() < SHARED_NAMES {
            names.push(Arc::clone(&name));
        }
        name
    }

    /// A place for one more session of this address.
    pub fn admit(&self, address: Option<IpAddr>) -> Option<Place> {
        self.places.take(address)
    }

    pub fn insert(&self, key: Key, session: Arc<S>) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(key, session);
    }

    pub fn find(&self, key: &Key) -> Option<Arc<S>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn remove(&self, key: &Key) {
        // The last holder must not go while the lock is held.
        let session = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        drop(session);
    }

    pub fn sessions(&self) -> Vec<Arc<S>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Runs a task that ends by itself, unless the engine has closed.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if !self.is_closed() {
            tasks.spawn_on(task, &self.runtime);
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// No session comes in any more.
    pub fn shut(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The tasks that are still under way.
    pub fn take_tasks(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
