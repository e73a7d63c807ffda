//! What somebody missed: the events above a position, of a whole tenant or of the conversations of one person.
//!
//! The head is read first and nothing above it is answered, so what is answered lacks nothing of what it covers. In a
//! conversation position rises with sequence, so where the missed events begin is found by a few jumps down the primary
//! key, however long the conversation is and whatever else was stored in the tenant.

use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use uuid::Uuid;

use super::{messages, participant::conversations_of};
use crate::query::chat::Chat;
use crate::{
    ConversationId, Result, StoredEvent, TenantId, UserId,
    entity::{TenantOwned, conversation, event, message},
    failure::Failure,
    query::event::{self as order, FIRST_JUMP},
};

/// So many conversations of a person are looked at, those that changed last: more than any person has, and few enough that
/// nobody can make one call costly.
const OWNED_MAX: u64 = 200;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Missing {
    /// Events above this position.
    pub after: i64,
    /// At most so many, the oldest.
    pub limit: u64,
    pub messages_only: bool,
}

/// What was missed, by position.
#[derive(Clone, Debug)]
pub struct Missed {
    pub events: Vec<StoredEvent>,
    /// Everything wanted up to `through` is here, and `through` is the head.
    pub complete: bool,
    /// There was more than the limit.
    pub more: bool,
    /// The position that the answer reaches.
    pub through: i64,
}

/// One conversation of which something may have been missed.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    pub conversation: ConversationId,
    /// Events above this sequence.
    pub after_sequence: i64,
    /// Events up to this position.
    pub through: Option<i64>,
}

/// Rows that are candidates, and up to where.
struct Gathered {
    sent: Vec<message::Model>,
    other: Vec<event::Model>,
    through: i64,
    room: usize,
}

impl Chat {
    /// What was missed in a tenant.
    pub async fn missed_in_tenant(&self, tenant: TenantId, missing: Missing) -> Result<Missed> {
        let mut gathered = Gathered::new(order::head(&self.db.readers, tenant).await?, missing);
        if missing.after > gathered.through {
            return Ok(gathered.nothing());
        }
        let rows = message::Entity::of(tenant)
            .filter(message::Column::Position.gt(missing.after))
            .filter(message::Column::Position.lte(gathered.through))
            .order_by_asc(message::Column::Position)
            .limit(missing.limit + 1)
            .all(&self.db.readers);
        gathered.sent = rows.await?;
        if !missing.messages_only {
            let rows = event::Entity::of(tenant)
                .filter(event::Column::Position.gt(missing.after))
                .filter(event::Column::Position.lte(gathered.through))
                .order_by_asc(event::Column::Position)
                .limit(missing.limit + 1)
                .all(&self.db.readers);
            gathered.other = rows.await?;
        }
        // After the rows: what has gone since then is here.
        let kept = Floor::read(&self.db.readers, tenant).await?.keeps(missing.after);
        let mut missed = gathered.join(&self.db.readers, kept).await?;
        // Positions have no gaps, so what is no longer kept shows.
        let expected = usize::try_from(missed.through - missing.after).unwrap_or(usize::MAX);
        missed.complete &= missing.messages_only || missed.events.len() == expected;
        Ok(missed)
    }

    /// What was missed in the conversations that somebody takes part in, since whenever.
    pub async fn missed_by_participant(
        &self,
        tenant: TenantId,
        person: UserId,
        missing: Missing,
    ) -> Result<Missed> {
        let mut gathered = Gathered::new(order::head(&self.db.readers, tenant).await?, missing);
        if missing.after > gathered.through {
            return Ok(gathered.nothing());
        }
        let floor = Floor::read(&self.db.readers, tenant).await?;
        // After the head: a conversation that is not here has nothing up to it.
        let mut owned = conversation::Entity::of(tenant)
            .filter(conversation::Column::Id.in_subquery(conversations_of(tenant, person)))
            .order_by_desc(conversation::Column::UpdatedAt)
            .limit(OWNED_MAX + 1)
            .all(&self.db.readers)
            .await?;
        let mut complete = owned.len() as u64 <= OWNED_MAX;
        owned.truncate(usize::try_from(OWNED_MAX).unwrap_or(usize::MAX));
        let mut kept = true;
        for row in owned {
            let all = Bound { after_sequence: 0, through: i64::MAX };
            kept &= gathered.add(&self.db.readers, &row, missing, all).await?;
        }
        complete &= floor.kept(&self.db.readers, tenant, missing.after, kept).await?;
        gathered.join(&self.db.readers, complete).await
    }

