//! A numbered event: what happened to a subject, in the one order of its tenant.
//!
//! Whoever reads that order needs no knowledge of the kinds of subjects. What an event says is in the words of its
//! subject's service, which alone writes and reads them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Author, Conversation, ConversationId, Error, Message, Millis, Result, Session, SessionId, TenantId,
};

/// What kind of thing has events. The numbers are stored and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKind(pub i16);

impl SubjectKind {
    pub const CONVERSATION: Self = Self(1);
    pub const SESSION: Self = Self(2);
    pub const WALLET: Self = Self(4);
}

/// What an event happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: Uuid,
}

impl Subject {
    /// The conversation that this is.
    #[must_use]
    pub fn as_conversation(self) -> Option<ConversationId> {
        (self.kind == SubjectKind::CONVERSATION).then_some(ConversationId(self.id))
    }

    /// The session that this is.
    #[must_use]
    pub fn as_session(self) -> Option<SessionId> {
        (self.kind == SubjectKind::SESSION).then_some(SessionId(self.id))
    }
}

impl From<SessionId> for Subject {
    fn from(id: SessionId) -> Self {
        Self { kind: SubjectKind::SESSION, id: id.0 }
    }
}

impl From<ConversationId> for Subject {
    fn from(id: ConversationId) -> Self {
        Self { kind: SubjectKind::CONVERSATION, id: id.0 }
    }
}

/// Who may see an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All who take part in the subject.
    Participants,
    Staff,
}

/// A numbered event: gapless by `sequence` in its subject and by `position` in its tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    pub tenant: TenantId,
    pub subject: Subject,
    pub sequence: i64,
    pub position: i64,
    pub at: Millis,
    /// The connection it came from; empty in what is read back later.
    pub origin: String,
    pub body: EventBody,
    pub shown: Shown,
    /// The conversation, at least as new as the event; of other subjects there is none.
    pub conversation: Option<Arc<Conversation>>,
    /// The session, likewise.
    pub session: Option<Arc<Session>>,
}

/// What a numbered event says.
#[derive(Clone, Debug, PartialEq)]
pub enum EventBody {
    /// Messages have a table of their own.
    Message(Message),
    /// Everything else: a kind and bytes that the subject's service understands.
    Encoded { author: Author, kind: i16, bytes: Vec<u8> },
}

/// What happens to a conversation beside its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationChange {
    Created,
    /// These fields changed, by their names in the contract.
    Changed(Vec<String>),
    /// Read up to this sequence.
    Read(i64),
    /// An emoji was put on the message of this sequence, or taken away; so many have it there now.
    Reacted {
        sequence: i64,
        emoji: String,
        removed: bool,
        count: i64,
    },
    /// Whoever wrote the messages of these sequences was erased, and with them what they said.
    Erased(Vec<i64>),
}

/// Fields of a conversation that only the staff see change.
const STAFF_FIELDS: [&str; 2] = ["tags", "kind"];

impl ConversationChange {
    /// The kind and the bytes of an event that says this.
    pub(crate) fn encode(&self) -> Result<(i16, Vec<u8>)> {
        match self {
            Self::Created => Ok((1, Vec::new())),
            Self::Changed(fields) => Ok((2, to_json(fields)?)),
            Self::Read(through_sequence) => Ok((3, to_json(through_sequence)?)),
            Self::Reacted { sequence, emoji, removed, count } => {
                Ok((4, to_json(&(sequence, emoji, removed, count))?))
            }
            Self::Erased(sequences) => Ok((5, to_json(sequences)?)),
        }
    }

    /// What an event of a conversation says.
    pub fn decode(kind: i16, bytes: &[u8]) -> Result<Self> {
        match kind {
            1 => Ok(Self::Created),
            2 => from_json(bytes).map(Self::Changed),
            3 => from_json(bytes).map(Self::Read),
            4 => from_json(bytes).map(|(sequence, emoji, removed, count)| Self::Reacted {
                sequence,
                emoji,
                removed,
                count,
            }),
            5 => from_json(bytes).map(Self::Erased),
            unknown => Err(Error::Defect(format!("conversation event of kind {unknown}"))),
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        match self {
            Self::Changed(fields) if fields.iter().all(|field| STAFF_FIELDS.contains(&field.as_str())) => {
                Shown::Staff
            }
            Self::Created | Self::Changed(_) | Self::Read(_) | Self::Reacted { .. } | Self::Erased(_) => {
                Shown::Participants
            }
        }
    }
}

pub(crate) fn to_json(said: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(said).map_err(|error| Error::Defect(format!("an event cannot be written: {error}")))
}

pub(crate) fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Defect(format!("an event cannot be read: {error}")))
}
