//! What every server of a comparison is told.

use parlor_bench::cli::Dialect;

/// Signs the tokens of everybody in a comparison. It guards nothing: the servers listen on loopback and end with us.
pub const SECRET: &str = "a secret of measurements, known to everybody";

/// What a scenario asks of a server's configuration.
pub struct Settings {
    /// What is spoken, where a server speaks it: gRPC is Parlor's, and the others are spoken to over a raw WebSocket.
    pub dialect: Dialect,
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    pub recovery: bool,
}
