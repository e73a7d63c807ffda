//! Kinds of subjects: what the rest of the core asks the service that keeps them.
//!
//! The order of a tenant, its topics and links know a subject by its kind and id, and move its events in order without
//! reading them. What an event says, who may hear it and how far back it is kept is known here, by [`Kind`].

use std::{collections::BTreeMap, sync::Arc};

use parlor_api::v1;
use parlor_store::{Shown, Store, StoredEvent, Subject, SubjectKind, TenantId, UserId};
use uuid::Uuid;

use crate::{
    Error, Result,
    caller::Principal,
    offset::Offsets,
    wire::{timestamp, unsigned},
};

/// What a service says of the subjects that it keeps.
#[async_trait::async_trait]
pub trait Kind: Send + Sync + 'static {
    /// Says in an event what happened. Its place in the orders, its time and for whom it is are there already.
    fn tell(&self, stored: &StoredEvent, event: &mut v1::Event);

    /// True if all staff see the subject of this event, and so hear in their tenant's feed what happened.
    fn is_for_staff(&self, _stored: &StoredEvent) -> bool {
        true
    }

    /// Who is told what happened without having opened the subject.
    fn told_to(&self, _stored: &StoredEvent) -> Vec<UserId> {
        Vec::new()
    }

    /// Fails unless the principal may hear a subject; `by_key` if whoever opened it knew its key.
    async fn may_hear(&self, store: &Store, principal: &Principal, id: Uuid, by_key: bool) -> Result<()>;

    /// The sequence of the oldest event of a subject that is still kept.
    async fn floor(&self, _store: &Store, _tenant: TenantId, _id: Uuid) -> Result<i64> {
        Ok(1)
    }
}

/// The kinds that a core knows, by their numbers. Cloning is cheap.
#[derive(Clone)]
pub struct Kinds {
    known: Arc<BTreeMap<SubjectKind, Arc<dyn Kind>>>,
    offsets: Offsets,
}

/// The subjects in a store. Cloning is cheap.
#[derive(Clone)]
pub struct Subjects {
    store: Store,
    kinds: Kinds,
}

impl Kinds {
    /// These.
    pub fn new(known: impl IntoIterator<Item = (SubjectKind, Arc<dyn Kind>)>, offsets: Offsets) -> Self {
        Self { known: Arc::new(known.into_iter().collect()), offsets }
    }

    /// A stored event, as staff see it. Of a kind that is not known, only its place in the orders is told.
    #[must_use]
    pub fn event(&self, stored: &StoredEvent) -> v1::Event {
        let mut event = envelope(&self.offsets, stored);
        if let Some(kind) = self.known.get(&stored.subject.kind) {
            kind.tell(stored, &mut event);
        }
        event
    }

    /// A stored event in the feed of its tenant, which all staff hear: of what only its participants see, only its place
    /// in the orders is told.
    #[must_use]
    pub fn in_feed(&self, stored: &StoredEvent) -> v1::Event {
        if self.is_for_staff(stored) { self.event(stored) } else { envelope(&self.offsets, stored) }
    }

    /// Who is told of this event by themselves.
    #[must_use]
    pub fn told_to(&self, stored: &StoredEvent) -> Vec<UserId> {
        self.known.get(&stored.subject.kind).map(|kind| kind.told_to(stored)).unwrap_or_default()
    }

    /// True if all staff may know what this event says.
    #[must_use]
    pub fn is_for_staff(&self, stored: &StoredEvent) -> bool {
        self.known.get(&stored.subject.kind).is_none_or(|kind| kind.is_for_staff(stored))
    }
}

impl Subjects {
    /// Those of a store.
    #[must_use]
    pub fn new(store: Store, kinds: Kinds) -> Self {
        Self { store, kinds }
    }

    /// Fails unless the principal may hear a subject.
    pub async fn may_hear(&self, principal: &Principal, subject: Subject) -> Result<()> {
        self.kind(subject)?.may_hear(&self.store, principal, subject.id, false).await
    }

    /// Whether a principal may go on hearing a subject that was opened to somebody else; `by_key` if that one knew the
    /// key, and so whoever speaks now.
    pub async fn may_hear_on(&self, principal: &Principal, subject: Subject, by_key: bool) -> Result<bool> {
        match self.kind(subject)?.may_hear(&self.store, principal, subject.id, by_key).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound(_) | Error::NotOwner | Error::NotParty | Error::RoleRequired(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The sequence of the oldest event of a subject that is still kept.
    pub async fn floor(&self, tenant: TenantId, subject: Subject) -> Result<i64> {
        self.kind(subject)?.floor(&self.store, tenant, subject.id).await
    }

    /// The position of the oldest event from which on everything of a tenant is kept.
    pub async fn tenant_floor(&self, tenant: TenantId) -> Result<i64> {
        Ok(self.store.log.tenant_floor(tenant).await?)
    }

    fn kind(&self, subject: Subject) -> Result<&dyn Kind> {
        let known = self.kinds.known.get(&subject.kind);
        known.map(|kind| &**kind).ok_or_else(|| Error::field("topic.subject.kind", "must be a known one"))
    }
}

/// What every stored event says of itself, whatever happened.
#[must_use]
pub fn envelope(offsets: &Offsets, stored: &StoredEvent) -> v1::Event {
    let audience = match stored.shown {
        Shown::Participants => v1::Audience::Participants,
        Shown::Staff => v1::Audience::Staff,
    };
    v1::Event {
        sequence: unsigned(stored.sequence),
        time: Some(timestamp(stored.at)),
        audience: audience.into(),
        origin_connection: stored.origin.clone(),
        offset: offsets.of(stored.tenant, stored.position),
        ..v1::Event::default()
    }
}
