//! Changes of a conversation that are not messages: made, patched, read.
//!
//! What changes a field is an event with a number; what changes nothing has none and consumes none.

pub(crate) mod erase;
mod own;
mod react;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::OnConflict,
};

use crate::query::chat::Chat;
use crate::{
    Appended, AuthorKind, Cause, Conversation, ConversationChange, ConversationId, ConversationPatch,
    ConversationStatus, EnsureConversation, Error, Mutation, NewMessage, Part, Result, TenantId, UserId,
    What,
    entity::{Strings, TenantOwned, conversation, read_mark, user},
    failure::Failure,
    query::{
        chat::{self, participant},
        code::Code,
        event::{self, NewEvent},
        users,
    },
    tx::Tx,
};

pub use own::OwnConversation;
pub use react::{Reacting, Reaction};

impl Chat {
    /// Stores a message together with all that is queued, and answers when it is durable.
    ///
    /// A customer's message makes the conversation unanswered, opens it if it was pending or closed, and raises
    /// `unread_count` and `customer_active_at`. A staff message opens it likewise, ends `waiting` and `unanswered`, and
    /// reads everything up to itself.
    pub async fn append(&self, message: NewMessage) -> Result<Appended> {
        self.begin_append(message).await?.await
    }

    /// Queues a message, to be stored after all that is queued already; what it gives is the answer of [`Self::append`].
    /// Messages that are begun one after the other are stored in that order.
    pub async fn begin_append(
        &self,
        message: NewMessage,
    ) -> Result<impl Future<Output = Result<Appended>> + use<>> {
        self.db.writer.append(message).await
    }

    /// [`Mutation::ensure_conversation`], applied.
    pub async fn ensure_conversation(&self, wanted: EnsureConversation) -> Result<(Conversation, bool)> {
        self.db.apply(Mutation::ensure_conversation(wanted)).await
    }

    /// [`Mutation::update_conversation`], applied.
    pub async fn update_conversation(
        &self,
        id: ConversationId,
        patch: ConversationPatch,
        cause: Cause,
    ) -> Result<Conversation> {
        self.db.apply(Mutation::update_conversation(id, patch, cause)).await
    }

    /// [`Mutation::mark_read`], applied.
    pub async fn mark_read(
        &self,
        id: ConversationId,
        through: Option<i64>,
        cause: Cause,
    ) -> Result<(Conversation, i64)> {
        self.db.apply(Mutation::mark_read(id, through, cause)).await
    }
}

impl Mutation<(Conversation, bool)> {
    /// Creates a conversation, or finds the one with the same key and applies `waiting`, `kind` and the owner to it.
    /// Answers true if it was created.
    pub fn ensure_conversation(wanted: EnsureConversation) -> Self {
        // Made here, so that the change can be repeated.
        let id = match &wanted.key {
            Some(key) => ConversationId::keyed(wanted.cause.tenant, key),
            None => ConversationId::new(),
        };
        Self::new(wanted.cause.tenant, (id, wanted), |(id, wanted), tx| Box::pin(ensure(tx, *id, wanted)))
    }
}

impl Mutation<(Conversation, i64)> {
    /// Records what somebody has read. Staff share one mark (`staff_read_sequence`, `unread_count`), and
    /// `staff_read_at` is when it was last asked for; a customer has a mark of their own. `through` = `None` is
    /// everything stored so far. A mark never goes back, and a repetition makes no event. Answers the mark.
    pub fn mark_read(id: ConversationId, through: Option<i64>, cause: Cause) -> Self {
        Self::new(cause.tenant, (id, through, cause), |(id, through, cause), tx| {
            Box::pin(mark_read(tx, *id, *through, cause))
        })
    }
}

impl Mutation<Conversation> {
    /// Changes what the patch sets. Without a difference nothing is stored and no event is made.
    pub fn update_conversation(id: ConversationId, patch: ConversationPatch, cause: Cause) -> Self {
        Self::new(cause.tenant, (id, patch, cause), |(id, patch, cause), tx| {
            Box::pin(update(tx, *id, patch, cause))
        })
    }
}

