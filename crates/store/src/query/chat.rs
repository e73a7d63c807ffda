//! Conversations and messages: what is read. Messages are stored in `append`, what else changes is in `change`.

pub(crate) mod append;
pub(crate) mod change;
pub(crate) mod join;
mod missed;
pub(crate) mod participant;
pub(crate) mod recent;

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    Access, AuthorKind, Conversation, ConversationFilter, ConversationId, ConversationStatus, Error, Message,
    MessageFilter, Millis, Result, SeenBy, TenantId, UserId, What,
    database::Database,
    entity::{TenantOwned, conversation, message},
    failure::Failure,
    query::{code::Code, event},
};

pub use change::{OwnConversation, Reacting, Reaction};
pub use missed::{Missed, Missing, Pick};

/// Conversations and their messages. Cloning is cheap.
#[derive(Clone)]
pub struct Chat {
    pub(crate) db: Arc<Database>,
}

impl Chat {
    /// One conversation, with its people and its newest message.
    pub async fn conversation(&self, tenant: TenantId, id: ConversationId) -> Result<Conversation> {
        Ok(one(&self.db.readers, tenant, id).await?)
    }

    /// Whether somebody takes part in a conversation now.
    pub async fn takes_part(&self, tenant: TenantId, id: ConversationId, person: UserId) -> Result<bool> {
        let seat = (tenant.0, id.0, person.0);
        Ok(!participant::taken(&self.db.readers, [seat].into()).await?.is_empty())
    }

    /// The id of the conversation with a number.
    pub async fn conversation_by_number(&self, tenant: TenantId, number: i64) -> Result<ConversationId> {
        let row = conversation::Entity::of(tenant)
            .filter(conversation::Column::Number.eq(number))
            .one(&self.db.readers)
            .await?;
        row.map(|row| ConversationId(row.id)).ok_or(Error::NotFound(What::Conversation))
    }

    /// The most recently active first, or the most recently changed. `before` is (customer_active_at or updated_at, number)
    /// of the last row of the previous page.
    pub async fn list_conversations(
        &self,
        tenant: TenantId,
        filter: &ConversationFilter,
        before: Option<(Millis, i64)>,
        limit: u64,
    ) -> Result<Vec<Conversation>> {
        use conversation::Column;
        let mut wanted = conversation::Entity::of(tenant).filter(wanted_conversations(
            tenant,
            filter,
            self.db.readers.get_database_backend(),
        ));
        let time = if filter.order_by_update { Column::UpdatedAt } else { Column::CustomerActiveAt };
        if let Some((at, number)) = before {
            let place = Expr::tuple([Expr::col(time), Expr::col(Column::Number)]);
            wanted = wanted.filter(place.lt(Expr::tuple([at.into(), number.into()])));
        }
        let rows = wanted
            .order_by_desc(time)
            .order_by_desc(Column::Number)
            .limit(limit)
            .all(&self.db.readers)
            .await?;
        Ok(join::conversations(&self.db.readers, rows).await?)
    }

    /// Messages by sequence, with their authors.
    pub async fn list_messages(
        &self,
        tenant: TenantId,
        id: ConversationId,
        filter: &MessageFilter,
        limit: u64,
    ) -> Result<Vec<Message>> {
        use message::Column;
        let mut wanted = messages(tenant, id).filter(Column::Sequence.gt(filter.after_sequence));
        if let Some(through) = filter.through_sequence {
            wanted = wanted.filter(Column::Sequence.lte(through));
        }
        if let Some(kind) = filter.author_kind {
            wanted = wanted.filter(Column::AuthorKind.eq(kind.code()));
        }
        if let Some(after) = filter.stored_after {
            wanted = wanted.filter(Column::CreatedAt.gt(after));
        }
        let order = if filter.descending { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
        let rows = wanted.order_by(Column::Sequence, order).limit(limit).all(&self.db.readers).await?;
        Ok(join::messages(&self.db.readers, &rows).await?)
    }
}

/// One conversation, joined.
pub(crate) async fn one(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: ConversationId,
) -> Result<Conversation, Failure> {
    let row = row(db, tenant, id).await?;
    let joined = join::conversations(db, vec![row]).await?;
    joined.into_iter().next().ok_or(Error::NotFound(What::Conversation).into())
}

/// One conversation as a row.
pub(crate) async fn row(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: ConversationId,
) -> Result<conversation::Model, Failure> {
    event::find(db, tenant, id).await?.ok_or(Error::NotFound(What::Conversation).into())
}

pub(crate) fn messages(tenant: TenantId, id: ConversationId) -> Select<message::Entity> {
    message::Entity::of(tenant).filter(message::Column::ConversationId.eq(id.0))
}

/// What somebody reaches without a key.
fn reached(tenant: TenantId, access: Access) -> Condition {
    use conversation::Column;
    let seats = access.person.map(|person| participant::conversations_of(tenant, person));
    let staff = access.staff.then(|| Column::SeenBy.eq(SeenBy::Staff.code()));
    let none = (seats.is_none() && staff.is_none()).then(|| Expr::val(false));
    Condition::any()
        .add_option(seats.map(|seats| Column::Id.in_subquery(seats)))
        .add_option(staff)
        .add_option::<sea_orm::sea_query::SimpleExpr>(none)
}

fn wanted_conversations(tenant: TenantId, filter: &ConversationFilter, backend: DbBackend) -> Condition {
    use conversation::Column;
    let owner: Option<Uuid> = filter.owner_id.map(|UserId(id)| id);
    let assignee: Option<Uuid> = filter.assignee_id.map(|UserId(id)| id);
    let statuses: Vec<i16> = filter.statuses.iter().copied().map(ConversationStatus::code).collect();
    // The one question that the two databases spell differently: is the string among those of the JSON list?
    let tagged = filter.tag.as_ref().map(|tag| match backend {
        DbBackend::Sqlite => Expr::cust_with_values(
            "EXISTS (SELECT 1 FROM json_each(conversation.tags) AS tag WHERE tag.value = ?)",
            [tag.as_str()],
        ),
        _ => Expr::cust_with_values("conversation.tags @> to_jsonb($1::text)", [tag.as_str()]),
    });
    Condition::all()
        .add_option((!statuses.is_empty()).then(|| Column::Status.is_in(statuses)))
        .add_option(filter.kind.as_ref().map(|kind| Column::Kind.eq(kind)))
        .add_option(owner.map(|owner| Column::OwnerId.eq(owner)))
        .add_option(assignee.map(|assignee| Column::AssigneeId.eq(assignee)))
        .add_option(tagged)
        .add_option(filter.unread_only.then(|| Column::UnreadCount.gt(0)))
        .add_option(filter.access.map(|access| reached(tenant, access)))
        .add_option(filter.active_after.map(|after| Column::CustomerActiveAt.gt(after)))
}

/// How many customer messages stand above a sequence.
async fn unread_above(
    db: &impl ConnectionTrait,
    row: &conversation::Model,
    sequence: i64,
) -> Result<i64, Failure> {
    use sea_orm::PaginatorTrait;
    if sequence >= row.last_message_sequence {
        return Ok(0);
    }
    let count = messages(TenantId(row.tenant), ConversationId(row.id))
        .filter(message::Column::Sequence.gt(sequence))
        .filter(message::Column::AuthorKind.eq(AuthorKind::Customer.code()))
        .count(db)
        .await?;
    i64::try_from(count).map_err(|_| Error::Defect("unread count".to_owned()).into())
}
