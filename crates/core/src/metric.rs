//! The metrics of this crate: each has its name and its description here, and a row in docs/metrics.md.

use metrics::Unit;

pub const READY: &str = "parlor_core_ready";
pub const CALL_SECONDS: &str = "parlor_call_seconds";
pub const CALLS: &str = "parlor_calls_total";
pub const HUB_LAGS: &str = "parlor_hub_lags_total";
pub const RETENTION_REMOVED: &str = "parlor_retention_removed_total";
pub const RETENTION_SECONDS: &str = "parlor_retention_seconds";

/// Tells the recorder what each of them means.
pub fn describe() {
    metrics::describe_gauge!(
        READY,
        Unit::Count,
        "1 if the database answered when it was last looked at, else 0."
    );
    metrics::describe_histogram!(CALL_SECONDS, Unit::Seconds, "Time that a call takes until it answers.");
    metrics::describe_counter!(CALLS, Unit::Count, "Calls that have ended.");
    metrics::describe_counter!(
        HUB_LAGS,
        Unit::Count,
        "Topics that fell behind in the queue of a watcher: what did not fit was replaced by a lag."
    );
    metrics::describe_counter!(
        RETENTION_REMOVED,
        Unit::Count,
        "Messages and other events taken away because they were too old."
    );
    metrics::describe_histogram!(
        RETENTION_SECONDS,
        Unit::Seconds,
        "Time that one run takes that looks for what is too old."
    );
}
