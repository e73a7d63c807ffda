//! The `[gateway]` table: where the core is, and what clients may take.

use serde::{Deserialize, Serialize};

/// The gateway's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub core_url: String,
    pub outbox_bytes: usize,
    pub reply_hold_ms: u64,
    pub write_timeout_ms: u64,
    pub call_deadline_ms: u64,
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    pub join_timeout_ms: u64,
    pub message_timeout_ms: u64,
    /// 0 for no limit.
    pub sessions_per_address: usize,
    /// 0 for no limit.
    pub calls_per_address: usize,
    pub reflection: bool,
    /// 0 for no limit.
    pub rest_limit_requests: u32,
    pub rest_limit_window_seconds: u64,
}
