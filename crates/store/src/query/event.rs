//! The one order of a tenant: what tells an event into it, and what is read of it.
//!
//! Messages are in their own table, everything else is in `event`; here, and in what somebody missed, both are one order.
//! A tail is read below a head that was read first. All that is numbered up to a head is committed, since numbers are
//! given out under a lock that is held to the commit; so a tail has no gaps, whatever is stored meanwhile, but where it begins
//! below the floor: what stood there may be gone.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use crate::{
    Cause, Conversation, ConversationId, Error, EventBody, Millis, Mutation, Result, Shown, StoredEvent,
    Subject, SubjectKind, TenantId, UserId, bulk,
    database::Database,
    entity::{TenantOwned, conversation, event, message, tenant_counter},
    failure::Failure,
    query::{
        chat::join::{self, Named, People},
        code::Code,
        session::join as sessions,
    },
    tx::Tx,
};

/// The first step back in a search: about what is missed in a short absence.
pub(crate) const FIRST_JUMP: i64 = 32;

/// The one order of each tenant, and of each conversation in it. Cloning is cheap.
#[derive(Clone)]
pub struct Log {
    pub(crate) db: Arc<Database>,
}

impl Log {
    /// The sequence of a subject's newest event; 0 if there is none.
    pub async fn subject_head(&self, tenant: TenantId, subject: impl Into<Subject>) -> Result<i64> {
        let subject = subject.into();
        match subject.as_conversation() {
            Some(id) => Ok(find(&self.db.readers, tenant, id).await?.map_or(0, |row| row.last_sequence)),
            None => Ok(last(&self.db.readers, tenant, subject).await?),
        }
    }

    /// The sequence from which on everything of a conversation is kept; 1 if nothing ever went.
    pub async fn subject_floor(&self, tenant: TenantId, id: ConversationId) -> Result<i64> {
        Ok(find(&self.db.readers, tenant, id).await?.map_or(1, |row| row.floor_sequence))
    }

    /// The sequence of the oldest event that is kept of a subject that has no messages; 1 if there never was one.
    pub async fn oldest(&self, tenant: TenantId, subject: impl Into<Subject>) -> Result<i64> {
        let oldest = of(tenant, subject.into()).order_by_asc(event::Column::Sequence).one(&self.db.readers);
        Ok(oldest.await?.map_or(1, |row| row.sequence))
    }

    /// The events of a subject above a sequence, in order, those that are kept; none if it does not exist.
    pub async fn subject_events(
        &self,
        tenant: TenantId,
        subject: impl Into<Subject>,
        after: i64,
        limit: u64,
    ) -> Result<Vec<StoredEvent>> {
        let subject = subject.into();
        let head = self.subject_head(tenant, subject).await?;
        if after >= head {
            return Ok(Vec::new());
        }
        let sent = subject.as_conversation().map(|id| {
            message::Entity::of(tenant)
                .filter(message::Column::ConversationId.eq(id.0))
                .filter(message::Column::Sequence.gt(after))
                .filter(message::Column::Sequence.lte(head))
                .order_by_asc(message::Column::Sequence)
                .limit(limit)
        });
        let other = of(tenant, subject)
            .filter(event::Column::Sequence.gt(after))
            .filter(event::Column::Sequence.lte(head))
            .order_by_asc(event::Column::Sequence)
            .limit(limit);
        Ok(self.tail(sent, other, limit).await?)
    }

    /// Tells what happened to a subject that is nothing but its events: its next number follows from its last. A subject
    /// that keeps a row of its own has a query of its own, which counts there.
    pub async fn tell(
        &self,
        cause: Cause,
        subject: Subject,
        kind: i16,
        body: Vec<u8>,
        shown: Shown,
    ) -> Result<StoredEvent> {
        if subject.as_conversation().is_some() {
            return Err(Error::Defect("a conversation counts its events itself".to_owned()));
        }
        let new = NewEvent { cause, subject, sequence: 0, kind, body, shown };
        let told = Mutation::new(new.cause.tenant, new, |new, tx| {
            Box::pin(async move {
                let last = last(tx.db(), new.cause.tenant, new.subject).await?;
                tell(tx, NewEvent { sequence: last + 1, ..new.clone() }).await
            })
        });
        self.db.apply(told).await
    }

    /// The position of a tenant's newest event; 0 if there is none.
    pub async fn tenant_head(&self, tenant: TenantId) -> Result<i64> {
        Ok(head(&self.db.readers, tenant).await?)
    }

    /// The position from which on everything of a tenant is kept; 1 if nothing ever went.
    pub async fn tenant_floor(&self, tenant: TenantId) -> Result<i64> {
        Ok(floor(&self.db.readers, tenant).await?)
    }

