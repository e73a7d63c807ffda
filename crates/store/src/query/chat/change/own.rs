//! A customer's own conversation of a kind: the one that is open or pending.
//!
//! At most one is current for each (tenant, owner, kind), and the schema holds that. Which one it is, is decided under the
//! tenant's lock: the current one, else the newest that is open or pending, has no key and is seen by the staff, else a new one. The id of a new
//! one follows from the one before it, so that whoever waits for it can be told of its first event.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use uuid::Uuid;

use super::{create, store_changes, tell};
use crate::query::chat::Chat;
use crate::{
    Cause, Conversation, ConversationChange, ConversationId, ConversationStatus, EnsureConversation,
    Mutation, Result, SeenBy, TenantId, UserId,
    entity::{TenantOwned, conversation},
    failure::Failure,
    query::code::Code,
    tx::Tx,
};

/// A customer's own conversation, to be found or created.
#[derive(Clone, Debug)]
pub struct OwnConversation {
    pub cause: Cause,
    pub owner: UserId,
    pub kind: String,
    /// Set, if it was not; never taken back.
    pub waiting: bool,
}

/// Where an owner's conversation of a kind is.
enum Found {
    /// Open or pending; `true` if it is marked as the current one.
    Here(Box<conversation::Model>, bool),
    /// Nowhere: the next one will have this id.
    Next(ConversationId),
}

impl Mutation<(Conversation, bool)> {
    /// Finds the owner's open or pending conversation of the kind, or creates it. Answers true if it was created.
    pub fn own_conversation(wanted: OwnConversation) -> Self {
        Self::new(wanted.cause.tenant, wanted, |wanted, tx| Box::pin(ensure(tx, wanted)))
    }
}

impl Chat {
    /// The id of the owner's open or pending conversation of a kind, and whether there is one yet.
    pub async fn own_conversation(
        &self,
        tenant: TenantId,
        owner: UserId,
        kind: &str,
    ) -> Result<(ConversationId, bool)> {
        Ok(match find(&self.db.readers, tenant, owner, kind).await? {
            Found::Here(row, _) => (ConversationId(row.id), true),
            Found::Next(id) => (id, false),
        })
    }
}

impl Chat {
    /// Where a message of this request to the owner's own conversation of a kind goes: where it is stored already, open or
    /// closed; else to the open or pending one, if it is known as theirs.
    pub async fn own_destination(
        &self,
        tenant: TenantId,
        owner: UserId,
        kind: &str,
        author_key: &str,
        request_id: &str,
    ) -> Result<Option<ConversationId>> {
        // One statement, since it is asked before each message: a look-up in each of a person's few conversations.
        let sql = "SELECT c.id, 1 AS stored FROM conversation c \
                   JOIN message m ON m.tenant = c.tenant AND m.conversation_id = c.id \
                   WHERE c.tenant = $1 AND c.owner_id = $2 AND c.kind = $3 AND c.key IS NULL \
                   AND m.author_key = $4 AND m.request_id = $5 \
                   UNION ALL SELECT id, 0 FROM conversation WHERE tenant = $1 AND current_owner = $2 AND kind = $3";
        let values = [tenant.0.into(), owner.0.into(), kind.into(), author_key.into(), request_id.into()];
        let db = &self.db.readers;
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        let mut found = Vec::new();
        for row in db.query_all_raw(statement).await.map_err(Failure::from)? {
            let (id, stored): (Uuid, i32) = (
                row.try_get("", "id").map_err(Failure::from)?,
                row.try_get("", "stored").map_err(Failure::from)?,
            );
            found.push((stored, ConversationId(id)));
        }
        Ok(found.into_iter().max_by_key(|(stored, _)| *stored).map(|(_, id)| id))
    }
}

async fn ensure(tx: &mut Tx, wanted: &OwnConversation) -> Result<(Conversation, bool), Failure> {
    let OwnConversation { cause, owner, .. } = wanted;
    let (tenant, owner) = (cause.tenant, *owner);
    super::require_user(tx, tenant, owner).await?;
    match find(tx.db(), tenant, owner, &wanted.kind).await? {
        Found::Here(row, is_current) => {
            if !is_current {
                set_current(tx, &row, owner).await?;
            }
            let row = conversation::Model { current_owner: Some(owner.0), ..*row };
            let changed = conversation::Model { waiting: row.waiting || wanted.waiting, ..row.clone() };
            Ok((store_changes(tx, &row, changed, cause).await?, false))
        }
        Found::Next(id) => {
            let new = EnsureConversation {
                cause: cause.clone(),
                key: None,
                kind: wanted.kind.clone(),
                waiting: wanted.waiting,
                owner_id: Some(owner),
                members: Vec::new(),
                seen_by: SeenBy::Staff,
            };
            let row = create(tx, id, &new, Some(owner)).await?;
            Ok((tell(tx, row, &ConversationChange::Created, cause).await?, true))
        }
    }
}

async fn find(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    owner: UserId,
    kind: &str,
) -> Result<Found, Failure> {
    use conversation::Column;
    let current = conversation::Entity::of(tenant)
        .filter(Column::CurrentOwner.eq(owner.0))
        .filter(Column::Kind.eq(kind))
        .one(db)
        .await?;
    if let Some(current) = current {
        return Ok(Found::Here(Box::new(current), true));
    }
    let of_owner = || {
        conversation::Entity::of(tenant)
            .filter(Column::OwnerId.eq(owner.0))
            .filter(Column::Kind.eq(kind))
            .filter(Column::Key.is_null())
            .filter(Column::SeenBy.eq(SeenBy::Staff.code()))
            .order_by_desc(Column::Number)
            .limit(1)
    };
    let open = of_owner().filter(Column::Status.ne(ConversationStatus::Closed.code())).one(db).await?;
    if let Some(open) = open {
        return Ok(Found::Here(Box::new(open), false));
    }
    let before = of_owner().one(db).await?.map(|row| ConversationId(row.id));
    Ok(Found::Next(ConversationId::own(tenant, owner, kind, before)))
}

async fn set_current(tx: &mut Tx, row: &conversation::Model, owner: UserId) -> Result<(), Failure> {
    tx.counters(TenantId(row.tenant))?.conversation_revision += 1;
    conversation::Entity::update_many()
        .set(conversation::ActiveModel { current_owner: Set(Some(owner.0)), ..Default::default() })
        .filter(conversation::Column::Tenant.eq(row.tenant))
        .filter(conversation::Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}
