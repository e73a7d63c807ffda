//! A running gateway: started from plain options, asked for the router of each listener, shut down in order.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use axum::Router;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_api::places::Places;
use parlor_socketio::wheel::Wheel;
use sha2::Sha256;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::metadata::MetadataValue;

use crate::{
    backend::Backend,
    call::Calls,
    derived::Rounds,
    edge::{Edge, Limits, Metrics, Now, RestLimits},
    link::Link,
    mount::Mount,
    mounted::Mounted,
    registry,
    seldom::Seldom,
    transport::{
        front,
        listener::{self, Listener, Running},
        socketio::Engines,
    },
};

/// What a gateway is told.
#[derive(Clone)]
pub struct Options {
    /// Its name, stable over restarts.
    pub name: String,
    /// Proves to the core that a gateway calls.
    pub edge_key: String,
    pub mounts: Vec<Mount>,
    pub limits: Limits,
    pub now: Now,
    /// What `/metrics` answers; nothing is served there without it.
    pub metrics: Option<Metrics>,
    /// Whether the public may ask by gRPC reflection what there is.
    pub reflection: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mounts: Vec<_> = self.mounts.iter().map(|mount| &mount.name).collect();
        formatter
            .debug_struct("Options")
            .field("name", &self.name)
            .field("mounts", &mounts)
            .finish_non_exhaustive()
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("mount \"{mount}\" names dialect \"{dialect}\", which there is none of")]
    UnknownDialect { mount: String, dialect: String },
    #[error("the edge key has characters that a header cannot carry")]
    EdgeKey,
    #[error("mounts \"{first}\" and \"{second}\" are at the same place")]
    SamePlace { first: String, second: String },
}

/// A running gateway.
pub struct Gateway {
    edge: Arc<Edge>,
    mounts: Vec<Mounted>,
    metrics: Option<Metrics>,
    link_tasks: TaskTracker,
    link_stop: CancellationToken,
    listeners: Mutex<HashMap<String, Running>>,
    engines: Mutex<Vec<Engines>>,
}

impl Gateway {
    /// Starts the link and makes the gateway ready to serve.
    ///
    /// # Errors
    /// If a mount names a dialect that does not exist or the place of another mount, or the edge key is no header.
    pub fn start(options: Options, backend: Backend) -> Result<Self, Error> {
        let mounts = mounted(options.mounts)?;
        let edge_key = MetadataValue::try_from(&options.edge_key).map_err(|_invalid| Error::EdgeKey)?;
        let deadline = options.limits.call_deadline;
        let calls = Calls { backend, edge_key, deadline };
        let epoch = uuid::Uuid::now_v7().simple().to_string();
        let (link_tasks, link_stop) = (TaskTracker::new(), CancellationToken::new());
        let link = Link::start(&options.name, &epoch, calls.clone(), &link_tasks, link_stop.clone());
        let wheel = Wheel::new(options.limits.ping_interval.min(options.limits.ping_timeout));
        let tasks = TaskTracker::new();
        let edge = Edge {
            lists: Rounds::new(calls.clone(), tasks.clone()),
            rest_limits: RestLimits::new(options.limits.rest_requests, options.limits.rest_window),
            seldom: Seldom::default(),
            calls_of: Places::new(options.limits.calls_per_address),
            reflection: options.reflection,
            exchanges: Arc::new(Semaphore::new(options.limits.exchanges)),
            limits: options.limits,
            calls,
            link,
            now: options.now,
            tasks,
            draining: CancellationToken::new(),
            aborted: CancellationToken::new(),
            prefix: format!("{}.{epoch}", options.name),
            connections: AtomicU64::new(1),
            node: options.name,
            sid_key: sid_key(&options.edge_key),
            wheel,
        };
        Ok(Self {
            edge: Arc::new(edge),
            mounts,
            metrics: options.metrics,
            link_tasks,
            link_stop,
            listeners: Mutex::default(),
            engines: Mutex::default(),
        })
    }

