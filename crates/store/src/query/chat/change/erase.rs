//! What is left in conversations of somebody who is erased.
//!
//! Numbers outlive content: a message keeps its place and its time, and says neither what it said nor who wrote it. Each step
//! is about so many rows at most, and is told, in nobody's name, so that who looks at the conversation sees it.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Value,
};
use uuid::Uuid;

use super::{store_changes, tell};
use crate::{
    Author, AuthorKind, Cause, ConversationChange, ConversationId, ConversationStatus, Error, Millis, Result,
    TenantId, UserId, bulk,
    entity::{Strings, TenantOwned, conversation, message, participant, reaction},
    failure::Failure,
    query::{
        chat::{self, join::ERASED},
        code::Code,
    },
    tx::Tx,
};

/// A message's place: its conversation and its sequence.
pub(crate) type Place = (Uuid, i64);

/// A reaction: the message that it is on, and the emoji.
pub(crate) type OnMessage = (Uuid, i64, String);

/// Somebody who is being erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub tenant: TenantId,
    pub user: UserId,
    pub begun_at: Millis,
    /// With all that others have written in the conversations that are theirs.
    pub whole_conversations: bool,
}

impl Erasure {
    fn cause(&self, at: Millis) -> Cause {
        let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
        Cause { tenant: self.tenant, author, at, origin: String::new() }
    }

    /// What goes of the messages in a conversation of theirs: their own, and what was written there without an account,
    /// as they may have done before they signed in.
    pub(crate) fn goes(&self) -> Condition {
        use message::Column;
        let there = Condition::all().add(Column::AuthorKey.ne(ERASED));
        if self.whole_conversations {
            return there;
        }
        let of_guest = Condition::all()
            .add(Column::AuthorKind.eq(AuthorKind::Customer.code()))
            .add(Column::AuthorId.is_null());
        there.add(Condition::any().add(Column::AuthorId.eq(self.user.0)).add(of_guest))
    }
}

/// Leaves a tombstone in each of these places. What was put on the messages goes with them.
pub(crate) async fn leave_tombstones(
    tx: &mut Tx,
    erasure: &Erasure,
    places: &[Place],
    at: Millis,
) -> Result<(), Failure> {
    let tenant = erasure.tenant;
    let keys: Vec<[Value; 3]> =
        places.iter().map(|(id, sequence)| [tenant.0.into(), (*id).into(), (*sequence).into()]).collect();
    let nothing = format!(
        "author_id = NULL, author_name = '', author_key = '{ERASED}', request_id = NULL, payload_hash = NULL, text = ''"
    );
    let columns = [message::Column::Tenant, message::Column::ConversationId, message::Column::Sequence];
    bulk::set::<message::Entity, 3>(tx.db(), &nothing, columns, &keys).await?;
    let columns = [reaction::Column::Tenant, reaction::Column::ConversationId, reaction::Column::Sequence];
    bulk::delete::<reaction::Entity, 3>(tx.db(), columns, keys).await?;
    let mut by_conversation: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    for (id, sequence) in places {
        by_conversation.entry(*id).or_default().push(*sequence);
    }
    for (id, sequences) in by_conversation {
        let row = chat::row(tx.db(), tenant, ConversationId(id)).await?;
        tell(tx, row, &ConversationChange::Erased(sequences), &erasure.cause(at)).await?;
    }
    Ok(())
}

/// Makes a conversation nobody's, once nothing above a sequence is left of what goes; answers whether it is. It is closed,
/// its labels are taken off, and its key opens it no more.
pub(crate) async fn disown(
    tx: &mut Tx,
    erasure: &Erasure,
    id: Uuid,
    after: i64,
    at: Millis,
) -> Result<bool, Failure> {
    let row = chat::row(tx.db(), erasure.tenant, ConversationId(id)).await?;
    if row.owner_id != Some(erasure.user.0) {
        return Ok(true);
    }
    let left = chat::messages(erasure.tenant, ConversationId(id))
        .filter(message::Column::Sequence.gt(after))
        .filter(erasure.goes())
        .order_by_asc(message::Column::Sequence)
        .limit(1);
    if left.one(tx.db()).await?.is_some() {
        return Ok(false);
    }
    let nobodys = conversation::Model {
        owner_id: None,
        current_owner: None,
        key: None,
        tags: Strings::default(),
        status: ConversationStatus::Closed.code(),
        waiting: false,
        unanswered: false,
        unread_count: 0,
        staff_read_sequence: row.staff_read_sequence.max(row.last_message_sequence),
        ..row.clone()
    };
    store_changes(tx, &row, nobodys, &erasure.cause(at)).await?;
    participant::Entity::delete_many()
        .filter(participant::Column::Tenant.eq(erasure.tenant.0))
        .filter(participant::Column::ConversationId.eq(id))
        .filter(participant::Column::PersonId.eq(erasure.user.0))
        .exec(tx.db())
        .await?;
    Ok(true)
}

/// Nobody looks after these conversations any more.
pub(crate) async fn unassign(
    tx: &mut Tx,
    erasure: &Erasure,
    ids: &[Uuid],
    at: Millis,
) -> Result<(), Failure> {
    for id in ids {
        let row = chat::row(tx.db(), erasure.tenant, ConversationId(*id)).await?;
        if row.assignee_id == Some(erasure.user.0) {
            let nobodys = conversation::Model { assignee_id: None, ..row.clone() };
            store_changes(tx, &row, nobodys, &erasure.cause(at)).await?;
        }
    }
    Ok(())
}

/// Takes away what they have put on messages.
pub(crate) async fn take_off(
    tx: &mut Tx,
    erasure: &Erasure,
    reactor: &str,
    reactions: &[OnMessage],
    at: Millis,
) -> Result<(), Failure> {
    use reaction::Column;
    for (id, sequence, emoji) in reactions {
        let on_message = || {
            reaction::Entity::of(erasure.tenant)
                .filter(Column::ConversationId.eq(*id))
                .filter(Column::Sequence.eq(*sequence))
                .filter(Column::Emoji.eq(emoji))
        };
        let Some(own) = on_message().filter(Column::Reactor.eq(reactor)).one(tx.db()).await? else {
            continue;
        };
        own.delete(tx.db()).await?;
        let count = i64::try_from(on_message().count(tx.db()).await?)
            .map_err(|_| Error::Defect("a count of reactions".to_owned()))?;
        let change =
            ConversationChange::Reacted { sequence: *sequence, emoji: emoji.clone(), removed: true, count };
        let row = chat::row(tx.db(), erasure.tenant, ConversationId(*id)).await?;
        tell(tx, row, &change, &erasure.cause(at)).await?;
    }
    Ok(())
}
