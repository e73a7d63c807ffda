//! From a commit to the bus, and from the store to the hub: the same events, in the same words.

use std::sync::Arc;

use parlor_api::v1;
use parlor_bus::Bus;
use parlor_store::{OnCommit, Store, StoredEvent};
use prost::Message as _;

use crate::{
    Error, Result,
    heads::Heads,
    hub::{self, Announced, Source, StateOf, Topic, state},
    presence::{self, Presence, Seen},
    session,
    subject::{Kinds, Subjects},
};

/// What the store calls after each commit: each event is encoded once, and published in the log of its subject and
/// in the feed of its tenant, in commit order.
pub fn on_commit(bus: Arc<dyn Bus>, kinds: Kinds, heads: Heads) -> OnCommit {
    Box::new(move |events| {
        for event in &events {
            announce(&*bus, &kinds, event);
            // Afterwards: who is marked as gone at this position was still told of it.
            heads.raise(event.tenant, event.position);
        }
    })
}

fn announce(bus: &dyn Bus, kinds: &Kinds, stored: &Arc<StoredEvent>) {
    let encoded = kinds.event(stored).encode_to_vec();
    hub::publish(bus, Topic::Log(stored.tenant, stored.subject), stored.sequence, &encoded);
    for person in kinds.told_to(stored) {
        hub::publish(bus, Topic::State(stored.tenant, StateOf::Sessions(person)), stored.position, &encoded);
    }
    let encoded = if kinds.is_for_staff(stored) { encoded } else { kinds.in_feed(stored).encode_to_vec() };
    hub::publish(bus, Topic::Feed(stored.tenant), stored.position, &encoded);
}

/// What presence calls after each stored edge, and of visits that changed.
#[must_use]
pub fn on_presence(bus: Arc<dyn Bus>) -> presence::Announce {
    Arc::new(move |tenant, revision, event| {
        let of = match &event.payload {
            Some(v1::event::Payload::VisitChanged(_)) => StateOf::Visits,
            _ => StateOf::Presence,
        };
        hub::publish(&*bus, Topic::State(tenant, of), revision, &event.encode_to_vec());
    })
}

/// What the hub fetches, read from the store.
#[derive(Clone)]
pub struct StoreSource {
    store: Store,
    presence: Presence,
    kinds: Kinds,
    subjects: Subjects,
}

impl StoreSource {
    /// Reads from this store.
    #[must_use]
    pub fn new(store: Store, presence: Presence, kinds: Kinds) -> Self {
        let subjects = Subjects::new(store.clone(), kinds.clone());
        Self { store, presence, kinds, subjects }
    }
}

#[async_trait::async_trait]
impl Source for StoreSource {
    async fn head(&self, topic: Topic) -> Result<i64> {
        let head = match topic {
            Topic::Log(tenant, subject) => self.store.log.subject_head(tenant, subject).await?,
            Topic::Feed(tenant) => self.store.log.tenant_head(tenant).await?,
            Topic::State(..) => return Err(not_a_log(topic)),
        };
        Ok(head)
    }

    async fn tail(&self, topic: Topic, after: i64, limit: u64) -> Result<Vec<Announced>> {
        let announced: Vec<Announced> = match topic {
            Topic::Log(tenant, subject) => {
                let events = self.store.log.subject_events(tenant, subject, after, limit).await?;
                events.iter().map(|event| Announced::new(event.sequence, self.kinds.event(event))).collect()
            }
            Topic::Feed(tenant) => {
                let events = self.store.log.tenant_events(tenant, after, limit).await?;
                events.iter().map(|event| Announced::new(event.position, self.kinds.in_feed(event))).collect()
            }
            Topic::State(..) => return Err(not_a_log(topic)),
        };
        Ok(announced)
    }

    async fn floor(&self, topic: Topic) -> Result<i64> {
        match topic {
            Topic::Log(tenant, subject) => self.subjects.floor(tenant, subject).await,
            Topic::Feed(tenant) => self.subjects.tenant_floor(tenant).await,
            Topic::State(..) => Err(not_a_log(topic)),
        }
    }

    async fn state(&self, topic: Topic) -> Result<Option<(i64, v1::Event)>> {
        match topic {
            Topic::State(tenant, StateOf::Presence) => {
                let (seen, revision) = self.presence.online(tenant).await?;
                let presences = seen.iter().map(Seen::to_proto).collect();
                Ok(Some((revision, state::presence_snapshot(revision, presences))))
            }
            Topic::State(tenant, StateOf::Sessions(person)) => {
                let (live, position) = self.store.sessions.live_of(tenant, person).await?;
                let live = live.iter().map(session::convert::session).collect();
                Ok(Some((position, state::sessions_snapshot(live))))
            }
            Topic::State(tenant, StateOf::Visits) => {
                let (revision, visits) = self.presence.visits().snapshot(tenant).await?;
                Ok(Some((revision, state::visit_snapshot(revision, visits))))
            }
            Topic::State(_, StateOf::Typing(_)) | Topic::Log(..) | Topic::Feed(_) => Ok(None),
        }
    }
}

fn not_a_log(topic: Topic) -> Error {
    Error::Internal(format!("{} is not a log", topic.name()))
}
