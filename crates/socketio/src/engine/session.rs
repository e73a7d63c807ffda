//! One Engine.IO session: who writes to its client, when it is dead, and how it ends.
//!
//! Rules: packets leave in the order in which they were given, across the upgrade too; the first reason of an end stays;
//! an end is told to whoever waits. The lock is held for a write that does not wait, never across an await.

mod end;
mod send;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    beat::Beat, piece::Form, places::Place, registry::Registry, sid::Key, told::Told, transport::Transport,
};
use crate::{config::Config, reason::Reason, websocket::Sender};

/// See the module.
pub(crate) struct Session {
    pub(super) registry: Arc<Registry<Session>>,
    pub(super) key: Key,
    /// Engine.IO 3. It stays so, and is known without the lock.
    pub v3: bool,
    /// Whether its user listens; one who does not is the reason that no pong is read.
    pub attended: AtomicBool,
    _place: Place,
    state: Mutex<State>,
}

pub(super) struct State {
    pub transport: Transport,
    pub beat: Beat,
    /// Until then it must be of use to somebody.
    pub connect_by: Option<Instant>,
    /// Since when it owes the rest of what it has begun to send.
    pub unfinished: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        registry: Arc<Registry<Session>>,
        place: Place,
        form: Form,
        socket: Option<Sender>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let beat = Beat::new(form.v3, now, registry.rhythm());
        let connect_by = now + registry.config.connect_timeout;
        let transport = Transport::new(form, socket, registry.config.outbox_bytes);
        let state = State { transport, beat, connect_by: Some(connect_by), unfinished: None };
        let session = Arc::new(Self {
            key: rand::random(),
            v3: form.v3,
            attended: AtomicBool::new(false),
            _place: place,
            state: Mutex::new(state),
            registry,
        });
        session.registry.insert(session.key, Arc::clone(&session));
        let first = beat.next(now).min(connect_by).min(now + session.config().message_timeout);
        session.registry.wheel.add(&session, first);
        if session.registry.is_closed() {
            // It came in while all others were ended.
            session.end(Reason::ServerShuttingDown, Told::AfterAll);
        }
        session
    }

    /// What the engine was told, and its limits.
    pub fn config(&self) -> &Config {
        &self.registry.config
    }

    /// The name of a namespace, shared with all who are in it.
    pub fn name(&self, namespace: &str) -> Arc<str> {
        self.registry.name(namespace)
    }

    /// The packet that opens the session: what the client must know of the server.
    pub fn open_packet(&self, upgrade: bool) -> Bytes {
        let config = &self.registry.config;
        let upgrades = if upgrade { "\"websocket\"" } else { "" };
        let open = format!(
            "0{{\"sid\":\"{}\",\"upgrades\":[{upgrades}],\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            self.registry.sids.write(&self.key),
            config.ping_interval.as_millis(),
            config.ping_timeout.as_millis(),
            config.max_payload,
        );
        open.into()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No state is left half changed by anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ended(&self) -> Option<Reason> {
        self.lock().transport.ended
    }

    /// The client has answered a ping, or sent one.
    pub fn alive(&self) {
        let now = Instant::now();
        self.lock().beat.alive(now, self.registry.rhythm());
    }

    /// The client has sent a packet.
    pub fn heard(&self) {
        self.lock().beat.heard(Instant::now, self.registry.rhythm());
    }

    /// It is of use: it need not hurry any more, and may send what others may.
    pub fn settle(&self) {
        self.lock().connect_by = None;
    }

    /// The largest message or payload that is taken of it.
    pub fn largest(&self) -> usize {
        let config = self.config();
        let is_settled = self.lock().connect_by.is_none();
        if is_settled { config.max_payload } else { config.connect_bytes.min(config.max_payload) }
    }

    /// The client has begun to send something, or has sent all of it.
    pub fn owes(&self, rest: bool) {
        self.lock().unfinished = rest.then(Instant::now);
    }
}