    /// The events of a tenant above a position, in order; those that are kept.
    pub async fn tenant_events(
        &self,
        tenant: TenantId,
        after_position: i64,
        limit: u64,
    ) -> Result<Vec<StoredEvent>> {
        let head = self.tenant_head(tenant).await?;
        if after_position >= head {
            return Ok(Vec::new());
        }
        let sent = message::Entity::of(tenant)
            .filter(message::Column::Position.gt(after_position))
            .filter(message::Column::Position.lte(head))
            .order_by_asc(message::Column::Position)
            .limit(limit);
        let other = event::Entity::of(tenant)
            .filter(event::Column::Position.gt(after_position))
            .filter(event::Column::Position.lte(head))
            .order_by_asc(event::Column::Position)
            .limit(limit);
        Ok(self.tail(Some(sent), other, limit).await?)
    }

    /// The position of the last event that was stored up to a time.
    pub async fn position_at(&self, tenant: TenantId, at: Millis) -> Result<i64> {
        let (mut high, mut jump) = (self.tenant_head(tenant).await?, FIRST_JUMP);
        let mut low = high;
        while low > 0 && self.stored_at(tenant, low).await? > at {
            high = low - 1;
            low = (low - jump).max(0);
            jump *= 2;
        }
        // `low` is not later than the time, and what is above `high` is.
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if self.stored_at(tenant, middle).await? > at { high = middle - 1 } else { low = middle }
        }
        Ok(low)
    }

    /// When the event of a position was stored; for one that is no longer kept, long ago.
    async fn stored_at(&self, tenant: TenantId, position: i64) -> Result<Millis> {
        let sent = message::Entity::of(tenant).filter(message::Column::Position.eq(position));
        if let Some(row) = sent.one(&self.db.readers).await? {
            return Ok(row.created_at);
        }
        let other = event::Entity::of(tenant).filter(event::Column::Position.eq(position));
        let row = other.one(&self.db.readers).await?;
        Ok(row.map_or(Millis::MIN, |row| row.created_at))
    }

    /// Merges the two halves of a tail. Position orders both kinds of tail: within a subject it rises with the sequence.
    async fn tail(
        &self,
        sent: Option<Select<message::Entity>>,
        other: Select<event::Entity>,
        limit: u64,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let mut sent = match sent {
            Some(sent) => sent.all(&self.db.readers).await?,
            None => Vec::new(),
        };
        let mut other = other.all(&self.db.readers).await?;
        cut(&mut sent, &mut other, usize::try_from(limit).unwrap_or(usize::MAX));
        join(&self.db.readers, &sent, &other).await
    }
}

/// Keeps so many rows, the first by position. Answers the position of the last if there are so many.
pub(crate) fn cut(sent: &mut Vec<message::Model>, other: &mut Vec<event::Model>, most: usize) -> Option<i64> {
    let of_sent = sent.iter().map(|row| row.position);
    let mut positions: Vec<i64> = of_sent.chain(other.iter().map(|row| row.position)).collect();
    positions.sort_unstable();
    let last = *positions.get(most.checked_sub(1)?)?;
    sent.retain(|row| row.position <= last);
    other.retain(|row| row.position <= last);
    Some(last)
}

/// The position of a tenant's newest event; 0 if there is none.
pub(crate) async fn head(db: &impl ConnectionTrait, tenant: TenantId) -> Result<i64, Failure> {
    let row = tenant_counter::Entity::of(tenant).one(db).await?;
    Ok(row.map_or(0, |row| row.position))
}

/// The position from which on everything of a tenant is kept.
pub(crate) async fn floor(db: &impl ConnectionTrait, tenant: TenantId) -> Result<i64, Failure> {
    let row = tenant_counter::Entity::of(tenant).one(db).await?;
    Ok(row.map_or(1, |row| row.floor_position))
}

/// The row of a conversation, if it is there.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: ConversationId,
) -> Result<Option<conversation::Model>, Failure> {
    Ok(conversation::Entity::of(tenant).filter(conversation::Column::Id.eq(id.0)).one(db).await?)
}

/// The events of a subject that are not messages.
pub(crate) fn of(tenant: TenantId, subject: Subject) -> Select<event::Entity> {
    event::Entity::of(tenant)
        .filter(event::Column::SubjectKind.eq(subject.kind.0))
        .filter(event::Column::SubjectId.eq(subject.id))
}

/// The sequence of the last event of a subject that is not a message.
pub(crate) async fn last(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    subject: Subject,
) -> Result<i64, Failure> {
    let row = of(tenant, subject).order_by_desc(event::Column::Sequence).one(db).await?;
    Ok(row.map_or(0, |row| row.sequence))
}

/// An event that is to be told.
#[derive(Clone)]
pub(crate) struct NewEvent {
    pub cause: Cause,
    pub subject: Subject,
    /// The one that follows the subject's last; who keeps the subject counts it.
    pub sequence: i64,
    pub kind: i16,
    pub body: Vec<u8>,
    pub shown: Shown,
}

