//! The `native` dialect: the typed API as canonical protobuf JSON, over Socket.IO and raw WebSockets. `docs/native.md` is its
//! wire, complete.
//!
//! ```text
//! ["SendMessage", {"conversation":{"id":"…"},"text":"hello"}]   ─►  {"response":{"message":{…}}}   the acknowledgement
//! ["WatchConversation", {"conversation":{"id":"…"}}]            ─►  {"response":{"afterSequence":"41", …}}
//!                                                       ["event", {"messageSent":{…}, …}, "offset"]  ◄─  from there on
//! ```
//!
//! `contract` finds methods and translates messages, generically over the descriptors: a new unary RPC needs nothing here.
//! `socket` is the machine of a connection, and `work` what it works on; `hearing` is what it hears and how it is recovered;
//! `wire` reads and writes the arrays, `render` shows events to their audiences.
//!
//! The rule of its events: a stored event ends in its offset, a string, and no other event ends in one. So what the client of
//! Socket.IO remembers is a place up to which it has heard everything: all that a connection hears of conversations has
//! one order, that of the tenant's feed.

use http::StatusCode;
use parlor_api::{
    limits::FRAME_BYTES,
    v1::{self, event::Payload},
};

use super::{
    AllowHeaders, Audience, Carriers, Cors, Dialect, Effect, Input, Machine, Opening, OpeningKind, Oversized,
    Pace, Rendered, Response, SocketEvent, Wire, who::STAFF,
};

mod contract;
mod hearing;
mod join;
mod render;
mod socket;
mod wire;
mod work;

#[cfg(test)]
mod tests;

const WIRE: Wire = Wire {
    name: "native",
    staff: Some(STAFF),
    carriers: Carriers { websocket: true, socketio: Some("/socket.io") },
    joins: &["connect"],
    // What is over waits.
    pace: Pace { burst: 200, per_second: 20, refuse: false, max_frame_bytes: FRAME_BYTES },
    over_pace: None,
    oversized: Some(|| wire::problem(&wire::too_large(FRAME_BYTES), None)),
    cors: Cors {
        allow_origin: "*",
        allow_headers: AllowHeaders::Requested,
        allow_methods: "GET, POST, OPTIONS",
    },
    too_many_requests: || Response::text(StatusCode::TOO_MANY_REQUESTS, "too many requests\n"),
    too_large: || Response::text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n"),
    unavailable: || Response::text(StatusCode::SERVICE_UNAVAILABLE, "the core does not answer\n"),
};

/// The `native` dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Dialect for Native {
    fn wire(&self) -> &'static Wire {
        &WIRE
    }

    fn open(&self, opening: Opening) -> Box<dyn Machine> {
        match opening.kind {
            OpeningKind::WebSocket | OpeningKind::SocketIo => Box::new(socket::Socket::new(&opening)),
            OpeningKind::Rest => Box::new(Nowhere),
        }
    }

    /// What is stored is made once for all. Who is online depends on who asks, and states do not wait for what is older.
    fn render(&self, event: &v1::Event, audience: Audience) -> Rendered {
        if let Some(Payload::PresenceChanged(_) | Payload::TypingState(_)) = &event.payload {
            return Rendered::Step;
        }
        render::event(event, audience).map_or(Rendered::Nothing, Rendered::Frame)
    }

    fn oversized_event(&self, event: &SocketEvent, ack: Option<u64>) -> Oversized {
        let name = event.name().unwrap_or_default();
        let reply = ack.map_or(wire::Reply::Nobody, wire::Reply::Acknowledge);
        Oversized::Told(wire::answer(reply, &name, Err::<&(), _>(&wire::too_large(FRAME_BYTES))))
    }
}

/// There is no REST here: gRPC and grpc-web are on the same port.
struct Nowhere;

impl Machine for Nowhere {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if let Input::Request(_) = input {
            let response = Response::text(StatusCode::NOT_FOUND, "this is a socket: see docs/native.md\n");
            effects.push(Effect::Respond(response.into()));
        }
    }
}
