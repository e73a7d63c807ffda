//! A TCP port that speaks HTTP/1.1, HTTP/2 and WebSocket upgrades, with or without TLS. The public ports of a gateway
//! and the internal port of a core are both one of these.
//!
//! It owns every task of its connections. At the end it stops taking connections, tells those it has (GOAWAY, or
//! `connection: close`), gives what is under way a grace, and then drops the rest.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, rt::Executor};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;
use tower::{ServiceExt as _, util::BoxCloneSyncService};

pub(crate) use self::apart::take_apart;
pub use self::place::Place;
use self::{
    guarded::{Begun, Guarded},
    place::{Full, Places},
};
pub use crate::transport::tls::Tls;
use crate::{backend, transport::tls::Certificate};

mod apart;
mod guarded;
mod place;

/// What a listener serves.
pub type Service = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// The head of a request arrives within this, or the connection is closed.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A TLS handshake ends within this; it is a few round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of one listener, half of what a process of 20,000 files could hold with both ends on one machine.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Connections of one address, or network of IPv6: an office behind one address has fewer, and ten such cannot fill a
/// listener.
pub const CONNECTIONS_PER_ADDRESS: usize = 1_000;

/// Streams of one HTTP/2 connection: a native client holds a few long ones and calls beside them. A gateway carries all
/// its clients over one connection, so the internal listener of a core allows more.
pub const STREAMS_MAX: u32 = 250;

/// A head of this size passes, cookies and tokens many times over. HTTP/1 reads ahead: it refuses at three times this at
/// the latest.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What may come of one stream before it is asked for. A request is rarely longer, and who does not read a stream holds
/// up to so much of it in memory.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The most that HTTP/2 allows a connection (RFC 9113 section 6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// A client that takes nothing for so long, while something is to be written, is gone. Longer than a socket's own
/// time-out, which has words for it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// After an error of accept itself (no more file handles), it is tried again after this.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// While no place is free, it refuses one in so long: whoever comes back at once takes no more of the processor than that.
const REFUSE_AGAIN: Duration = Duration::from_millis(1);

/// What a listener is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names it in logs, metrics and mounts.
    pub name: String,
    /// Where to listen; port 0 for any that is free.
    pub address: SocketAddr,
    pub tls: Option<Tls>,
    /// Proxies whose word on a client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    pub header_timeout: Duration,
    pub write_timeout: Duration,
    pub connections_max: usize,
    /// Of one address that is no proxy; 0 for no limit.
    pub connections_per_address: usize,
    /// Calls and streams that one HTTP/2 connection may have at a time.
    pub streams_max: u32,
}

impl Options {
    /// A listener with the defaults.
    #[must_use]
    pub fn new(name: &str, address: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            address,
            tls: None,
            trusted_proxies: Vec::new(),
            header_timeout: HEADER_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            connections_max: CONNECTIONS_MAX,
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            streams_max: STREAMS_MAX,
        }
    }
}

/// Where a request came from; an extension of every request.
#[derive(Clone, Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    pub proxies: Arc<[IpNet]>,
    /// Its place among the listener's connections, which an upgraded one keeps.
    pub place: Arc<Place>,
}

/// A bound port that serves nothing yet.
#[derive(Debug)]
pub struct Listener {
    options: Options,
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Certificate>,
}

impl Listener {
    /// Binds the port and reads the certificate.
    ///
    /// # Errors
    /// If the port is taken, or the certificate cannot be read.
    pub async fn bind(options: Options) -> io::Result<Self> {
        let tls = match &options.tls {
            Some(files) => Some(Certificate::read(files.clone()).await?),
            None => None,
        };
        let socket = TcpListener::bind(options.address).await?;
        let address = socket.local_addr()?;
        Ok(Self { options, socket, address, tls })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has at the same time, at most.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.options.connections_max
    }

    /// Serves until [`Running::shutdown`].
    #[must_use]
    pub fn serve(self, service: Service) -> Running {
        let running = Running {
            address: self.address,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            aborted: CancellationToken::new(),
        };
        let http = builder(&running.tasks, &self.options);
        let (name, proxies): (Arc<str>, Arc<[IpNet]>) =
            (self.options.name.into(), self.options.trusted_proxies.into());
        let (most, of_address) = (self.options.connections_max, self.options.connections_per_address);
        let port = Port {
            places: Places::new(Arc::clone(&name), most, of_address, Arc::clone(&proxies)),
            http,
            proxies,
            header_timeout: self.options.header_timeout,
            write_timeout: self.options.write_timeout,
            name,
            tls: self.tls,
            service,
            running: running.clone(),
        };
        running.tasks.spawn(accept(self.socket, port));
        running
    }
}

