//! Where somebody is found. What no index leads to is looked for in the order of the tenant, a bounded piece at a time, and
//! by a connection that reads, so that nobody who writes waits for it.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement, Value,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    TenantId, UserId,
    entity::{TenantOwned, conversation, event, idempotency, message, participant, reaction, read_mark},
    failure::Failure,
    query::{
        chat::change::erase::{OnMessage, Place},
        idempotency::PERSON,
    },
    readers::Readers,
};

/// Positions that are looked through with one statement: some ten milliseconds of reading.
const WINDOW: i64 = 20_000;

/// Somebody of a tenant.
pub(super) type Who = (TenantId, UserId);

/// The key of a person as a principal: the scope of their requests, and whose their reactions are.
pub(super) fn principal(user: UserId) -> String {
    format!("{PERSON}{user}")
}

/// What was found in a piece of the tenant's order, and where the next one begins; `None` behind the last.
pub(super) struct Window<R> {
    pub rows: Vec<R>,
    pub next: Option<i64>,
}

impl<R> Window<R> {
    fn of(rows: Vec<R>, (after, until): (i64, i64), limit: u64, position: impl Fn(&R) -> i64) -> Self {
        let is_full = rows.len() as u64 >= limit;
        let last = rows.last().map(position).filter(|_| is_full);
        let reached = last.unwrap_or_else(|| after.saturating_add(WINDOW));
        Self { rows, next: Some(reached).filter(|reached| *reached < until) }
    }
}

/// Messages that they wrote, above a position and up to another.
pub(super) async fn written(
    db: &Readers,
    (tenant, user): Who,
    (after, until): (i64, i64),
    limit: u64,
) -> Result<Window<message::Model>, Failure> {
    let columns = [message::Column::Position, message::Column::AuthorId];
    let rows = by(user, message::Entity::of(tenant), columns, (after, until)).limit(limit).all(db).await?;
    Ok(Window::of(rows, (after, until), limit, |row| row.position))
}

/// Other events that they caused, above a position and up to another.
pub(super) async fn caused(
    db: &Readers,
    (tenant, user): Who,
    (after, until): (i64, i64),
    limit: u64,
) -> Result<Window<event::Model>, Failure> {
    let columns = [event::Column::Position, event::Column::AuthorId];
    let rows = by(user, event::Entity::of(tenant), columns, (after, until)).limit(limit).all(db).await?;
    Ok(Window::of(rows, (after, until), limit, |row| row.position))
}

/// What somebody is the author of, above a position and up to another or the end of the window, in its order.
fn by<E: EntityTrait>(
    UserId(user): UserId,
    all: Select<E>,
    [position, author]: [E::Column; 2],
    (after, until): (i64, i64),
) -> Select<E> {
    all.filter(position.gt(after))
        .filter(position.lte(std::cmp::min(until, after.saturating_add(WINDOW))))
        .filter(author.eq(user))
        .order_by_asc(position)
}

/// What they have put on messages, behind a place.
pub(super) async fn reactions(
    db: &Readers,
    (tenant, user): Who,
    after: Option<&OnMessage>,
    limit: u64,
) -> Result<Vec<reaction::Model>, Failure> {
    use reaction::Column;
    let mut wanted = reaction::Entity::of(tenant).filter(Column::Reactor.eq(principal(user)));
    if let Some((id, sequence, emoji)) = after {
        let place = [Column::ConversationId, Column::Sequence, Column::Emoji].map(Expr::col);
        let reached = [Expr::val(*id), Expr::val(*sequence), Expr::val(emoji.clone())];
        wanted = wanted.filter(Expr::tuple(place).gt(Expr::tuple(reached)));
    }
    let ordered = wanted
        .order_by_asc(Column::ConversationId)
        .order_by_asc(Column::Sequence)
        .order_by_asc(Column::Emoji)
        .limit(limit);
    Ok(ordered.all(db).await?)
}

/// How far they have read, in conversations behind one.
pub(super) async fn read_marks(
    db: &Readers,
    (tenant, user): Who,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<read_mark::Model>, Failure> {
    use read_mark::Column;
    let mut wanted = read_mark::Entity::of(tenant).filter(Column::Reader.eq(user.to_string()));
    if let Some(after) = after {
        wanted = wanted.filter(Column::ConversationId.gt(after));
    }
    Ok(wanted.order_by_asc(Column::ConversationId).limit(limit).all(db).await?)
}

/// Conversations behind one that name them in a column: the owner's, or who looks after it.
pub(super) fn conversations(
    (tenant, user): Who,
    column: conversation::Column,
    after: Option<Uuid>,
    limit: u64,
) -> Select<conversation::Entity> {
    let mut wanted = conversation::Entity::of(tenant).filter(column.eq(user.0));
    if let Some(after) = after {
        wanted = wanted.filter(conversation::Column::Id.gt(after));
    }
    wanted.order_by_asc(conversation::Column::Id).limit(limit)
}

/// What they take, or took, part in, behind a conversation.
pub(super) fn seats((tenant, user): Who, after: Option<Uuid>, limit: u64) -> Select<participant::Entity> {
    use participant::Column;
    let mut wanted = participant::Entity::of(tenant).filter(Column::PersonId.eq(user.0));
    if let Some(after) = after {
        wanted = wanted.filter(Column::ConversationId.gt(after));
    }
    wanted.order_by_asc(Column::ConversationId).limit(limit)
}

/// The places of messages.
pub(super) fn places(rows: &[message::Model]) -> Vec<Place> {
    rows.iter().map(|row| (row.conversation_id, row.sequence)).collect()
}

/// Requests of theirs whose answers are recorded. They are few: a day's.
pub(super) fn requests((tenant, user): Who, limit: u64) -> Select<idempotency::Entity> {
    use idempotency::Column;
    let own = principal(user);
    let about_something = Column::Principal.starts_with(format!("{own}/"));
    idempotency::Entity::of(tenant).filter(Column::Principal.eq(own).or(about_something)).limit(limit)
}

/// Recorded answers that hold a word, by (principal, method, request id).
pub(super) async fn answers_with(
    db: &Readers,
    tenant: TenantId,
    word: &str,
    limit: u64,
) -> Result<Vec<[Value; 4]>, Failure> {
    let backend = db.get_database_backend();
    let holds = match backend {
        DbBackend::Sqlite => "instr(response, $2) > 0",
        _ => "position($2 in response) > 0",
    };
    let sql = format!(
        "SELECT principal, method, request_id FROM idempotency WHERE tenant = $1 AND {holds} LIMIT $3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [tenant.0.into(), word.as_bytes().to_vec().into(), limit.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    rows.iter()
        .map(|row| {
            let text = |index| row.try_get_by_index::<String>(index).map(Value::from);
            Ok([tenant.0.into(), text(0)?, text(1)?, text(2)?])
        })
        .collect()
}
