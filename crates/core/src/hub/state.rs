//! What topics keep that are no logs: of a state only the latest matters, and a snapshot replaces what was missed.

mod contract;
mod presences;
mod typists;

use parlor_store::ConversationId;

use self::{presences::Presences, typists::Typists};

pub(super) use self::contract::{Applied, LINGER_MS, State};
pub use self::{presences::snapshot as presence_snapshot, typists::TYPING_LIFETIME};

/// What there are states of. A new one is a variant here and a file in this folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateOf {
    /// Who is online, by revision.
    Presence,
    /// Who is typing in a conversation, numbered by this node.
    Typing(ConversationId),
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
