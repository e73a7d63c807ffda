//! What is too old goes, from the beginning of a tenant's order, a little at a time.
//!
//! Numbers outlive content: what goes is all that stands up to a position, and the first number that is kept is stored as
//! the floor, of the tenant and of each conversation. So everything from a floor on is there without a gap, and whoever asks
//! from below it can be told. A step happens in one transaction under the tenant's lock, floors included.
//!
//! Messages and the other events of conversations go, with what was put on them. Conversations stay, and so do marks: they
//! are numbers. An event of another kind of subject stays.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use crate::{
    AuthorKind, Millis, Mutation, Result, SubjectKind, TenantId, bulk,
    entity::conversation,
    failure::Failure,
    query::{code::Code, event::Log},
    tx::Tx,
};

/// Events that one step looks at: about what one batch of messages costs, so nobody who writes meanwhile waits for more.
pub const SWEEP_EVENTS: usize = 256;

/// What a step took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub messages: u64,
    pub events: u64,
    /// More may be too old.
    pub more: bool,
}

/// An event, as far as it matters here.
struct Line {
    position: i64,
    at: Millis,
    sequence: i64,
    /// `None` if it is of another kind of subject.
    conversation: Option<Uuid>,
    is_customers: bool,
}

impl Log {
    /// Takes away what was stored before a time, at most [`SWEEP_EVENTS`] events from the beginning. It ends at the first
    /// that is not older, since positions have no gaps.
    pub async fn sweep(&self, tenant: TenantId, before: Millis) -> Result<Swept> {
        let sweeps = Mutation::new(tenant, (tenant, before), |(tenant, before), tx| {
            Box::pin(sweep(tx, *tenant, *before))
        });
        self.db.apply(sweeps.refuses_first()).await
    }
}

async fn sweep(tx: &mut Tx, tenant: TenantId, before: Millis) -> Result<Swept, Failure> {
    let floor = tx.counters(tenant)?.floor_position;
    let mut old = oldest(tx, tenant, floor).await?;
    old.truncate(old.iter().take_while(|line| line.at < before).count());
    let Some(through) = old.last().map(|line| line.position) else { return Ok(Swept::default()) };
    let gone = [tenant.0.into(), floor.into(), through.into()];
    delete(
        tx,
        "reaction WHERE tenant = $1 AND (conversation_id, sequence) IN \
         (SELECT conversation_id, sequence FROM message WHERE tenant = $1 AND position BETWEEN $2 AND $3)",
        &gone,
    )
    .await?;
    let messages = delete(tx, "message WHERE tenant = $1 AND position BETWEEN $2 AND $3", &gone).await?;
    let of_conversations = "event WHERE tenant = $1 AND position BETWEEN $2 AND $3 AND subject_kind = 1";
    let events = delete(tx, of_conversations, &gone).await?;
    raise_floors(tx, tenant, &old).await?;
    let counters = tx.counters(tenant)?;
    counters.floor_position = through + 1;
    counters.conversation_revision += 1;
    Ok(Swept { messages, events, more: old.len() == SWEEP_EVENTS })
}

/// The first events that are kept, of both tables, in the tenant's order.
async fn oldest(tx: &Tx, tenant: TenantId, floor: i64) -> Result<Vec<Line>, Failure> {
    let tables = [
        "SELECT position, created_at, sequence, conversation_id, author_kind, 1 FROM message",
        "SELECT position, created_at, sequence, subject_id, 0, subject_kind FROM event",
    ];
    let most = i64::try_from(SWEEP_EVENTS).expect("the number is small");
    let mut lines = Vec::with_capacity(2 * SWEEP_EVENTS);
    for table in tables {
        let sql = format!("{table} WHERE tenant = $1 AND position >= $2 ORDER BY position LIMIT $3");
        let values = [tenant.0.into(), floor.into(), most.into()];
        let statement = Statement::from_sql_and_values(tx.db().get_database_backend(), sql, values);
        for row in tx.db().query_all_raw(statement).await? {
            // A number that is written in the statement is of 32 bits on the one database and of 64 on the other.
            let small = |at: usize| match row.try_get_by_index::<i16>(at) {
                Ok(number) => Ok(i32::from(number)),
                Err(_) => row.try_get_by_index::<i32>(at),
            };
            let is_of_conversation = small(5)? == i32::from(SubjectKind::CONVERSATION.0);
            lines.push(Line {
                position: row.try_get_by_index(0)?,
                at: row.try_get_by_index(1)?,
                sequence: row.try_get_by_index(2)?,
                conversation: is_of_conversation.then(|| row.try_get_by_index(3)).transpose()?,
                is_customers: small(4)? == i32::from(AuthorKind::Customer.code()),
            });
        }
    }
    lines.sort_unstable_by_key(|line| line.position);
    lines.truncate(SWEEP_EVENTS);
    Ok(lines)
}

async fn delete(tx: &Tx, which: &str, values: &[Value; 3]) -> Result<u64, Failure> {
    let (backend, sql) = (tx.db().get_database_backend(), format!("DELETE FROM {which}"));
    let statement = Statement::from_sql_and_values(backend, sql, values.clone());
    Ok(tx.db().execute_raw(statement).await?.rows_affected())
}

/// Tells the conversations of which something went, and takes from what the staff have not read what is no longer there.
async fn raise_floors(tx: &mut Tx, tenant: TenantId, gone: &[Line]) -> Result<(), Failure> {
    let mut of_each: BTreeMap<Uuid, Vec<&Line>> = BTreeMap::new();
    for line in gone {
        if let Some(conversation) = line.conversation {
            of_each.entry(conversation).or_default().push(line);
        }
    }
    let keys = of_each.keys().map(|id| [tenant.0.into(), (*id).into()]).collect();
    let columns = [conversation::Column::Tenant, conversation::Column::Id];
    let mut rows = bulk::select::<conversation::Entity, 2>(tx.db(), columns, keys).await?;
    for row in &mut rows {
        let Some(gone) = of_each.get(&row.id) else { continue };
        let last = gone.last().map_or(0, |line| line.sequence);
        let unread = gone.iter().filter(|line| line.is_customers && line.sequence > row.staff_read_sequence);
        let unread = i64::try_from(unread.count()).unwrap_or(i64::MAX);
        row.floor_sequence = row.floor_sequence.max(last + 1);
        row.unread_count = (row.unread_count - unread).max(0);
    }
    tx.later(bulk::update_floors(tx.db().get_database_backend(), &rows));
    tx.write().await
}