async fn ensure(
    tx: &mut Tx,
    id: ConversationId,
    wanted: &EnsureConversation,
) -> Result<(Conversation, bool), Failure> {
    let cause = &wanted.cause;
    // A conversation without a key has an id that is new.
    let found = match wanted.key {
        Some(_) => match chat::row(tx.db(), cause.tenant, id).await {
            Err(Failure::Refused(Error::NotFound(_))) => None,
            found => Some(found?),
        },
        None => None,
    };
    if found.as_ref().is_some_and(|row| row.key.is_none()) {
        // It has lost its key with its owner.
        return Err(Error::NotOwner.into());
    }
    if let Some(owner) = wanted.owner_id {
        require_user(tx, cause.tenant, owner).await?;
    }
    let Some(row) = found else {
        let row = create(tx, id, wanted, None).await?;
        return Ok((tell(tx, row, &ConversationChange::Created, cause).await?, true));
    };
    let mut changed = row.clone();
    changed.waiting |= wanted.waiting;
    if !wanted.kind.is_empty() {
        changed.kind.clone_from(&wanted.kind);
    }
    if let (None, Some(owner)) = (row.owner_id, wanted.owner_id) {
        changed.owner_id = Some(owner.0);
        participant::seat(tx.db(), &row, owner, Part::Owner).await?;
    }
    Ok((store_changes(tx, &row, changed, cause).await?, false))
}

pub(crate) async fn create(
    tx: &mut Tx,
    id: ConversationId,
    wanted: &EnsureConversation,
    current_owner: Option<UserId>,
) -> Result<conversation::Model, Failure> {
    let Cause { tenant, at, .. } = wanted.cause;
    let counters = tx.counters(tenant)?;
    counters.conversation_number += 1;
    let row = conversation::Model {
        tenant: tenant.0,
        id: id.0,
        number: counters.conversation_number,
        key: wanted.key.clone(),
        kind: wanted.kind.clone(),
        status: ConversationStatus::Open.code(),
        owner_id: wanted.owner_id.map(|UserId(owner)| owner),
        assignee_id: None,
        tags: Strings::default(),
        waiting: wanted.waiting,
        unanswered: false,
        unread_count: 0,
        staff_read_sequence: 0,
        staff_read_at: None,
        last_sequence: 0,
        last_message_sequence: 0,
        floor_sequence: 1,
        cleared_sequence: 0,
        created_at: at,
        updated_at: at,
        customer_active_at: at,
        current_owner: current_owner.map(|UserId(owner)| owner),
        seen_by: wanted.seen_by.code(),
    };
    conversation::Entity::insert(row.clone().into_active_model()).exec_without_returning(tx.db()).await?;
    for member in &wanted.members {
        require_user(tx, tenant, *member).await?;
        participant::seat(tx.db(), &row, *member, Part::Member).await?;
    }
    if let Some(owner) = wanted.owner_id {
        participant::seat(tx.db(), &row, owner, Part::Owner).await?;
    }
    Ok(row)
}

pub(crate) async fn update(
    tx: &mut Tx,
    id: ConversationId,
    patch: &ConversationPatch,
    cause: &Cause,
) -> Result<Conversation, Failure> {
    let row = chat::row(tx.db(), cause.tenant, id).await?;
    if let Some(Some(assignee)) = patch.assignee_id {
        require_user(tx, cause.tenant, assignee).await?;
    }
    let mut changed = row.clone();
    if let Some(status) = patch.status {
        changed.status = status.code();
    }
    if let Some(assignee) = patch.assignee_id {
        changed.assignee_id = assignee.map(|UserId(assignee)| assignee);
    }
    if let Some(tags) = &patch.tags {
        changed.tags = Strings(tags.clone());
    }
    changed.waiting = patch.waiting.unwrap_or(row.waiting);
    if let Some(kind) = &patch.kind {
        changed.kind.clone_from(kind);
    }
    if changed.status == ConversationStatus::Closed.code() || changed.kind != row.kind {
        // Another may become the current one of its kind.
        changed.current_owner = None;
    }
    if patch.clear && row.last_message_sequence > row.cleared_sequence {
        changed.cleared_sequence = row.last_sequence;
    }
    store_changes(tx, &row, changed, cause).await
}

/// Stores the difference between two states, and tells of it.
async fn store_changes(
    tx: &mut Tx,
    before: &conversation::Model,
    after: conversation::Model,
    cause: &Cause,
) -> Result<Conversation, Failure> {
    let fields = changed_fields(before, &after);
    if fields.is_empty() {
        return chat::one(tx.db(), TenantId(before.tenant), ConversationId(before.id)).await;
    }
    tell(tx, after, &ConversationChange::Changed(fields), cause).await
}

