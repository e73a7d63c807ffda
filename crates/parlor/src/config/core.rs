//! The `[core]` table: the internal listener, and what links and calls may take.

use serde::{Deserialize, Serialize};

/// The core's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Core {
    /// An address and port, or empty.
    pub listen: String,
    pub link_lease_ms: u64,
    pub link_queue_bytes: usize,
    pub restart_linger_ms: u64,
    pub default_deadline_ms: u64,
    pub longest_deadline_ms: u64,
    pub calls_in_flight: usize,
    pub unknown_keys_burst: u32,
    pub unknown_keys_refill_ms: u64,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            listen: String::new(),
            link_lease_ms: 15_000,
            link_queue_bytes: 8 * 1024 * 1024,
            restart_linger_ms: 15_000,
            default_deadline_ms: 10_000,
            longest_deadline_ms: 60_000,
            calls_in_flight: 10_000,
            unknown_keys_burst: 300,
            unknown_keys_refill_ms: 1_000,
        }
    }
}