/// A router as a listener's service.
pub fn router_service(router: Router) -> Service {
    BoxCloneSyncService::new(router.into_service::<Body>())
}

/// The routes of a core as a listener's service.
#[must_use]
pub fn grpc_service(service: backend::Service) -> Service {
    BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Body>| {
        let served = service.clone().oneshot(request.map(tonic::body::Body::new));
        async move {
            let response = served.await.unwrap_or_else(|error| Status::from_error(error).into_http());
            Ok(response.map(Body::new))
        }
    }))
}

/// A port that serves.
#[derive(Clone, Debug)]
pub struct Running {
    address: SocketAddr,
    tasks: TaskTracker,
    draining: CancellationToken,
    aborted: CancellationToken,
}

impl Running {
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open, upgraded ones not counted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.tasks.len()
    }

    /// Takes no more connections, and tells those there are.
    pub fn drain(&self) {
        self.draining.cancel();
        self.tasks.close();
    }

    /// Drains, waits for what is under way, and drops what is left after `grace`.
    pub async fn shutdown(&self, grace: Duration) {
        self.drain();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(address = %self.address, left = self.tasks.len(), "connections are dropped");
            self.aborted.cancel();
            self.tasks.wait().await;
        }
    }
}

/// What every connection of a port needs.
struct Port {
    name: Arc<str>,
    places: Places,
    proxies: Arc<[IpNet]>,
    http: Builder<Tracked>,
    header_timeout: Duration,
    write_timeout: Duration,
    tls: Option<Certificate>,
    service: Service,
    running: Running,
}

async fn accept(socket: TcpListener, port: Port) {
    let port = Arc::new(port);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = port.running.draining.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => match port.places.take(peer.ip()) {
                Ok(place) => take(&port, stream, peer, place),
                // Closed at once, so that its client can go elsewhere.
                Err(Full::OfAddress) => drop(stream),
                Err(Full::OfAll) => {
                    drop(stream);
                    tokio::time::sleep(REFUSE_AGAIN).await;
                }
            },
            Err(error) => {
                tracing::warn!(listener = %port.name, %error, "accept failed");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
        // Whatever is ready to run goes first. However many connect at once, they come in only as fast as those who are there
        // are served, and the rest wait with the kernel.
        tokio::task::yield_now().await;
    }
}

/// Serves a connection that has its place.
fn take(port: &Arc<Port>, stream: TcpStream, peer: SocketAddr, place: Place) {
    let connection = Connection { peer, proxies: Arc::clone(&port.proxies), place: Arc::new(place) };
    let (port, aborted) = (Arc::clone(port), port.running.aborted.clone());
    port.running.tasks.clone().spawn(async move {
        tokio::select! {
            () = open(&port, stream, connection) => {}
            () = aborted.cancelled() => {}
        }
    });
}

async fn open(port: &Port, stream: TcpStream, connection: Connection) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let Some(certificate) = &port.tls else { return serve(port, stream, connection).await };
    let handshake = async { certificate.acceptor().await.accept(stream).await };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => serve(port, stream, connection).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_elapsed) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn serve<S>(port: &Port, stream: S, connection: Connection)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let begun = Arc::new(Begun::default());
    let place = Arc::clone(&connection.place);
    let stream = Guarded::new(stream, Arc::clone(&begun), place, port.write_timeout);
    let service = hyper::service::service_fn({
        let (service, begun) = (port.service.clone(), Arc::clone(&begun));
        move |request: http::Request<Incoming>| {
            begun.requested();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(connection.clone());
            service.clone().oneshot(request)
        }
    });
    let serving = port.http.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let begins = tokio::time::sleep(port.header_timeout);
    tokio::pin!(begins);
    let (mut draining, mut beginning) = (false, true);
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(error, "a connection broke");
                }
                return;
            }
            () = port.running.draining.cancelled(), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
            () = begins.as_mut(), if beginning => {
                beginning = false;
                if begun.is_silent() {
                    return;
                }
            }
        }
    }
}

/// The header time-out of hyper begins when it knows the version; until then a silent client is watched here.
fn builder(tasks: &TaskTracker, options: &Options) -> Builder<Tracked> {
    let mut builder = Builder::new(Tracked(tasks.clone()));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(options.streams_max)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        // Room for all streams at once: one that nobody reads must not stop the others of its connection.
        .initial_connection_window_size(options.streams_max.saturating_mul(STREAM_WINDOW).min(WINDOW_MAX));
    builder
}

/// Runs what HTTP/2 needs beside the connection where it is waited for.
#[derive(Clone, Debug)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
