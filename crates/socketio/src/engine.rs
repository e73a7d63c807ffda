//! Engine.IO 4 and 3: what makes one connection of polling requests and WebSockets.

mod answer;
mod beat;
mod handshake;
mod link;
mod message;
pub mod packet;
pub mod payload;
mod piece;
mod places;
mod polling;
#[cfg(test)]
mod properties;
mod query;
mod registry;
mod service;
mod session;
mod sid;
mod told;
mod transport;
mod upgrade;
pub mod v3;

pub use self::{answer::Body, handshake::Handshake, link::Link, message::Message, service::Engine};
pub(crate) use self::{session::Session, told::Told};

/// What is told of every new link.
pub trait Accept: Send + Sync + 'static {
    /// Takes the link, and with it the duty to run it: the crate spawns no task of its user's. Must not block.
    fn opened(&self, link: Link);
}