    /// What was missed in these conversations; and of each, the sequence of its last event up to the place asked from, and
    /// up to its bound. One that does not exist has nothing.
    pub async fn missed_in(
        &self,
        tenant: TenantId,
        picks: &[Pick],
        missing: Missing,
    ) -> Result<(Missed, Vec<(i64, i64)>)> {
        let head = order::head(&self.db.readers, tenant).await?;
        let mut gathered = Gathered::new(head, missing);
        if missing.after > head {
            return Ok((gathered.nothing(), vec![(0, 0); picks.len()]));
        }
        let floor = Floor::read(&self.db.readers, tenant).await?;
        let (mut kept, mut reaches) = (true, Vec::with_capacity(picks.len()));
        for pick in picks {
            let Some(row) = order::find(&self.db.readers, tenant, pick.conversation).await? else {
                reaches.push((0, 0));
                continue;
            };
            let bound = Bound { after_sequence: pick.after_sequence, through: pick.through.unwrap_or(head) };
            kept &= gathered.add(&self.db.readers, &row, missing, bound).await?;
            let from = reach(&self.db.readers, &row, missing.after, floor).await?;
            reaches.push((from, reach(&self.db.readers, &row, bound.through.min(head), floor).await?));
        }
        let complete = floor.kept(&self.db.readers, tenant, missing.after, kept).await?;
        Ok((gathered.join(&self.db.readers, complete).await?, reaches))
    }
}

impl Gathered {
    fn new(head: i64, missing: Missing) -> Self {
        let room = usize::try_from(missing.limit).unwrap_or(usize::MAX);
        Self { sent: Vec::new(), other: Vec::new(), through: head, room }
    }

    /// The answer for a place that this tenant has not reached.
    fn nothing(self) -> Missed {
        Missed { events: Vec::new(), complete: false, more: false, through: self.through }
    }

    /// Adds what was missed in one conversation; false if some of it may no longer be kept.
    async fn add(
        &mut self,
        db: &impl ConnectionTrait,
        row: &conversation::Model,
        missing: Missing,
        bound: Bound,
    ) -> Result<bool, Failure> {
        let through = self.through.min(bound.through);
        let (tenant, id) = (TenantId(row.tenant), ConversationId(row.id));
        let sent_after = seen(db, Table::Message, row, missing.after).await?.max(bound.after_sequence);
        if sent_after < row.last_sequence {
            let rows = messages(tenant, id)
                .filter(message::Column::Sequence.gt(sent_after))
                .filter(message::Column::Position.gt(missing.after))
                .filter(message::Column::Position.lte(through))
                .order_by_asc(message::Column::Sequence)
                .limit(missing.limit + 1);
            self.sent.extend(rows.all(db).await?);
        }
        let mut reached = sent_after;
        if !missing.messages_only {
            let other_after = seen(db, Table::Event, row, missing.after).await?;
            let other_after = other_after.max(bound.after_sequence);
            let rows = order::of(tenant, id.into())
                .filter(event::Column::Sequence.gt(other_after))
                .filter(event::Column::Position.gt(missing.after))
                .filter(event::Column::Position.lte(through))
                .order_by_asc(event::Column::Sequence)
                .limit(missing.limit + 1);
            self.other.extend(rows.all(db).await?);
            reached = reached.max(other_after);
        }
        self.cut();
        Ok(reached + 1 >= row.floor_sequence)
    }

    /// Forgets what is beyond the limit, and asks for nothing above it any more. True if something was.
    fn cut(&mut self) -> bool {
        // One more is kept, as the sign that there was more.
        let last = order::cut(&mut self.sent, &mut self.other, self.room.saturating_add(1));
        self.through = last.unwrap_or(self.through);
        last.is_some()
    }

    async fn join(mut self, db: &impl ConnectionTrait, complete: bool) -> Result<Missed> {
        let more = self.cut();
        if more {
            self.sent.retain(|row| row.position < self.through);
            self.other.retain(|row| row.position < self.through);
            self.through -= 1;
        }
        let events = order::join(db, &self.sent, &self.other).await?;
        Ok(Missed { events, complete: complete && !more, more, through: self.through })
    }
}

