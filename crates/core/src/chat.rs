//! Conversations and the messages in them: who may do what, and what it does.
//!
//! The rules are here once, for unary calls and for commands of streams; `chat/rpc.rs` and `chat/converse.rs` only decode
//! and encode.
//! A rule that needs the row reads it right before it writes; what two writers could race for (keys, owners, request
//! ids, sequences, and who may write a message) is decided by the store inside the writing transaction.

pub mod access;
mod converse;
pub mod convert;
mod decode;
pub mod find;
pub mod guesses;
mod missed;
mod page;
mod rpc;
mod send;
pub mod subject;
mod typing;
mod watch;
mod wish;

use std::{collections::HashMap, sync::Arc};

use parlor_api::limits;
use parlor_store::{
    Access, Conversation, ConversationFilter, ConversationPatch, EnsureConversation, Message, MessageFilter,
    Mutation, OwnConversation, Reacting, Reaction, SeenBy, Store, UserId,
};

pub use self::rpc::ChatRpc;
use self::{
    access::Named,
    find::Finder,
    guesses::Guesses,
    page::{ListCursor, MessageCursor, Span},
    send::Sender,
    wish::Creation,
};
use crate::{
    Error, Result,
    auth::Auth,
    caller::{Caller, Principal},
    clock::Clock,
    hub::Hub,
    offset::Offsets,
    page::cut,
    request::Requests,
};

/// The chat rules. Cloning is cheap.
#[derive(Clone)]
pub struct Chat {
    store: Store,
    hub: Hub,
    clock: Clock,
    rights: Arc<Auth>,
    offsets: Offsets,
    find: Finder,
    sender: Sender,
}

/// A page of messages, oldest first, and the range in which it lacks nothing.
#[derive(Clone, Debug)]
pub struct MessagePage {
    pub conversation: Conversation,
    pub messages: Vec<Message>,
    /// What is on them, by their sequences.
    pub reactions: HashMap<i64, Vec<Reaction>>,
    pub from_sequence: i64,
    pub through_sequence: i64,
    pub next: Option<MessageCursor>,
}

impl Chat {
    /// The rules over a store and a hub.
    pub fn new(
        store: Store,
        hub: Hub,
        clock: Clock,
        rights: Arc<Auth>,
        requests: Requests,
        offsets: Offsets,
        guesses: Guesses,
    ) -> Self {
        let find = Finder::new(store.clone(), clock.clone(), guesses);
        let sender = Sender::new(store.clone(), clock.clone(), find.clone(), requests);
        Self { store, hub, clock, rights, offsets, find, sender }
    }

    /// What finds conversations for callers, for the edge.
    #[must_use]
    pub fn finder(&self) -> Finder {
        self.find.clone()
    }

    /// What creates a conversation, or finds the one with the key, once it is allowed.
    async fn creating(&self, caller: &Caller, creation: Creation) -> Result<Mutation<(Conversation, bool)>> {
        let principal = caller.principal()?;
        let owner_id = self.owner_of_new(principal, creation.owner_id).await?;
        if creation.own {
            let owner = owner_id.ok_or(Error::field("owner_id", "must name whose own it is"))?;
            let cause = caller.cause(&self.clock)?;
            let Creation { kind, waiting, .. } = creation;
            return Ok(Mutation::own_conversation(OwnConversation { cause, owner, kind, waiting }));
        }
        match &creation.key {
            Some(key) => self.find.may_create(caller, key).await?,
            // By its id it could not reach it.
            None if !principal.is_staff() && owner_id.is_none() => {
                return Err(Error::field("key", "must be chosen by a guest"));
            }
            None => {}
        }
        Ok(Mutation::ensure_conversation(EnsureConversation {
            cause: caller.cause(&self.clock)?,
            key: creation.key,
            kind: creation.kind,
            waiting: creation.waiting,
            owner_id,
            members: Vec::new(),
            seen_by: SeenBy::Staff,
        }))
    }

    /// Lists conversations, the most recently active first.
    pub async fn list(
        &self,
        caller: &Caller,
        mut filter: ConversationFilter,
        cursor: Option<ListCursor>,
        limit: u64,
    ) -> Result<Vec<Conversation>> {
        let principal = caller.principal()?;
        if !principal.is_staff() {
            // Whoever may not see labels may not try them either.
            if filter.tag.is_some() {
                return Err(Error::RoleRequired("staff"));
            }
            // A guest owns nothing, and reaches a conversation only by its key.
            if principal.user_id().is_none() {
                return Ok(Vec::new());
            }
            filter.owner_id = None;
        }
        let (person, staff) = (principal.user_id(), principal.is_staff());
        filter.access = Some(Access { person, staff, by_key: false });
        let before = cursor.map(|cursor| (cursor.active_at, cursor.number));
        Ok(self.store.chat.list_conversations(principal.tenant, &filter, before, limit).await?)
    }

