//! Socket.IO on a listener: one engine for each path that the listener's dialects ask for, and in it one namespace for
//! each mount.
//!
//! A client of `http://host/support` asks for the namespace `/support`, because its library reads the path of the URL as
//! one; a mount at the root of a listener is the namespace `/` there.

use std::{net::IpAddr, sync::Arc};

use axum::{body::Body, extract::Request};
use http::{Response, StatusCode, header};
use parlor_socketio::{Config, Connection, Engine, Handler, Reason, UPGRADE_TIMEOUT};
use tokio::time::Instant;

use crate::{
    edge::Edge,
    mounted::Mounted,
    transport::{listener::take_apart, origin, plain},
};

mod mounts;
mod namespace;
mod task;

use mounts::Mounts;

/// The engines of one listener.
#[derive(Clone)]
pub(crate) struct Engines(Arc<[Served]>);

struct Served {
    edge: Arc<Edge>,
    engine: Engine<Door>,
    mounts: Arc<Mounts>,
}

/// Gives every new connection its task.
struct Door {
    edge: Arc<Edge>,
    mounts: Arc<Mounts>,
}

impl Engines {
    /// The engines that these mounts need; `mounts` are those of one listener, the ones that win first. Each engine has at
    /// most so many sessions.
    pub fn new(edge: &Arc<Edge>, mounts: &[Mounted], sessions_max: usize) -> Self {
        let mut paths: Vec<&'static str> = Vec::new();
        for path in mounts.iter().filter_map(|mounted| mounted.dialect.wire().carriers.socketio) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Self(paths.into_iter().map(|path| Served::new(edge, path, mounts, sessions_max)).collect())
    }

    /// Answers a request that is for one of the engines; gives it back if it is not.
    pub async fn serve(&self, request: Request, peer: Option<IpAddr>) -> Result<Response<Body>, Request> {
        let Some(served) = self.0.iter().find(|served| served.engine.matches(request.uri())) else {
            return Err(request);
        };
        let upgrades = request.headers().contains_key(header::UPGRADE);
        if upgrades && !served.mounts.may_come(request.headers()) {
            for mounted in served.mounts.all() {
                origin::refused(&served.edge, mounted, request.headers());
            }
            return Ok(plain(StatusCode::FORBIDDEN, "this origin may not open a socket here\n"));
        }
        let response = served.engine.serve(request, peer).await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            served.refused(peer);
        }
        Ok(response.map(Body::new))
    }

    /// Ends every connection: the server goes down, and clients may come back.
    pub async fn close(&self) {
        for served in &*self.0 {
            served.engine.close(Reason::ServerShuttingDown).await;
        }
    }
}

impl Served {
    fn new(edge: &Arc<Edge>, path: &'static str, mounts: &[Mounted], sessions_max: usize) -> Self {
        let mounts = Arc::new(Mounts::new(path, mounts));
        let config = Config {
            // An upgrade may come before the client can say what it wants.
            connect_timeout: edge.limits.join_timeout + UPGRADE_TIMEOUT,
            message_timeout: edge.limits.message_timeout,
            max_event: mounts.max_event(),
            sessions_max,
            sessions_per_address: edge.limits.sessions_per_address,
            ping_interval: edge.limits.ping_interval,
            ping_timeout: edge.limits.ping_timeout,
            outbox_bytes: edge.limits.outbox_bytes,
            allow_v3: true,
            cors: mounts.cors(),
            node: edge.node.clone(),
            sid_key: edge.sid_key,
            take_apart,
            ..Config::new(path)
        };
        let door = Door { edge: Arc::clone(edge), mounts: Arc::clone(&mounts) };
        let engine = Engine::with_wheel(config, door, edge.wheel.clone());
        Self { edge: Arc::clone(edge), engine, mounts }
    }

    /// A client found no place.
    fn refused(&self, address: Option<IpAddr>) {
        if let Some(times) = self.edge.seldom.is_time("socket.io", "sessions", Instant::now()) {
            tracing::warn!(
                ?address,
                times,
                "sessions are refused: their address has all it may (sessions_per_address), or all have (connections_max)"
            );
        }
    }
}

impl Handler for Door {
    fn connected(&self, connection: Connection) {
        let (edge, mounts) = (Arc::clone(&self.edge), Arc::clone(&self.mounts));
        let aborted = edge.aborted.clone();
        let mut task = task::Task::new(edge, mounts, connection);
        // In a box of its own, and run in place: a future that is moved about holds room for it several times.
        let running = Box::pin(async move { task.run().await });
        self.edge.tasks.spawn(async move {
            tokio::select! {
                () = running => {}
                () = aborted.cancelled() => {}
            }
        });
    }
}
