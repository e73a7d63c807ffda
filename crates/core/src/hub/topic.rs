//! What can be watched, by whom, and where it is read.

use bytes::{BufMut as _, BytesMut};
use parlor_api::v1;
use parlor_bus::Bus;
use parlor_store::{ConversationId, Subject, TenantId};

use super::{announced::Announced, state::StateOf};
use crate::Result;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The log of a subject, by sequence.
    Log(TenantId, Subject),
    /// The log of everything stored in a tenant, by position.
    Feed(TenantId),
    /// A state.
    State(TenantId, StateOf),
}

/// Takes the events of topics, in order.
pub trait Watcher: Send + Sync {
    /// Takes one event. Called under the entry's lock: must not block, and must not call the hub.
    fn hear(&self, topic: Topic, announced: &Announced);
}

/// Where the hub reads what it has missed.
#[async_trait::async_trait]
pub trait Source: Send + Sync + 'static {
    /// The number of the newest event of a log; 0 if there is none.
    async fn head(&self, topic: Topic) -> Result<i64>;

    /// The events of a log above a number, in order.
    async fn tail(&self, topic: Topic, after: i64, limit: u64) -> Result<Vec<Announced>>;

    /// The number of the oldest event of a log that is still kept.
    async fn floor(&self, _topic: Topic) -> Result<i64> {
        Ok(1)
    }

    /// A state as it is, and its number; none of what is stored nowhere.
    async fn state(&self, topic: Topic) -> Result<Option<(i64, v1::Event)>>;
}

impl Topic {
    /// The log of a conversation.
    #[must_use]
    pub fn conversation(tenant: TenantId, id: ConversationId) -> Self {
        Self::Log(tenant, id.into())
    }

    /// Who is typing in a conversation.
    #[must_use]
    pub fn typing(tenant: TenantId, id: ConversationId) -> Self {
        Self::State(tenant, StateOf::Typing(id))
    }

    /// The conversation that it tells of, if it is one alone.
    #[must_use]
    pub fn conversation_id(self) -> Option<ConversationId> {
        match self {
            Self::Log(_, subject) => subject.as_conversation(),
            Self::State(_, StateOf::Typing(id)) => Some(id),
            Self::Feed(_) | Self::State(_, StateOf::Presence | StateOf::Sessions(_) | StateOf::Visits) => {
                None
            }
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(self) -> TenantId {
        match self {
            Self::Log(tenant, _) | Self::Feed(tenant) | Self::State(tenant, _) => tenant,
        }
    }

    /// Its name on the bus.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Log(tenant, subject) => format!("l/{}/{}/{}", tenant.0, subject.kind.0, subject.id),
            Self::Feed(tenant) => format!("f/{}", tenant.0),
            Self::State(tenant, StateOf::Presence) => format!("p/{}", tenant.0),
            Self::State(tenant, StateOf::Typing(id)) => format!("t/{}/{id}", tenant.0),
            Self::State(tenant, StateOf::Sessions(user)) => format!("s/{}/{user}", tenant.0),
            Self::State(tenant, StateOf::Visits) => format!("v/{}", tenant.0),
        }
    }

    /// True if missed events can be fetched.
    #[must_use]
    pub fn is_log(self) -> bool {
        !matches!(self, Self::State(..))
    }
}

/// Puts an encoded event on the bus: its number, then its bytes.
pub fn publish(bus: &dyn Bus, topic: Topic, number: i64, event: &[u8]) {
    let mut message = BytesMut::with_capacity(size_of::<i64>() + event.len());
    message.put_i64(number);
    message.put_slice(event);
    bus.publish(&topic.name(), message.freeze());
}
