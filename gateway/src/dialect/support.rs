//! The `support` dialect: customers and admins of a shop over Socket.IO, and the REST of its login.
//!
//! ```text
//! user:join ─► proof and claim agree ─► hears  customer: their own conversations
//!                                              admin:    the tenant's feed
//! message:send ─► SendMessage ─► event ─► message:received, also to the sender
//! ```
//!
//! `socket` is the machine of a connection: it keeps the order of requests, parks them in its `queue` until somebody has
//! joined, and gives out events. `join` is the way in, `requests` and `send` are what is asked once in, and `asker` is the
//! way back. `rest` is the table of the endpoints, which are in `login`, `threads` and `pages`. `read` judges what comes
//! in, `shape` writes what goes out, in the key order of old.
//!
//! Ids are integers on this wire: conversations and messages go by their numbers, and a person by the integer that the
//! mount's issuer calls them, or else by their number too.

use parlor_api::v1::{self, event::Payload};

use self::read::KIND;
use super::{
    Audience, Dialect, Machine, Opening, OpeningKind, Oversized, Rendered, SocketEvent, Wire,
    rest::Exchange,
    who::{CUSTOMER, STAFF},
};

mod asker;
mod identity;
mod join;
mod login;
mod pages;
mod queue;
mod read;
mod requests;
mod rest;
mod send;
mod shape;
mod socket;
mod threads;
mod wire;

#[cfg(test)]
mod tests;

/// The `support` dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Support;

impl Dialect for Support {
    fn wire(&self) -> &'static Wire {
        &wire::WIRE
    }

    fn open(&self, opening: Opening) -> Box<dyn Machine> {
        match opening.kind {
            OpeningKind::WebSocket | OpeningKind::SocketIo => Box::new(socket::Socket::new(opening)),
            OpeningKind::Rest => Box::new(Exchange::new(&rest::REST, opening.mount)),
        }
    }

    /// Every admin hears every message, so it is made once for all of them, and held back from those who catch up. A
    /// conversation has few sockets of its customer, and several of theirs are numbered apart: each drops what it has
    /// given out.
    fn render(&self, event: &v1::Event, audience: Audience) -> Rendered {
        let is_ours =
            event.conversation.as_ref().is_some_and(|shown| shown.kind == KIND && shown.owner.is_some());
        if !is_ours {
            return Rendered::Nothing;
        }
        match (&event.payload, audience) {
            (Some(Payload::MessageSent(_)), STAFF) => {
                shape::received(event).map_or(Rendered::Nothing, Rendered::Frame)
            }
            // An admin's list changes; a customer's own conversation is another from here on.
            (Some(Payload::MessageSent(_) | Payload::ConversationChanged(_)), CUSTOMER)
            | (Some(Payload::MessagesRead(_)), STAFF) => Rendered::Step,
            _ => Rendered::Nothing,
        }
    }

    /// It is answered in its turn and in its style, like one without the arguments that it needs.
    fn oversized_event(&self, event: &SocketEvent, _ack: Option<u64>) -> Oversized {
        Oversized::Taken(SocketEvent::bare(&event.name().unwrap_or_default()))
    }
}
