//! From a commit to the bus, and from the store to the hub: the same events, in the same words.

use std::sync::Arc;

use parlor_api::v1;
use parlor_bus::Bus;
use parlor_store::{OnCommit, Store, StoredEvent, TenantId};
use prost::Message as _;

use crate::{
    Error, Result,
    chat::convert,
    heads::Heads,
    hub::{self, Announced, Source, Topic},
    offset::Offsets,
    presence::{self, Presence},
};

/// What the store calls after each commit: each event is encoded once, and published in its conversation, if it is of
/// one, and in the feed of its tenant, in commit order.
pub fn on_commit(bus: Arc<dyn Bus>, offsets: Offsets, heads: Heads) -> OnCommit {
    Box::new(move |events| {
        for event in &events {
            announce(&*bus, &offsets, event);
            // Afterwards: who is marked as gone at this position was still told of it.
            heads.raise(event.tenant, event.position);
        }
    })
}

fn announce(bus: &dyn Bus, offsets: &Offsets, stored: &Arc<StoredEvent>) {
    let encoded = convert::event(offsets, stored).encode_to_vec();
    if let Some(id) = stored.subject.as_conversation() {
        hub::publish(bus, Topic::Conversation(stored.tenant, id), stored.sequence, &encoded);
    }
    hub::publish(bus, Topic::Feed(stored.tenant), stored.position, &encoded);
}

/// What presence calls after each stored edge.
#[must_use]
pub fn on_presence(bus: Arc<dyn Bus>) -> presence::Announce {
    Arc::new(move |tenant, revision, event| {
        hub::publish(&*bus, Topic::Presence(tenant), revision, &event.encode_to_vec());
    })
}

/// What the hub fetches, read from the store.
#[derive(Clone)]
pub struct StoreSource {
    store: Store,
    presence: Presence,
    offsets: Offsets,
}

impl StoreSource {
    /// Reads from this store.
    #[must_use]
    pub fn new(store: Store, presence: Presence, offsets: Offsets) -> Self {
        Self { store, presence, offsets }
    }
}

#[async_trait::async_trait]
impl Source for StoreSource {
    async fn head(&self, topic: Topic) -> Result<i64> {
        let head = match topic {
            Topic::Conversation(tenant, id) => self.store.conversation_head(tenant, id).await?,
            Topic::Feed(tenant) => self.store.tenant_head(tenant).await?,
            Topic::Presence(_) | Topic::Typing(..) => return Err(not_a_log(topic)),
        };
        Ok(head)
    }

    async fn tail(&self, topic: Topic, after: i64, limit: u64) -> Result<Vec<Announced>> {
        let (events, number): (_, fn(&StoredEvent) -> i64) = match topic {
            Topic::Conversation(tenant, id) => {
                (self.store.conversation_events(tenant, id, after, limit).await?, |event| event.sequence)
            }
            Topic::Feed(tenant) => {
                (self.store.tenant_events(tenant, after, limit).await?, |event| event.position)
            }
            Topic::Presence(_) | Topic::Typing(..) => return Err(not_a_log(topic)),
        };
        let announced = |event| Announced::new(number(event), convert::event(&self.offsets, event));
        Ok(events.iter().map(announced).collect())
    }

    async fn presences(&self, tenant: TenantId) -> Result<(i64, Vec<v1::Presence>)> {
        self.presence.presences(tenant).await
    }
}

fn not_a_log(topic: Topic) -> Error {
    Error::Internal(format!("{} is not a log", topic.name()))
}
