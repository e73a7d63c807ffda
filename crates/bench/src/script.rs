//! The words of the server under test: what a connection says to get in, how it says a message, how it is told one.
//!
//! A scenario knows only this trait, so a further dialect is one file here and one line in `Dialect`.

pub mod person;
pub mod socketio;
pub mod staff;
pub mod support;
pub mod token;

use std::rc::Rc;

pub use person::{Person, Role};

/// How a connection asks for the upgrade to WebSocket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// Path and query.
    pub target: String,
    /// `Name: value`, beside those that every upgrade has.
    pub headers: Vec<String>,
}

/// A request that must have been answered before anybody connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    pub path: String,
    pub json: String,
}

/// What a connection keeps from one life to the next, as an official client does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The secret with which the server knows it again.
    pub pid: Option<String>,
    /// The last string that ended an event.
    pub offset: Option<String>,
    /// How far it has come since it connected.
    pub stage: u8,
}

/// What a text from the server means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    Nothing,
    /// The connection is in: it may speak, and hears what it is meant to hear.
    Joined,
    /// A message, with the bytes that hold its text.
    Delivery(&'a [u8]),
    Refused(String),
}

/// The words of one server.
pub trait Script {
    fn upgrade(&self, person: &Person) -> Upgrade;

    /// What this text means to this person; what shall be answered is appended.
    fn hear<'a>(
        &self,
        person: &Person,
        text: &'a [u8],
        memory: &mut Memory,
        answers: &mut Vec<String>,
    ) -> Heard<'a>;

    /// The frames a connection says right after the upgrade, without being asked.
    fn greet(&self, _person: &Person) -> Vec<String> {
        Vec::new()
    }

    /// A message in this room.
    fn say(&self, room: usize, text: &str) -> String;

    /// What must have been asked over HTTP before room so and so can be used.
    fn prepare(&self, _room: usize) -> Option<Preparation> {
        None
    }

    /// Who speaks in this room.
    fn speaker(&self, room: usize) -> Person;

    /// Who hears it: the nth of its hearers.
    fn hearer(&self, room: usize, nth: usize) -> Person;

    /// Whoever speaks hears itself.
    fn echoes(&self) -> bool;

    /// Every hearer hears every room.
    fn hearers_hear_all(&self) -> bool;

    /// It takes up where it was after a cut without losing anything.
    fn recovers(&self) -> bool;
}

/// Scripts are shared by all connections of the one thread.
pub type Shared = Rc<dyn Script>;
