//! What every server of a comparison is told.

/// Signs the tokens of everybody in a comparison. It guards nothing: the servers listen on loopback and end with us.
pub const SECRET: &str = "a secret of measurements, known to everybody";

/// What a scenario asks of a server's configuration.
pub struct Settings {
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    pub recovery: bool,
}