    /// Everything this gateway serves on a listener. Routes that are added to it go first.
    pub fn router(&self, listener: &Listener) -> Router {
        let mounts = front::places(&self.mounts, listener.name());
        let engines = Engines::new(&self.edge, &mounts, listener.connections_max());
        self.engines.lock().expect("nothing panics while it holds the engines").push(engines.clone());
        front::router(&self.edge, mounts, engines, self.metrics.clone())
    }

    /// What probes and collectors ask, for a listener that clients do not reach.
    pub fn probes(&self, metrics: Metrics) -> Router {
        front::probes(&self.edge, Some(metrics))
    }

    /// Serves a bound listener with its router, until the gateway shuts down.
    pub fn serve(&self, listener: Listener, router: Router) -> SocketAddr {
        let address = listener.address();
        let name = listener.name().to_owned();
        let running = listener.serve(listener::router_service(router));
        self.lock().insert(name, running);
        address
    }

    /// Where a listener is bound.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.lock().get(listener).map(Running::address)
    }

    /// Follows whether the core answers.
    pub fn linked(&self) -> watch::Receiver<bool> {
        self.edge.link.watch()
    }

    /// How many connections and calls are under way.
    pub fn tasks(&self) -> usize {
        self.edge.tasks.len()
    }

    /// Ends in order: listeners take nothing new and say so, sockets say goodbye with a reason, what is under way has
    /// `grace` to finish, and what is left then is dropped.
    pub async fn shutdown(&self, grace: Duration) {
        let running: Vec<Running> = self.lock().drain().map(|(_, running)| running).collect();
        running.iter().for_each(Running::drain);
        self.edge.draining.cancel();
        self.edge.tasks.close();
        let engines =
            std::mem::take(&mut *self.engines.lock().expect("nothing panics while it holds the engines"));
        let closed = futures::future::join_all(engines.iter().map(Engines::close));
        let connections = futures::future::join_all(running.iter().map(|running| running.shutdown(grace)));
        let sockets = tokio::time::timeout(grace, self.edge.tasks.wait());
        let (_, finished, _) = tokio::join!(connections, sockets, closed);
        if finished.is_err() {
            tracing::warn!(left = self.edge.tasks.len(), "connections did not end in time");
        }
        self.edge.aborted.cancel();
        self.edge.tasks.wait().await;
        self.link_stop.cancel();
        self.link_tasks.close();
        self.link_tasks.wait().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Running>> {
        self.listeners.lock().expect("nothing panics while it holds the listeners")
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").field("mounts", &self.mounts.len()).finish_non_exhaustive()
    }
}

impl Drop for Gateway {
    /// A gateway that is not shut down still takes its tasks with it.
    fn drop(&mut self) {
        self.edge.aborted.cancel();
        self.link_stop.cancel();
    }
}

/// The key of what clients are given to come back with: the same on every gateway that has the edge key.
fn sid_key(edge_key: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(edge_key.as_bytes()).expect("any length is a key");
    mac.update(b"parlor: session ids of engine.io");
    mac.finalize().into_bytes().into()
}

fn mounted(mounts: Vec<Mount>) -> Result<Vec<Mounted>, Error> {
    let mut found: Vec<Mounted> = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let Some(dialect) = registry::find(&mount.dialect) else {
            return Err(Error::UnknownDialect { mount: mount.name, dialect: mount.dialect });
        };
        let same = |other: &&Mounted| {
            let listeners = (&other.mount.listener, &mount.listener);
            other.mount.prefix == mount.prefix && (listeners.0 == listeners.1)
        };
        if let Some(other) = found.iter().find(same) {
            return Err(Error::SamePlace { first: other.mount.name.clone(), second: mount.name });
        }
        found.push(Mounted { mount: Arc::new(mount), dialect });
    }
    Ok(found)
}
