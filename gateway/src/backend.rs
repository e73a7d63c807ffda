//! The way to the core: the inner service of every generated client, and of the public gRPC port.
//!
//! It is the core's own routes where both run in one process, and a channel where they do not. Nothing above this file
//! knows which; context crosses as metadata only.

use std::time::Duration;

use parlor_api::{limits::ANSWER_BYTES, v1::edge_service_client::EdgeServiceClient};
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{BoxError, ServiceExt as _, util::BoxCloneSyncService};

/// What the core's routes and a channel both are.
pub type Service = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

/// The same, with its errors told as a call's are.
pub(crate) type Inner = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// A core that does not answer a connect within this is away; calls say so rather than hang.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often an idle channel asks whether the other side lives, and how long it waits for the answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What the core may send of the link or an answer before it is asked for: enough for a fast network between them.
const EDGE_WINDOW: u32 = 256 * 1024;

/// The same for a native client's stream. It waits in this gateway while that client does not read.
const PUBLIC_WINDOW: u32 = 64 * 1024;

/// What all streams of a channel may have waiting together: the most there is, so that the streams of clients that do
/// not read never stop the others. Each is bounded by its own window, and their number by the core's listener.
const CHANNEL_WINDOW: u32 = (1 << 31) - 1;

/// The core, wherever it runs.
#[derive(Clone)]
pub struct Backend {
    /// Where the gateway's own calls go.
    pub(crate) service: Inner,
    /// Where the calls of native clients go, passed on as they are.
    pub(crate) public: Inner,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Backend")
    }
}

impl Backend {
    /// The core in this process.
    #[must_use]
    pub fn local(service: Service) -> Self {
        let service = BoxCloneSyncService::new(service.map_err(Status::from_error));
        Self { public: service.clone(), service }
    }

    /// A core elsewhere, by the address of its internal listener. Connects when first needed, and again after a loss.
    /// What native clients do has a connection of its own: however many streams they hold, the link has room.
    ///
    /// # Errors
    /// If the address is not a URL.
    pub fn connect(url: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_connection_window_size(CHANNEL_WINDOW);
        let channel = |window| inner(endpoint.clone().initial_stream_window_size(window).connect_lazy());
        Ok(Self { service: channel(EDGE_WINDOW), public: channel(PUBLIC_WINDOW) })
    }

    pub(crate) fn edge(&self) -> EdgeServiceClient<Inner> {
        EdgeServiceClient::new(self.service.clone()).max_decoding_message_size(ANSWER_BYTES)
    }
}

fn inner(channel: Channel) -> Inner {
    BoxCloneSyncService::new(channel.map_err(|error| Status::from_error(error.into())))
}