/// The fields that differ, by their names in the contract.
fn changed_fields(before: &conversation::Model, after: &conversation::Model) -> Vec<String> {
    let differences = [
        ("status", before.status != after.status),
        ("owner", before.owner_id != after.owner_id),
        ("assignee", before.assignee_id != after.assignee_id),
        ("tags", before.tags != after.tags),
        ("waiting", before.waiting != after.waiting),
        ("kind", before.kind != after.kind),
        ("cleared_sequence", before.cleared_sequence != after.cleared_sequence),
    ];
    differences.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect()
}

async fn mark_read(
    tx: &mut Tx,
    id: ConversationId,
    through: Option<i64>,
    cause: &Cause,
) -> Result<(Conversation, i64), Failure> {
    let mut row = chat::row(tx.db(), cause.tenant, id).await?;
    // Only messages are read; the events above the last one would make every repetition new.
    let through = through.unwrap_or(i64::MAX).min(row.last_message_sequence);
    if cause.author.kind == AuthorKind::Staff {
        let moves = through > row.staff_read_sequence;
        row.staff_read_at = Some(cause.at);
        if moves {
            row.unread_count = chat::unread_above(tx.db(), &row, through).await?;
            row.staff_read_sequence = through;
            return Ok((tell(tx, row, &ConversationChange::Read(through), cause).await?, through));
        }
        let mark = row.staff_read_sequence;
        save(tx, row).await?;
        return Ok((chat::one(tx.db(), cause.tenant, id).await?, mark));
    }
    let mark = raise_mark(tx, &row, through, cause).await?;
    if mark < through {
        return Ok((tell(tx, row, &ConversationChange::Read(through), cause).await?, through));
    }
    Ok((chat::one(tx.db(), cause.tenant, id).await?, mark))
}

/// Raises a customer's own mark, and answers where it was.
async fn raise_mark(
    tx: &mut Tx,
    row: &conversation::Model,
    through: i64,
    cause: &Cause,
) -> Result<i64, Failure> {
    use read_mark::Column;
    let reader = cause.author.user_id.map(|id| id.to_string()).unwrap_or_default();
    let stored = read_mark::Entity::of(TenantId(row.tenant))
        .filter(Column::ConversationId.eq(row.id))
        .filter(Column::Reader.eq(&reader))
        .one(tx.db())
        .await?;
    let mark = stored.map_or(0, |stored| stored.through_sequence);
    if mark < through {
        let raised = read_mark::ActiveModel {
            tenant: Set(row.tenant),
            conversation_id: Set(row.id),
            reader: Set(reader),
            through_sequence: Set(through),
            read_at: Set(cause.at),
        };
        let replace = OnConflict::columns([Column::Tenant, Column::ConversationId, Column::Reader])
            .update_columns([Column::ThroughSequence, Column::ReadAt])
            .to_owned();
        read_mark::Entity::insert(raised).on_conflict(replace).exec_without_returning(tx.db()).await?;
    }
    Ok(mark)
}

/// Numbers what happened to a conversation, stores it with the conversation, and announces it.
pub(crate) async fn tell(
    tx: &mut Tx,
    mut row: conversation::Model,
    change: &ConversationChange,
    cause: &Cause,
) -> Result<Conversation, Failure> {
    row.last_sequence += 1;
    row.updated_at = row.updated_at.max(cause.at);
    let (kind, body) = change.encode()?;
    let new = NewEvent {
        cause: cause.clone(),
        subject: ConversationId(row.id).into(),
        sequence: row.last_sequence,
        kind,
        body,
        shown: change.shown(),
    };
    save(tx, row).await?;
    let told = event::tell(tx, new).await?;
    let conversation = told.conversation.as_deref().cloned();
    conversation.ok_or_else(|| Error::Defect("an event without a conversation".to_owned()).into())
}

async fn save(tx: &mut Tx, row: conversation::Model) -> Result<(), Failure> {
    tx.counters(TenantId(row.tenant))?.conversation_revision += 1;
    conversation::Entity::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(conversation::Column::Tenant.eq(row.tenant))
        .filter(conversation::Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

pub(crate) async fn require_user(tx: &Tx, tenant: TenantId, id: UserId) -> Result<(), Failure> {
    let there = user::Entity::of(tenant).filter(user::Column::Id.eq(id.0)).one(tx.db()).await?;
    match there {
        Some(row) if row.disabled && users::is_being_erased(tx.db(), tenant, id).await? => {
            Err(Error::NotFound(What::User).into())
        }
        Some(_) => Ok(()),
        None => Err(Error::NotFound(What::User).into()),
    }
}
