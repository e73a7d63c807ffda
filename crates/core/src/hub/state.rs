//! What topics keep that are no logs: of a state only the latest matters, and a snapshot replaces what was missed.

mod presences;
mod typists;

use parlor_api::v1;
use parlor_store::{ConversationId, Millis};

use self::{presences::Presences, typists::Typists};
use super::Announced;

pub use self::{presences::snapshot as presence_snapshot, typists::TYPING_LIFETIME};

/// A topic that nobody watches stays open for so long: page loads leave and come back.
pub(super) const LINGER_MS: Millis = 2_000;

/// What there are states of. A new one is a variant here and a file in this folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateOf {
    /// Who is online, by revision.
    Presence,
    /// Who is typing in a conversation, numbered by this node.
    Typing(ConversationId),
}

/// What was made of what came from the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// It changed nothing that is shown.
    Nothing,
    /// It is told on as it came, with its number.
    Told,
    /// The state is told as it is now, with the next number.
    Changed,
    /// Something before it is missing: the state is to be read again.
    Missing,
}

/// One state, as its topic keeps it.
pub(super) trait State: Send {
    /// Becomes what a snapshot shows.
    fn restore(&mut self, snapshot: v1::Event);

    /// Takes what came from the bus. `head` is the number that was told last.
    fn apply(&mut self, announced: &Announced, head: i64, now: Millis) -> Applied;

    /// The state as an event.
    fn snapshot(&self, head: i64) -> v1::Event;

    /// When something of it is over by itself.
    fn next_expiry(&self) -> Option<Millis> {
        None
    }

    /// Forgets what is over; true if there was something.
    fn expire(&mut self, _now: Millis) -> bool {
        false
    }

    /// How long it is kept after the last who was interested.
    fn linger_ms(&self) -> Millis {
        LINGER_MS
    }
}

impl StateOf {
    /// The state while nothing is known of it.
    pub(super) fn unknown(self) -> Box<dyn State> {
        match self {
            Self::Presence => Box::new(Presences::default()),
            Self::Typing(conversation) => Box::new(Typists::new(conversation)),
        }
    }
}

fn user_id(person: Option<&v1::Person>) -> String {
    person.map(|person| person.user_id.clone()).unwrap_or_default()
}
