//! What is fixed of `staff`, whoever speaks it.

use http::StatusCode;
use parlor_api::limits::FRAME_BYTES;

use super::shape;
use crate::dialect::{AllowHeaders, Carriers, Cors, Pace, Response, Wire, who::STAFF};

pub(super) const WIRE: Wire = Wire {
    name: "staff",
    staff: Some(STAFF),
    carriers: Carriers { websocket: true, socketio: None },
    joins: &["register", "register_admin"],
    // Nobody types faster.
    pace: Pace { burst: 20, per_second: 10, refuse: true, max_frame_bytes: FRAME_BYTES },
    over_pace: Some(|| shape::error_frame("Too many messages")),
    oversized: Some(|| shape::error_frame("Invalid message format")),
    cors: Cors {
        allow_origin: "*",
        allow_headers: AllowHeaders::Named("Content-Type, Authorization, x-auth-token"),
        allow_methods: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    },
    too_many_requests: || Response::text(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_REQUESTS),
    too_large: || shape::failed(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large", None),
    unavailable: || {
        shape::failed(StatusCode::INTERNAL_SERVER_ERROR, "Server error", Some("service unavailable"))
    },
};

const TOO_MANY_REQUESTS: &str = "Too many requests from this IP, please try again after 15 minutes";
