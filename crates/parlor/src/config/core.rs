//! The `[core]` table: the internal listener, and what links and calls may take.

use serde::{Deserialize, Serialize};

/// The core's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// An address and port, or empty.
    pub listen: String,
    pub link_lease_ms: u64,
    pub link_queue_bytes: usize,
    pub restart_linger_ms: u64,
    pub default_deadline_ms: u64,
    pub longest_deadline_ms: u64,
    pub calls_in_flight: usize,
    /// 0 for no limit.
    pub caller_calls_burst: u32,
    pub caller_calls_per_second: u32,
    /// 0 for no limit.
    pub caller_streams: usize,
    /// 0 for no limit.
    pub caller_messages_burst: u32,
    pub caller_messages_per_second: u32,
    pub unknown_keys_burst: u32,
    pub unknown_keys_refill_ms: u64,
    pub new_conversations_burst: u32,
    pub new_conversations_refill_ms: u64,
}