/// Where the events of a conversation are.
#[derive(Clone, Copy)]
enum Table {
    Message,
    Event,
}

/// What of a conversation is wanted.
#[derive(Clone, Copy)]
struct Bound {
    after_sequence: i64,
    through: i64,
}

/// The position from which on everything of a tenant is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Floor(i64);

impl Floor {
    async fn read(db: &impl ConnectionTrait, tenant: TenantId) -> Result<Self, Failure> {
        Ok(Self(order::floor(db, tenant).await?))
    }

    /// Everything above a position is kept.
    fn keeps(self, after: i64) -> bool {
        after + 1 >= self.0
    }

    /// Nothing above a position was missing while conversations were read; `known` if their own floors said so, which
    /// counts only if nothing went meanwhile.
    async fn kept(
        self,
        db: &impl ConnectionTrait,
        tenant: TenantId,
        after: i64,
        known: bool,
    ) -> Result<bool, Failure> {
        let now = Self::read(db, tenant).await?;
        Ok(now.keeps(after) || (known && now == self))
    }
}

/// The sequence of the last event of a conversation up to a position; of what is gone only its number is known, and where
/// even that is not, 0.
async fn reach(
    db: &impl ConnectionTrait,
    row: &conversation::Model,
    through: i64,
    floor: Floor,
) -> Result<i64, Failure> {
    let sent = last_up_to(db, Table::Message, row, through).await?;
    let found = sent.max(last_up_to(db, Table::Event, row, through).await?);
    // All that is gone stood below the tenant's floor.
    Ok(if floor.keeps(through) { found.max(row.floor_sequence - 1) } else { found })
}

/// The sequence of the last row of the table up to a position; 0 if there is none. No query names the position: asked for
/// that, a database reads all that the tenant has stored up to there.
async fn last_up_to(
    db: &impl ConnectionTrait,
    table: Table,
    row: &conversation::Model,
    position: i64,
) -> Result<i64, Failure> {
    let key = (row.tenant, row.id);
    // Mostly it is among the newest.
    let newest = newest_up_to(db, table, key, row.last_sequence, FIRST_JUMP).await?;
    if let Some((sequence, _)) = newest.iter().find(|(_, at)| *at <= position) {
        return Ok(*sequence);
    }
    // All rows up to `below` are up to the position, the last of them is `last`; those from `above` on are not.
    let (mut below, mut last, mut above) = (0, 0, newest.last().map_or(0, |(sequence, _)| *sequence));
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        match newest_up_to(db, table, key, middle, 1).await?.first() {
            Some((sequence, at)) if *at > position => above = *sequence,
            found => {
                last = found.map_or(last, |(sequence, _)| *sequence);
                below = middle;
            }
        }
    }
    Ok(last)
}

/// A sequence at or below which every row of the table has been seen by who has seen the position; the highest there is, or
/// somewhat less.
async fn seen(
    db: &impl ConnectionTrait,
    table: Table,
    row: &conversation::Model,
    position: i64,
) -> Result<i64, Failure> {
    let (mut at, mut jump) = (row.last_sequence, FIRST_JUMP);
    while at > 0 {
        match newest_up_to(db, table, (row.tenant, row.id), at, 1).await?.first().copied() {
            None => return Ok(0),
            // Nothing of this table is above it, so the search need not begin there.
            Some((_, found)) if found <= position && at == row.last_sequence => return Ok(at),
            Some((sequence, found)) if found <= position => return Ok(sequence),
            Some((sequence, _)) => {
                at = sequence - jump;
                jump *= 2;
            }
        }
    }
    Ok(0)
}

/// The (sequence, position) of the newest rows at or below a sequence, the newest first.
async fn newest_up_to(
    db: &impl ConnectionTrait,
    table: Table,
    (tenant, id): (i64, Uuid),
    sequence: i64,
    limit: i64,
) -> Result<Vec<(i64, i64)>, Failure> {
    let rows = match table {
        Table::Message => "message WHERE tenant = $1 AND conversation_id = $2",
        Table::Event => "event WHERE tenant = $1 AND subject_kind = 1 AND subject_id = $2",
    };
    let sql =
        format!("SELECT sequence, position FROM {rows} AND sequence <= $3 ORDER BY sequence DESC LIMIT $4");
    let values = [tenant.into(), id.into(), sequence.into(), limit.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}
