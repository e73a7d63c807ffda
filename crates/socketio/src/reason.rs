//! Why a connection ended, in the words of the reference server where it has some: users of that server compare them.

use std::fmt;

/// Why a connection or a namespace of it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The client closed the transport, or its network did.
    TransportClose,
    /// The transport failed: a broken write, overlapping polls, a poll that was given up.
    TransportError,
    /// The client did not answer a ping, or (Engine.IO 3) sent none.
    PingTimeout,
    /// What the client sent is no packet, or none that is allowed in this state.
    ParseError,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The server took the client out of the namespace.
    ServerNamespaceDisconnect,
    /// The server ended the connection.
    ForcedClose,
    /// The server ended the connection because the client broke the order of things: an event before its CONNECT, a
    /// second CONNECT, or none in time.
    ForcedServerClose,
    /// The server stops.
    ServerShuttingDown,
    /// More bytes wait for the client than [`Config::outbox_bytes`](crate::Config::outbox_bytes).
    SlowReader,
    /// A message, a payload, or a packet with its attachments is larger than
    /// [`Config::max_payload`](crate::Config::max_payload).
    TooBig,
    /// A payload holds more packets, or a packet more attachments, than is allowed.
    TooMany,
    /// The client sent faster than it may, for too long.
    TooFast,
    /// What the client had begun to send was not whole in time.
    TooSlow,
}

impl Reason {
    /// The reason in words, as the reference server spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
            Self::ServerShuttingDown => "server shutting down",
            Self::SlowReader => "slow reader",
            Self::TooBig => "too big",
            Self::TooMany => "too many packets",
            Self::TooFast => "too fast for too long",
            Self::TooSlow => "message not finished in time",
        }
    }
}

impl Reason {
    /// Nobody reads any more: what the kernel holds for the client is given back at once.
    #[must_use]
    pub const fn is_abrupt(self) -> bool {
        matches!(self, Self::TransportError | Self::PingTimeout | Self::SlowReader)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
