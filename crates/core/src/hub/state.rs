//! What topics keep that are no logs: of a state only the latest matters, and a snapshot replaces what was missed.

mod contract;
mod presences;
mod sessions;
mod typists;
mod visitors;

use parlor_store::{ConversationId, UserId};

use self::{presences::Presences, sessions::Sessions, typists::Typists, visitors::Visitors};

pub(super) use self::contract::{Applied, LINGER_MS, State};
pub use self::{
    presences::snapshot as presence_snapshot, sessions::snapshot as sessions_snapshot,
    typists::TYPING_LIFETIME, visitors::snapshot as visit_snapshot,
};

/// What there are states of. A new one is a variant here and a file in this folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateOf {
    /// Who is online, by revision.
    Presence,
    /// Who is typing in a conversation, numbered by this node.
    Typing(ConversationId),
    /// What is pending or active of somebody, by the positions of what happened to it.
    Sessions(UserId),
    /// Who visits, numbered by this node.
    Visits,
}

impl StateOf {
    /// The state while nothing is known of it.
    pub(super) fn unknown(self) -> Box<dyn State> {
        match self {
            Self::Presence => Box::new(Presences::default()),
            Self::Typing(conversation) => Box::new(Typists::new(conversation)),
            Self::Sessions(_) => Box::new(Sessions::default()),
            Self::Visits => Box::new(Visitors::default()),
        }
    }
}