    /// What changes a conversation, once it is allowed. Customers may only clear what they see of it.
    async fn changing(
        &self,
        caller: &Caller,
        named: &Named,
        patch: ConversationPatch,
    ) -> Result<Mutation<Conversation>> {
        let principal = caller.principal()?;
        let ConversationPatch { status, assignee_id, tags, waiting, kind, clear: _ } = &patch;
        let staff_only = status.is_some()
            || assignee_id.is_some()
            || tags.is_some()
            || waiting.is_some()
            || kind.is_some();
        if staff_only {
            caller.staff()?;
        }
        let conversation = self.find.accessible(principal, &caller.peer, named).await?;
        Ok(Mutation::update_conversation(conversation.id, patch, caller.cause(&self.clock)?))
    }

    /// Lists messages in either direction. Customers see nothing that was cleared.
    pub async fn messages(
        &self,
        caller: &Caller,
        named: &Named,
        mut filter: MessageFilter,
        cursor: Option<MessageCursor>,
        limit: u64,
    ) -> Result<MessagePage> {
        let principal = caller.principal()?;
        let conversation = self.find.accessible(principal, &caller.peer, named).await?;
        let cleared = if principal.is_staff() { 0 } else { conversation.cleared_sequence };
        // The range is of what is kept, so whoever reads on from earlier sees that something is gone.
        let hidden = cleared.max(conversation.floor_sequence - 1);
        let span = Span::of(&filter, cursor, hidden, conversation.last_sequence);
        filter.after_sequence = span.from;
        filter.through_sequence = Some(span.through);
        let (tenant, id) = (principal.tenant, conversation.id);
        let mut messages = if span.is_empty() {
            Vec::new()
        } else {
            self.store.chat.list_messages(tenant, id, &filter, limit + 1).await?
        };
        let more = cut(&mut messages, limit);
        let last = messages.last().map(|message| message.sequence).filter(|_| more);
        // What went since the conversation was read lacks in the page, so the range begins above it.
        let floor = self.store.log.subject_floor(tenant, id).await?;
        messages.retain(|message| message.sequence >= floor);
        let (shown, next) = span.shown(last, filter.descending);
        if filter.descending {
            messages.reverse();
        }
        let sequences = messages.iter().map(|message| message.sequence).collect();
        let reactions = self.store.chat.reactions(tenant, id, sequences, &principal.key()).await?;
        Ok(MessagePage {
            conversation,
            messages,
            reactions,
            from_sequence: shown.from.max(floor - 1).min(shown.through),
            through_sequence: shown.through,
            next,
        })
    }

    /// Records how far the caller has read; `None` for everything stored so far. Answers the mark and the position.
    pub async fn mark_read(
        &self,
        caller: &Caller,
        named: &Named,
        through: Option<i64>,
    ) -> Result<((Conversation, i64), i64)> {
        let principal = caller.principal()?;
        let conversation = self.find.accessible(principal, &caller.peer, named).await?;
        if through.is_some_and(|through| through > conversation.last_sequence) {
            return Err(Error::field("through_sequence", "is above the newest event"));
        }
        let reading = Mutation::mark_read(conversation.id, through, caller.cause(&self.clock)?);
        Ok(self.store.apply(reading.positioned()).await?)
    }

    /// What puts an emoji on a message, or takes it away, once the caller may see the message.
    async fn reacting(
        &self,
        caller: &Caller,
        named: &Named,
        sequence: i64,
        emoji: String,
        remove: bool,
    ) -> Result<Mutation<Vec<Reaction>>> {
        let principal = caller.principal()?;
        let conversation = self.find.accessible(principal, &caller.peer, named).await?;
        let hidden = if principal.is_staff() { 0 } else { conversation.cleared_sequence };
        let through_sequence = Some(sequence);
        let alone =
            MessageFilter { after_sequence: sequence - 1, through_sequence, ..MessageFilter::default() };
        let (tenant, conversation_id) = (principal.tenant, conversation.id);
        let found = self.store.chat.list_messages(tenant, conversation_id, &alone, 1).await?;
        // Whether it is still kept and was not erased, the store looks again.
        if sequence <= hidden || found.first().is_none_or(|message| message.erased) {
            return Err(Error::field("message_sequence", "must be a message's"));
        }
        Ok(Mutation::react(Reacting {
            cause: caller.cause(&self.clock)?,
            conversation_id,
            sequence,
            reactor: principal.key(),
            emoji,
            remove,
            of_message: limits::MESSAGE_EMOJI,
            of_person: limits::PERSON_EMOJI,
        }))
    }

    async fn owner_of_new(&self, principal: &Principal, wish: Option<UserId>) -> Result<Option<UserId>> {
        if !principal.is_staff() {
            return match wish {
                Some(other) if principal.user_id() != Some(other) => Err(Error::RoleRequired("staff")),
                Some(_) | None => Ok(principal.user_id()),
            };
        }
        if let Some(owner) = wish {
            self.store.directory.user(principal.tenant, owner).await?;
        }
        Ok(wish)
    }
}

#[cfg(test)]
mod tests;
