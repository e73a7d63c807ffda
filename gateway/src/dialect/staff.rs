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

use parlor_api::v1::{self, event::Payload};

use super::{
    Audience, Dialect, Machine, Opening, OpeningKind, Rendered, Wire,
    rest::Exchange,
    who::{CUSTOMER, STAFF},
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
mod wire;

#[cfg(test)]
mod tests;

/// The `staff` dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Staff;

impl Dialect for Staff {
    fn wire(&self) -> &'static Wire {
        &wire::WIRE
    }

    fn open(&self, opening: Opening) -> Box<dyn Machine> {
        match opening.kind {
            OpeningKind::WebSocket | OpeningKind::SocketIo => Box::new(socket::Socket::new()),
            OpeningKind::Rest => Box::new(Exchange::new(&rest::REST, opening.mount)),
        }
    }

    fn render(&self, event: &v1::Event, audience: Audience) -> Rendered {
        let Some(Payload::MessageSent(v1::MessageSent { message: Some(message) })) = &event.payload else {
            return Rendered::Nothing;
        };
        let frame = match (audience, shape::author_kind(message)) {
            (STAFF, v1::AuthorKind::Customer) => {
                event.conversation.as_ref().map(|conversation| shape::customer_message(conversation, message))
            }
            (CUSTOMER, v1::AuthorKind::Staff) if event.audience() == v1::Audience::Participants => {
                Some(shape::staff_reply(message))
            }
            _ => None,
        };
        frame.map_or(Rendered::Nothing, Rendered::Frame)
    }
}
