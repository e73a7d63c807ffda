//! The internal listener: the core's routes for gateways in other processes, and the core's health.
//!
//! Rights are the core's business: it asks for the edge key.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Router, routing::get};
use http::StatusCode;
use parlor_gateway::listener::{self, Listener, Running};

use super::{Embedded, metrics};

/// A gateway carries all its clients' calls and streams over one connection, each a stream of it.
const STREAMS_MAX: u32 = 100_000;

/// A bound internal listener.
#[derive(Debug)]
pub struct Internal {
    running: Running,
    draining: Arc<AtomicBool>,
    probes: Router,
}

impl Internal {
    /// Binds and serves.
    pub async fn bind(address: SocketAddr, core: &Embedded) -> Result<Self> {
        let options =
            listener::Options { streams_max: STREAMS_MAX, ..listener::Options::new("internal", address) };
        let bound = Listener::bind(options).await;
        let bound = bound.with_context(|| {
            format!("cannot listen on {address} (core.listen); stop who has it, or choose another")
        })?;
        let draining = Arc::new(AtomicBool::new(false));
        let probes = probes(core, Arc::clone(&draining));
        let router = probes.clone().fallback_service(listener::grpc_service(core.service()));
        let running = bound.serve(listener::router_service(router));
        Ok(Self { running, draining, probes })
    }

    /// What probes and collectors ask, for a listener of their own.
    pub fn probes(&self) -> Router {
        self.probes.clone()
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// Takes no new connections and calls, and says so to those who are connected.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.running.drain();
    }

    /// Waits for what is under way, at most for the grace, and cuts the rest.
    pub async fn shutdown(self, grace: Duration) {
        self.running.shutdown(grace).await;
    }
}

fn probes(core: &Embedded, draining: Arc<AtomicBool>) -> Router {
    let core = core.clone();
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(move || ready(core.clone(), draining.load(Ordering::Relaxed))))
        .route("/metrics", get(async || metrics::render()))
}

async fn ready(core: Embedded, draining: bool) -> (StatusCode, &'static str) {
    if draining {
        return (StatusCode::SERVICE_UNAVAILABLE, "going away\n");
    }
    match core.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        // What exactly is wrong is in the log; this is read by strangers.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not serve\n"),
    }
}
