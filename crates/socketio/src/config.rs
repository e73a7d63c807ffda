//! What an engine is told once, and the limits it keeps. The defaults are those of the reference where it has one.

use std::{fmt, time::Duration};

use crate::websocket::{TakeApart, plain};

/// How often an idle connection is asked whether it is there.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// How long it may take to answer; then it is gone.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a WebSocket may take from its handshake to the end of the upgrade.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may live in no namespace. A client asks for one with the first thing it sends, but an upgrade that
/// is under way goes first, with all its time, and so may a token that a page has to fetch. The reference waits 45 seconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long what has begun to come may take until it is whole: a message in fragments, a packet with its attachments, the
/// body of a POST. The largest of them takes ten seconds over a slow mobile line.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest message or payload, in bytes. Clients are told, and cut their payloads to it.
pub const MAX_PAYLOAD: usize = 1_000_000;

/// The same while a connection is in no namespace: it says which it wants, and shows a token, which is no longer than the
/// head of a request.
pub const CONNECT_BYTES: usize = 16 * 1024;

/// Packets in one payload. A client sends what it has buffered in one: more than a thousand is no client's doing, and a
/// payload of a million empty packets would cost a hundred times its bytes.
pub const MAX_PACKETS_PER_PAYLOAD: usize = 4096;

/// Binary values in one packet, as in the reference.
pub const MAX_ATTACHMENTS: usize = 10;

/// Namespaces of one connection. Each costs memory of the server for a few bytes of the client.
pub const MAX_NAMESPACES: usize = 16;

/// What may wait for one connection, beside one packet that may pass it. A client a few seconds behind in a busy room
/// stays below it.
pub const OUTBOX_BYTES: usize = 256 * 1024;

/// Sessions of one engine: polling ones hold no connection, so nothing else bounds them.
pub const SESSIONS_MAX: usize = 10_000;

/// Sessions of one address, or network of IPv6. An office shares one; ten such do not fill an engine.
pub const SESSIONS_PER_ADDRESS: usize = 1_000;

/// The ways a client may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transports {
    pub polling: bool,
    pub websocket: bool,
}

/// Whose pages may read the answers to polling requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// No headers: pages of the same origin.
    None,
    /// Every origin, with credentials, by echo.
    Any,
    /// These origins, with credentials.
    Origins(Vec<String>),
}

/// See the fields; [`Config::new`] gives the defaults.
#[derive(Clone)]
pub struct Config {
    /// Matched exactly, with or without a slash at its end.
    pub path: String,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub upgrade_timeout: Duration,
    pub connect_timeout: Duration,
    /// What has begun to come is whole within this.
    pub message_timeout: Duration,
    /// Bytes, of a polling payload, of a WebSocket message, and of a packet with its attachments alike.
    pub max_payload: usize,
    /// The same until the connection is in a namespace.
    pub connect_bytes: usize,
    /// The longest event with attachments, bytes of both together: of a longer one only the text is kept, and it comes as
    /// [`Incoming::Oversized`](crate::Incoming::Oversized).
    pub max_event: usize,
    pub max_packets_per_payload: usize,
    pub max_attachments: usize,
    pub max_namespaces: usize,
    pub outbox_bytes: usize,
    /// Of all clients; 0 for no limit.
    pub sessions_max: usize,
    /// Of one address, or network of IPv6; 0 for no limit.
    pub sessions_per_address: usize,
    pub transports: Transports,
    /// Whether clients of Engine.IO 3 are served.
    pub allow_v3: bool,
    pub cors: Cors,
    /// This server's name among those that could get its requests. It is part of every sid, at most 64 bytes.
    pub node: String,
    /// Authenticates sids. The same on all nodes.
    pub sid_key: [u8; 32],
    /// How the server's connections are taken apart for WebSockets.
    pub take_apart: TakeApart,
}

impl Config {
    /// The defaults, for one node whose sids no other node needs to read.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            upgrade_timeout: UPGRADE_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            message_timeout: MESSAGE_TIMEOUT,
            max_payload: MAX_PAYLOAD,
            connect_bytes: CONNECT_BYTES,
            max_event: usize::MAX,
            max_packets_per_payload: MAX_PACKETS_PER_PAYLOAD,
            max_attachments: MAX_ATTACHMENTS,
            max_namespaces: MAX_NAMESPACES,
            outbox_bytes: OUTBOX_BYTES,
            sessions_max: SESSIONS_MAX,
            sessions_per_address: SESSIONS_PER_ADDRESS,
            transports: Transports { polling: true, websocket: true },
            allow_v3: false,
            cors: Cors::None,
            node: String::new(),
            sid_key: rand::random(),
            take_apart: plain,
        }
    }
}

/// The key is a secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("path", &self.path).field("node", &self.node).finish_non_exhaustive()
    }
}
