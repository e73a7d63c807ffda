//! The `staff` dialect: customers and staff over raw WebSocket JSON and REST.
//!
//! ```text
//! customer  POST /chat/staff/connect, /message   ─►  conversation by its key (the session id)
//!           {"type":"register"}                  ─►  hears that conversation   ─►  staff_reply
//! staff     {"type":"register_admin"}            ─►  hears the tenant's feed   ─►  customer_message
//!           POST /chat/admin/reply, staff_message
//! ```
//!
//! A customer is whoever knows the session id; a valid token of somebody else closes that door. Staff is who proves it.
//! Every socket that registered hears what its side hears, and nobody hears their own words back.
//!
//! `socket` keeps the order of frames, and `frames` is what they do; `rest` is the table of the endpoints, which are in
//! `customer`, `admin` and `login`.
//! `read` and `body` judge what comes in, `shape` writes what goes out, in the key order of old.

use http::StatusCode;
use parlor_api::{
    limits::FRAME_BYTES,
    v1::{self, event::Payload},
};
use parlor_socketio::Text;

use super::{
    AllowHeaders, Audience, Carriers, Cors, Dialect, Frame, Machine, Opening, OpeningKind, Pace, Rendered,
    Response, Wire, rest::Exchange,
};

mod admin;
mod body;
mod customer;
mod frames;
mod login;
mod read;
mod rest;
mod shape;
mod socket;

#[cfg(test)]
mod tests;

/// What a conversation of this dialect is for.
const KIND: &str = "staff";

const WIRE: Wire = Wire {
    name: "staff",
    carriers: Carriers { websocket: true, socketio: None },
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

/// The `staff` dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Staff;

impl Dialect for Staff {
    fn wire(&self) -> &'static Wire {
        &WIRE
    }

    fn open(&self, opening: Opening) -> Box<dyn Machine> {
        match opening.kind {
            OpeningKind::WebSocket | OpeningKind::SocketIo => Box::<socket::Socket>::default(),
            OpeningKind::Rest => Box::new(Exchange::new(&rest::REST, opening.mount)),
        }
    }

    fn render(&self, event: &v1::Event, audience: Audience) -> Rendered {
        let Some(Payload::MessageSent(v1::MessageSent { message: Some(message) })) = &event.payload else {
            return Rendered::Nothing;
        };
        let text = match (audience, shape::author_kind(message)) {
            (Audience::Staff, v1::AuthorKind::Customer) => {
                event.conversation.as_ref().map(|conversation| shape::customer_message(conversation, message))
            }
            (Audience::Customer, v1::AuthorKind::Staff) if event.audience() == v1::Audience::Participants => {
                Some(shape::staff_reply(message))
            }
            (Audience::Staff | Audience::Customer, _) => None,
        };
        text.map_or(Rendered::Nothing, |text| Rendered::Frame(Frame::Text(Text::from(text))))
    }
}
