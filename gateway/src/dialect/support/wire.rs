//! What is fixed of `support`, whoever speaks it.

use http::StatusCode;
use parlor_api::limits::FRAME_BYTES;

use super::shape::refused;
use crate::dialect::{AllowHeaders, Carriers, Cors, Pace, Wire, who::STAFF};

pub(super) const WIRE: Wire = Wire {
    name: "support",
    staff: Some(STAFF),
    carriers: Carriers { websocket: false, socketio: Some("/socket.io") },
    joins: &["user:join"],
    // What is over waits.
    pace: Pace { burst: 200, per_second: 20, refuse: false, max_frame_bytes: FRAME_BYTES },
    over_pace: None,
    oversized: None,
    cors: Cors {
        allow_origin: "*",
        allow_headers: AllowHeaders::Requested,
        allow_methods: "GET,HEAD,PUT,PATCH,POST,DELETE",
    },
    too_many_requests: || {
        refused(StatusCode::TOO_MANY_REQUESTS, "Too many requests, please try again later!")
    },
    too_large: || refused(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large!"),
    unavailable: || refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
};
