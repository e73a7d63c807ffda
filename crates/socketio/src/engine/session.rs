//! One Engine.IO session: who writes to its client, when it is dead, and how it ends.
//!
//! Rules: packets leave in the order in which they were given, across the upgrade too; the first reason of an end stays;
//! an end is told to whoever waits. The lock is held for a write that does not wait, never across an await.

mod end;
mod send;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    task::Context,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    beat::Beat,
    polling::Polling,
    registry::{Admission, Registry},
    sid::Key,
    told::Told,
};
use crate::{config::Config, reason::Reason, websocket::Sender};

/// See the module.
pub(crate) struct Session {
    pub(super) registry: Arc<Registry<Session>>,
    pub(super) key: Key,
    /// Engine.IO 3.
    pub v3: bool,
    /// Whether its user listens; one who does not is the reason that no pong is read.
    pub attended: AtomicBool,
    _admission: Admission,
    state: Mutex<State>,
}

pub(super) struct State {
    pub ended: Option<Reason>,
    pub socket: Option<Sender>,
    /// The client wants bytes as base64: said for polling and for the WebSocket separately.
    pub base64: bool,
    /// Polling, and what is left of it after the upgrade until the user has read it. What only polling needs is in there:
    /// most clients are WebSockets at rest.
    pub polling: Option<Box<Polling>>,
    pub beat: Beat,
    /// Until then it must be of use to somebody.
    pub connect_by: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        registry: Arc<Registry<Session>>,
        admission: Admission,
        (v3, base64): (bool, bool),
        socket: Option<Sender>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let beat = Beat::new(v3, now, registry.rhythm());
        let connect_by = now + registry.config.connect_timeout;
        let state = State {
            ended: None,
            polling: socket.is_none().then(Box::default),
            socket,
            base64,
            beat,
            connect_by: Some(connect_by),
        };
        let session = Arc::new(Self {
            key: rand::random(),
            v3,
            attended: AtomicBool::new(false),
            _admission: admission,
            state: Mutex::new(state),
            registry,
        });
        session.registry.insert(session.key, Arc::clone(&session));
        session.registry.wheel.add(&session, beat.next(now).min(connect_by));
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
        self.lock().ended
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

    /// It is of use: it need not hurry any more.
    pub fn settle(&self) {
        self.lock().connect_by = None;
    }
}

impl State {
    /// Wakes the user's task when there is something.
    pub fn await_polling(&mut self, cx: &Context<'_>) {
        if let Some(polling) = &mut self.polling {
            polling.reader = Some(cx.waker().clone());
        }
    }
}
