//! What all connections of a running gateway share.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parlor_api::places::Places;
use parlor_socketio::wheel::Wheel;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::rest_limits::RestLimits;
use crate::{call::Calls, derived::Rounds, link::Link, outbox::OUTBOX_BYTES, seldom::Seldom};

mod rest_limits;

/// The time of day, as the program's clock has it.
pub type Now = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// Writes the metrics of the whole program as text.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What one client may take of the gateway. The defaults are the named constants, with their reasons.
#[derive(Clone, Debug)]
pub struct Limits {
    /// What may wait for one connection.
    pub outbox_bytes: usize,
    /// A client that takes nothing for so long is gone.
    pub write_timeout: Duration,
    /// How long a reply may wait for events that are to leave before it.
    pub reply_hold: Duration,
    /// The core answers a call within this.
    pub call_deadline: Duration,
    /// How long a client may take to say who it is.
    pub join_timeout: Duration,
    /// What has begun to come is whole within this: a message in fragments, a packet with its attachments.
    pub message_timeout: Duration,
    /// Sessions of Socket.IO of one address; 0 for no limit.
    pub sessions_per_address: usize,
    /// gRPC calls of one address that may be unanswered; 0 for no limit.
    pub calls_per_address: usize,
    /// REST requests under way at a time, of all clients.
    pub exchanges: usize,
    /// REST requests of one address in a window of time; 0 for no limit.
    pub rest_requests: u32,
    pub rest_window: Duration,
    /// How long a socket may be silent before it is asked whether it lives.
    pub ping_interval: Duration,
    /// How long it may then stay silent.
    pub ping_timeout: Duration,
}

/// A client that reads nothing for so long, while something waits, is not merely slow.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A front-end says who it is as soon as its socket is open; a slow mobile line takes two seconds for that.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest there is takes ten seconds over a slow mobile line.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// As many as connections of one address: a session by polling has none of its own.
pub const SESSIONS_PER_ADDRESS: usize = 1_000;

/// Long enough for a fetch over a slow link, short enough that a person who waits does not repeat.
pub const REPLY_HOLD: Duration = Duration::from_secs(2);

/// A tenth of what the core works on at a time: a server behind one address has fewer, and one address fills nothing.
pub const CALLS_PER_ADDRESS: usize = 1_000;

/// Each holds a body of at most 64 KiB and asks the core; more than these at a time would only wait for each other. A
/// client that leaves does not end its exchange, so connections do not bound them.
pub const EXCHANGES: usize = 4_096;

/// What the legacy servers allow one address: 1,000 requests in a quarter of an hour.
pub const REST_REQUESTS: u32 = 1_000;
pub const REST_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Below the minute after which proxies and mobile networks drop a silent connection.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

impl Limits {
    /// How long nothing was heard of a client that was found to be silent, or to take nothing.
    #[must_use]
    pub fn silence(&self, silent: bool) -> Duration {
        if silent { self.ping_interval + self.ping_timeout } else { Duration::ZERO }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            outbox_bytes: OUTBOX_BYTES,
            write_timeout: WRITE_TIMEOUT,
            reply_hold: REPLY_HOLD,
            call_deadline: crate::call::CALL_DEADLINE,
            join_timeout: JOIN_TIMEOUT,
            message_timeout: MESSAGE_TIMEOUT,
            sessions_per_address: SESSIONS_PER_ADDRESS,
            calls_per_address: CALLS_PER_ADDRESS,
            exchanges: EXCHANGES,
            rest_requests: REST_REQUESTS,
            rest_window: REST_WINDOW,
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
        }
    }
}

/// The shared parts.
pub(crate) struct Edge {
    pub limits: Limits,
    pub calls: Calls,
    pub link: Link,
    /// The lists that are about to be sent unasked.
    pub lists: Rounds,
    pub rest_limits: RestLimits,
    /// What was said lately of those who are not let in.
    pub seldom: Seldom,
    /// The gRPC calls that addresses have under way.
    pub calls_of: Arc<Places<IpAddr>>,
    /// gRPC reflection is served to the public.
    pub reflection: bool,
    /// The places of REST requests under way.
    pub exchanges: Arc<Semaphore>,
    pub now: Now,
    /// Owns every task of a connection and every call.
    pub tasks: TaskTracker,
    /// Sockets say goodbye.
    pub draining: CancellationToken,
    /// Whatever is left is dropped.
    pub aborted: CancellationToken,
    /// What the names of connections begin with; no other gateway and no other start has the same.
    pub prefix: String,
    pub connections: AtomicU64,
    /// This gateway's name, and the key that authenticates what its clients are given to come back with.
    pub node: String,
    pub sid_key: [u8; 32],
    /// Wakes sockets that are silent.
    pub wheel: Wheel,
}

impl Edge {
    /// A name that no other connection has, on any gateway.
    pub fn next_connection(&self) -> Arc<str> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}", self.prefix).into()
    }
}
