//! The metrics of this crate: each has its name and its description here, and a row in docs/metrics.md.

use metrics::Unit;

pub const QUEUE_DEPTH: &str = "parlor_store_queue_depth";
pub const BATCH_SIZE: &str = "parlor_store_batch_size";
pub const COMMIT_SECONDS: &str = "parlor_store_commit_seconds";
pub const BATCHES_FAILED: &str = "parlor_store_batches_failed_total";

/// Tells the recorder what each of them means.
pub fn describe() {
    metrics::describe_gauge!(
        QUEUE_DEPTH,
        Unit::Count,
        "Changes that still wait when the writer has taken a batch."
    );
    metrics::describe_histogram!(BATCH_SIZE, Unit::Count, "Changes that share one transaction.");
    metrics::describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "Time that one transaction of the writer takes, with what is repeated of it."
    );
    metrics::describe_counter!(BATCHES_FAILED, Unit::Count, "Batches of the writer that failed as a whole.");
}
