//! The metrics of this crate: each has its name and its description here, and a row in docs/metrics.md.

use metrics::Unit;

pub const SLOW_READERS: &str = "parlor_gateway_slow_readers_total";
pub const SLOW_READERS_BYTES: &str = "parlor_gateway_slow_readers_bytes_total";
pub const DELIVERIES: &str = "parlor_gateway_deliveries_total";
pub const SOCKETS_ENDED: &str = "parlor_gateway_sockets_ended_total";
pub const ORIGINS_REFUSED: &str = "parlor_gateway_origins_refused_total";
pub const HELD_BACK: &str = "parlor_gateway_held_back_total";
pub const SOCKETS: &str = "parlor_gateway_sockets";
pub const REST_LIMITED: &str = "parlor_gateway_rest_limited_total";
pub const REST_FULL: &str = "parlor_gateway_rest_full_total";
pub const LISTENER_REFUSED: &str = "parlor_listener_refused_total";
pub const INPUT_REFUSED: &str = "parlor_gateway_input_refused_total";
pub const REPLIES_NOT_HELD: &str = "parlor_gateway_replies_not_held_total";

/// Tells the recorder what each of them means.
pub fn describe() {
    metrics::describe_counter!(
        SLOW_READERS,
        Unit::Count,
        "Connections ended because too much waited for them."
    );
    metrics::describe_counter!(
        SLOW_READERS_BYTES,
        Unit::Bytes,
        "What waited for such connections when they were ended."
    );
    metrics::describe_counter!(
        DELIVERIES,
        Unit::Count,
        "Events given to a connection: one event that ten hear counts as ten."
    );
    metrics::describe_counter!(SOCKETS_ENDED, Unit::Count, "Sockets that have ended, and why.");
    metrics::describe_counter!(
        ORIGINS_REFUSED,
        Unit::Count,
        "Connections refused because their web page is of an origin that the mount does not allow."
    );
    metrics::describe_counter!(
        HELD_BACK,
        Unit::Count,
        "Clients that are read no further for a while, since they send faster than they may."
    );
    metrics::describe_gauge!(SOCKETS, Unit::Count, "Sockets that are open.");
    metrics::describe_counter!(
        REST_LIMITED,
        Unit::Count,
        "REST requests refused because their address sends too many."
    );
    metrics::describe_counter!(
        REST_FULL,
        Unit::Count,
        "REST requests refused because too many are under way."
    );
    metrics::describe_counter!(
        LISTENER_REFUSED,
        Unit::Count,
        "Connections that a listener closed at once, since it had as many as it may."
    );
    metrics::describe_counter!(
        INPUT_REFUSED,
        Unit::Count,
        "Input of clients that was refused: what it was, and why."
    );
    metrics::describe_counter!(
        REPLIES_NOT_HELD,
        Unit::Count,
        "Answers held for their own event whose time ran out before it came."
    );
}