/// Gives an event the tenant's next position, stores it, and announces it. Refused if nobody acts as its author any more.
pub(crate) async fn tell(tx: &mut Tx, new: NewEvent) -> Result<StoredEvent, Failure> {
    let Cause { tenant, author, at, origin } = new.cause;
    let counters = tx.counters(tenant)?;
    counters.position += 1;
    let row = event::Model {
        tenant: tenant.0,
        subject_kind: new.subject.kind.0,
        subject_id: new.subject.id,
        sequence: new.sequence,
        position: counters.position,
        author_kind: author.kind.code(),
        author_id: author.user_id.map(|UserId(user)| user),
        author_name: author.name,
        created_at: at,
        kind: new.kind,
        shown: new.shown.code(),
        body: new.body,
    };
    event::Entity::insert(row.clone().into_active_model()).exec_without_returning(tx.db()).await?;
    let mut told = join(tx.db(), &[], &[row]).await?;
    let told = told.pop().ok_or_else(|| Error::Defect("an event without a conversation".to_owned()))?;
    if let EventBody::Encoded { author, .. } = &told.body
        && author.user_id.is_some()
        && author.user.as_ref().is_none_or(|user| user.disabled)
    {
        return Err(Error::Withdrawn.into());
    }
    let told = StoredEvent { origin, ..told };
    tx.announce(told.clone());
    Ok(told)
}

/// Events by position. Their conversations are read after them, so they are at least as new.
pub(crate) async fn join(
    db: &impl ConnectionTrait,
    sent: &[message::Model],
    other: &[event::Model],
) -> Result<Vec<StoredEvent>, Failure> {
    let conversations = conversations(db, sent, other).await?;
    let sessions = sessions::of_events(db, other).await?;
    let mut named = Named::default();
    sent.iter().for_each(|row| named.message(row));
    other.iter().for_each(|row| named.add(row.tenant, row.author_id));
    let people = named.fetch(db).await?;
    let mut events = Vec::with_capacity(sent.len() + other.len());
    for row in sent {
        events.push(StoredEvent {
            tenant: TenantId(row.tenant),
            subject: ConversationId(row.conversation_id).into(),
            sequence: row.sequence,
            position: row.position,
            at: row.created_at,
            origin: String::new(),
            body: EventBody::Message(people.message(row)?),
            shown: Shown::Participants,
            conversation: conversations.get(&(row.tenant, row.conversation_id)).cloned(),
            session: None,
        });
    }
    for row in other {
        let subject = Subject { kind: SubjectKind(row.subject_kind), id: row.subject_id };
        let conversation = subject.as_conversation().and_then(|id| conversations.get(&(row.tenant, id.0)));
        events.push(StoredEvent {
            tenant: TenantId(row.tenant),
            subject,
            sequence: row.sequence,
            position: row.position,
            at: row.created_at,
            origin: String::new(),
            body: body(row, &people)?,
            shown: Shown::of_code(row.shown)?,
            conversation: conversation.cloned(),
            session: subject.as_session().and_then(|id| sessions.get(&(row.tenant, id.0)).cloned()),
        });
    }
    // Nothing is told of a conversation, or of a session, that is gone.
    events.retain(|event| {
        event.conversation.is_some() == event.subject.as_conversation().is_some()
            && event.session.is_some() == event.subject.as_session().is_some()
    });
    events.sort_unstable_by_key(|event| event.position);
    Ok(events)
}

fn body(row: &event::Model, people: &People) -> Result<EventBody, Failure> {
    let author = people.author(row.tenant, row.author_kind, row.author_id, &row.author_name)?;
    Ok(EventBody::Encoded { author, kind: row.kind, bytes: row.body.clone() })
}

/// The conversations that these events are of.
async fn conversations(
    db: &impl ConnectionTrait,
    sent: &[message::Model],
    other: &[event::Model],
) -> Result<HashMap<(i64, Uuid), Arc<Conversation>>, Failure> {
    let of_other = other.iter().filter(|row| row.subject_kind == SubjectKind::CONVERSATION.0);
    let places: BTreeSet<(i64, Uuid)> = sent
        .iter()
        .map(|row| (row.tenant, row.conversation_id))
        .chain(of_other.map(|row| (row.tenant, row.subject_id)))
        .collect();
    let keys = places.into_iter().map(|(tenant, id)| [tenant.into(), id.into()]).collect();
    let columns = [conversation::Column::Tenant, conversation::Column::Id];
    let rows = bulk::select::<conversation::Entity, 2>(db, columns, keys).await?;
    let joined = join::conversations(db, rows).await?;
    Ok(joined.into_iter().map(|each| ((each.tenant.0, each.id.0), Arc::new(each))).collect())
}
