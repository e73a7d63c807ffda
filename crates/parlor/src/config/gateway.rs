//! The `[gateway]` table: where the core is, and what clients may take.

use serde::{Deserialize, Serialize};

/// The gateway's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    pub core_url: String,
    pub outbox_bytes: usize,
    pub reply_hold_ms: u64,
    pub write_timeout_ms: u64,
    pub call_deadline_ms: u64,
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    /// 0 for no limit.
    pub rest_limit_requests: u32,
    pub rest_limit_window_seconds: u64,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            core_url: String::new(),
            outbox_bytes: 256 * 1024,
            reply_hold_ms: 2_000,
            write_timeout_ms: 10_000,
            call_deadline_ms: 10_000,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            rest_limit_requests: 1_000,
            rest_limit_window_seconds: 900,
        }
    }
}
