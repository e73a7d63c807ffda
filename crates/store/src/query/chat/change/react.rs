//! Reactions: the emoji that people put on messages.
//!
//! Whether one is there, and whether there is room for it, is decided under the tenant's lock; the primary key holds that
//! nobody has the same one twice on a message. What changes nothing is no event.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use super::tell;
use crate::{
    Cause, ConversationChange, ConversationId, Error, Mutation, Result, TenantId, What,
    entity::{TenantOwned, message, reaction},
    failure::Failure,
    query::chat::{self, Chat, join::ERASED},
    tx::Tx,
};

/// An emoji to put on a message, or to take away. Whoever asks has seen that the message is there.
#[derive(Clone, Debug)]
pub struct Reacting {
    pub cause: Cause,
    pub conversation_id: ConversationId,
    /// The message's.
    pub sequence: i64,
    /// Whose it is: the key of a principal.
    pub reactor: String,
    pub emoji: String,
    pub remove: bool,
    /// So many different emoji may be on the message ...
    pub of_message: usize,
    /// ... and so many of one person's.
    pub of_person: usize,
}

/// An emoji on a message, as one of those sees it who may have put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    pub emoji: String,
    pub count: i64,
    pub own: bool,
}

impl Mutation<Vec<Reaction>> {
    /// Puts an emoji on a message, or takes it away. Answers what is on the message then.
    pub fn react(reacting: Reacting) -> Self {
        Self::new(reacting.cause.tenant, reacting, |reacting, tx| Box::pin(react(tx, reacting)))
    }
}

impl Chat {
    /// What is on some messages of a conversation, by their sequences; each emoji where it came first.
    pub async fn reactions(
        &self,
        tenant: TenantId,
        id: ConversationId,
        sequences: Vec<i64>,
        reactor: &str,
    ) -> Result<HashMap<i64, Vec<Reaction>>> {
        if sequences.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(on_messages(&self.db.readers, tenant, id, sequences, reactor).await?)
    }
}

async fn react(tx: &mut Tx, reacting: &Reacting) -> Result<Vec<Reaction>, Failure> {
    let Reacting { cause, conversation_id, sequence, reactor, emoji, .. } = reacting;
    let now = async |tx: &Tx| {
        let there = on_messages(tx.db(), cause.tenant, *conversation_id, vec![*sequence], reactor).await?;
        Ok::<_, Failure>(there.into_values().next().unwrap_or_default())
    };
    let row = chat::row(tx.db(), cause.tenant, *conversation_id).await?;
    if *sequence < row.floor_sequence {
        // It was there when the caller looked.
        return Err(Error::NotFound(What::Message).into());
    }
    let there = now(tx).await?;
    let on_tombstone = chat::messages(cause.tenant, *conversation_id)
        .filter(message::Column::Sequence.eq(*sequence))
        .filter(message::Column::AuthorKey.eq(ERASED));
    if !reacting.remove && on_tombstone.one(tx.db()).await?.is_some() {
        return Ok(there);
    }
    let same = there.iter().find(|each| each.emoji == *emoji);
    if same.is_some_and(|same| same.own) != reacting.remove {
        return Ok(there);
    }
    let new = reaction::Model {
        tenant: cause.tenant.0,
        conversation_id: conversation_id.0,
        sequence: *sequence,
        emoji: emoji.clone(),
        reactor: reactor.clone(),
        created_at: cause.at,
    };
    let count = same.map_or(0, |same| same.count);
    if reacting.remove {
        new.delete(tx.db()).await?;
    } else {
        let own = there.iter().filter(|each| each.own).count();
        room(
            "different reactions of a message",
            there.len() + usize::from(same.is_none()),
            reacting.of_message,
        )?;
        room("reactions of a person to a message", own + 1, reacting.of_person)?;
        reaction::Entity::insert(new.into_active_model()).exec_without_returning(tx.db()).await?;
    }
    let change = ConversationChange::Reacted {
        sequence: *sequence,
        emoji: emoji.clone(),
        removed: reacting.remove,
        count: if reacting.remove { count - 1 } else { count + 1 },
    };
    tell(tx, row, &change, cause).await?;
    now(tx).await
}

fn room(limit: &'static str, wanted: usize, maximum: usize) -> Result<(), Failure> {
    if wanted > maximum {
        return Err(Error::LimitReached { limit, maximum: maximum as u64 }.into());
    }
    Ok(())
}

async fn on_messages(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: ConversationId,
    sequences: Vec<i64>,
    reactor: &str,
) -> Result<HashMap<i64, Vec<Reaction>>, Failure> {
    use reaction::Column;
    let of_these = || -> Select<reaction::Entity> {
        reaction::Entity::of(tenant)
            .filter(Column::ConversationId.eq(id.0))
            .filter(Column::Sequence.is_in(sequences.iter().copied()))
            .select_only()
            .column(Column::Sequence)
            .column(Column::Emoji)
    };
    let counted: Vec<(i64, String, i64)> = of_these()
        .column_as(Column::Reactor.count(), "count")
        .group_by(Column::Sequence)
        .group_by(Column::Emoji)
        .order_by_asc(Column::CreatedAt.min())
        .order_by_asc(Column::Emoji)
        .into_tuple()
        .all(db)
        .await?;
    if counted.is_empty() {
        return Ok(HashMap::new());
    }
    let own: Vec<(i64, String)> = of_these().filter(Column::Reactor.eq(reactor)).into_tuple().all(db).await?;
    let mut found: HashMap<i64, Vec<Reaction>> = HashMap::new();
    for (sequence, emoji, count) in counted {
        let own = own.iter().any(|(of, own)| *of == sequence && *own == emoji);
        found.entry(sequence).or_default().push(Reaction { emoji, count, own });
    }
    Ok(found)
}
