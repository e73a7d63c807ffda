//! Gateways: one `Link` stream each, on an internal listener and behind a key of its own.
//!
//! A gateway attaches its connections, subscribes topics on their behalf and is told of everything once for each topic.
//! [`gateway`] keeps one gateway's connections and subscriptions over the life of its epoch. What stands lower knows nothing
//! of what stands above it:
//!
//! ```text
//! gateway                            one task: carries out commands, records what they came to
//! attach, hear, fetch                what a command does before that: everything that waits for something
//! shared                             what the tasks of all gateways need
//! topics, registry                   who hears what; where a returning gateway finds its task
//! connection                         what is known of one connection
//! queue, past, stream                what waits for a gateway; what a connection may have missed; requests and responses
//! ```
//!
//! # Rules
//!
//! - Identity is resolved here: a gateway passes on what a client showed and is told who that is.
//! - A subscription is authorised for the connection that asks, and ends with the rights of that connection.
//! - A paused gateway delays nobody: its queue is bounded and what does not fit becomes a lag of its topic.
//! - A broken link is the failure of that gateway only. Its place stands for the lease; then its connections are gone.

mod attach;
mod connection;
mod fetch;
mod gateway;
mod hear;
mod past;
mod queue;
mod registry;
mod shared;
mod stream;
mod topics;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use parlor_api::v1::{self, link_request::Command};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

pub use self::{past::Past, shared::Options};
use self::{
    registry::Registry,
    shared::Shared,
    stream::{Requests, Responses, check_name},
};
use crate::{
    Error, Result, auth::Auth, caller::Caller, chat::find::Finder, hub::Hub, presence::Presence,
    subject::Subjects,
};

/// The links of this core. Cloning is cheap.
#[derive(Clone)]
pub struct Edge {
    shared: Arc<Shared>,
}

impl Edge {
    /// Serves gateways with these rules.
    pub fn new(
        options: Options,
        chat: Finder,
        presence: Presence,
        hub: Hub,
        rights: Arc<Auth>,
        past: Past,
        subjects: Subjects,
    ) -> Self {
        let (registry, tasks, stop) = (Registry::default(), TaskTracker::new(), CancellationToken::new());
        let shared = Shared { options, chat, presence, hub, rights, past, subjects, registry, tasks, stop };
        Self { shared: Arc::new(shared) }
    }

    /// The service, to be mounted.
    #[must_use]
    pub fn service(&self) -> v1::edge_service_server::EdgeServiceServer<Self> {
        v1::edge_service_server::EdgeServiceServer::new(self.clone())
    }

    /// Tells every gateway that this core goes down, and for how long it still serves.
    pub fn drain(&self, grace: Duration) {
        self.shared.registry.drain(grace);
    }

    /// Ends every link. Presence is left as it is: whoever comes back within the linger never left.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// How many gateways are known, for metrics.
    #[must_use]
    pub fn gateways(&self) -> usize {
        self.shared.registry.len()
    }

    async fn open(&self, caller: &Caller, mut requests: Requests) -> Result<Responses> {
        caller.require_edge()?;
        if self.shared.stop.is_cancelled() {
            return Err(Error::TryAgain);
        }
        let first = tokio::time::timeout(self.shared.options.lease, requests.next()).await;
        let Ok(Some(Ok(v1::LinkRequest { command: Some(Command::Hello(hello)), .. }))) = first else {
            return Err(Error::field("hello", "must be the first command"));
        };
        check_name("hello.gateway", &hello.gateway)?;
        check_name("hello.epoch", &hello.epoch)?;
        gateway::link(&self.shared, hello, requests).await
    }
}

#[tonic::async_trait]
impl v1::edge_service_server::EdgeService for Edge {
    type LinkStream = Responses;

    async fn link(
        &self,
        request: Request<Streaming<v1::LinkRequest>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.open(&caller, request.into_inner().boxed()).await?))
    }
}

#[cfg(test)]
mod tests;
