//! Conversations and the messages in them: who may do what, and what it does.
//!
//! What a unary call and a stream command share is here once; `chat/rpc.rs` and `chat/converse.rs` only decode and encode.
//! A rule that needs the row reads it right before it writes; what two writers could race for (keys, owners, request
//! ids, sequences) is decided by the store inside the writing transaction.

pub mod access;
mod converse;
pub mod convert;
mod decode;
pub mod guesses;
mod missed;
mod own;
mod page;
mod rpc;
mod several;
mod typing;
mod watch;

use std::sync::Arc;

use parlor_store::{
    Appended, Conversation, ConversationFilter, ConversationId, ConversationPatch, EnsureConversation,
    Message, MessageFilter, Mutation, NewMessage, RequestKey, Store, TenantId, UserId,
};

use self::{
    access::{Named, Reference},
    guesses::Guesses,
    page::{ListCursor, MessageCursor},
};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    clock::Clock,
    hub::Hub,
    offset::Offsets,
    page::Pages,
    request::Requests,
    rights::Rights,
};

pub use self::typing::LIFETIME as TYPING_LIFETIME;

/// The chat rules, and the service over them. Cloning is cheap.
#[derive(Clone)]
pub struct Chat {
    store: Store,
    hub: Hub,
    clock: Clock,
    rights: Arc<dyn Rights>,
    pages: Pages,
    requests: Requests,
    offsets: Offsets,
    guesses: Arc<Guesses>,
}

/// What comes back from callers who cannot read it.
pub struct Opaque {
    pub pages: Pages,
    pub requests: Requests,
    pub offsets: Offsets,
}

/// A conversation to create or find.
#[derive(Clone, Debug)]
pub struct Creation {
    pub key: Option<String>,
    pub kind: String,
    pub waiting: bool,
    pub owner_id: Option<UserId>,
    /// The owner's one open or pending conversation of the kind.
    pub own: bool,
}

/// A change of a conversation.
#[derive(Clone, Debug)]
pub struct Change {
    pub conversation: Reference,
    /// What only staff may change, and the clearing that a customer may ask for too.
    pub patch: ConversationPatch,
}

/// A message to send; its text is checked.
#[derive(Clone, Debug)]
pub struct Sending {
    pub conversation: Reference,
    pub text: String,
    pub request_id: Option<String>,
    pub guest_name: String,
    pub leaves_unread: bool,
}

/// Which messages to list.
#[derive(Clone, Debug)]
pub struct Listing {
    pub conversation: Named,
    pub filter: MessageFilter,
    pub limit: u64,
    pub cursor: Option<MessageCursor>,
}

/// A page of messages, oldest first, and the range in which it lacks nothing.
#[derive(Clone, Debug)]
pub struct MessagePage {
    pub conversation: Conversation,
    pub messages: Vec<Message>,
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
        rights: Arc<dyn Rights>,
        opaque: Opaque,
        guesses: guesses::Options,
    ) -> Self {
        let Opaque { pages, requests, offsets } = opaque;
        let guesses = Arc::new(Guesses::new(guesses));
        Self { store, hub, clock, rights, pages, requests, offsets, guesses }
    }

    /// What creates a conversation, or finds the one with the key, once it is allowed.
    async fn creating(&self, caller: &Caller, creation: Creation) -> Result<Mutation<(Conversation, bool)>> {
        let principal = caller.principal()?;
        let owner_id = self.owner_of_new(principal, creation.owner_id).await?;
        if creation.own {
            let owner = owner_id.ok_or(Error::field("owner_id", "must name whose own it is"))?;
            return Ok(self.owning(caller, principal, owner, creation.kind, creation.waiting));
        }
        match &creation.key {
            Some(key) => self.refuse_anothers(principal, key).await?,
            // By its id it could not reach it.
            None if !principal.is_staff() && owner_id.is_none() => {
                return Err(Error::field("key", "must be chosen by a guest"));
            }
            None => {}
        }
        Ok(Mutation::ensure_conversation(EnsureConversation {
            tenant: principal.tenant,
            key: creation.key,
            kind: creation.kind,
            waiting: creation.waiting,
            owner_id,
            author: principal.author(""),
            at: self.clock.now(),
            origin: caller.connection.clone(),
        }))
    }

    /// Reads a conversation that the caller may access.
    pub async fn get(&self, caller: &Caller, named: &Named) -> Result<Conversation> {
        self.accessible(caller.principal()?, &caller.peer, named).await
    }

    /// Lists conversations, the most recently active first; one more than `limit` is never answered.
    pub async fn list(
        &self,
        caller: &Caller,
        mut filter: ConversationFilter,
        cursor: Option<ListCursor>,
        limit: u64,
    ) -> Result<(Vec<Conversation>, Option<ListCursor>)> {
        let principal = caller.principal()?;
        if !principal.is_staff() {
            // A guest owns nothing, and reaches a conversation only by its key.
            let Some(own) = principal.user_id() else { return Ok((Vec::new(), None)) };
            filter.owner_id = Some(own);
        }
        let before = cursor.map(|cursor| (cursor.active_at, cursor.number));
        let mut rows = self.store.list_conversations(principal.tenant, &filter, before, limit + 1).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = rows.last().filter(|_| more);
        let time = |row: &Conversation| match filter.order_by_update {
            true => row.updated_at,
            false => row.customer_active_at,
        };
        let next = last.map(|row| ListCursor { active_at: time(row), number: row.number });
        Ok((rows, next))
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
        let conversation = self.accessible(principal, &caller.peer, named).await?;
        Ok(Mutation::update_conversation(
            principal.tenant,
            conversation.id,
            patch,
            principal.author(""),
            self.clock.now(),
            caller.connection.clone(),
        ))
    }

    /// Stores a message: durable when it answers.
    pub async fn send(&self, caller: &Caller, sending: Sending) -> Result<Appended> {
        let message = self.prepare(caller, sending).await?;
        self.append(caller, message).await
    }

    /// The message that a sending stores, once it is allowed.
    async fn prepare(&self, caller: &Caller, sending: Sending) -> Result<NewMessage> {
        let id = self.destination(caller, &sending.conversation).await?;
        self.message(caller, id, sending)
    }

    /// Where a message goes that names its conversation so, if the caller may send there.
    async fn destination(&self, caller: &Caller, reference: &Reference) -> Result<ConversationId> {
        let principal = caller.principal()?;
        if let Reference::Own(kind) = reference {
            return self.own_or_new(caller, kind.clone()).await;
        }
        let named = self.named(principal, reference.clone()).await?;
        self.refuse_sending(caller, principal, &named).await?;
        Ok(named.id())
    }

    fn message(
        &self,
        caller: &Caller,
        conversation_id: ConversationId,
        sending: Sending,
    ) -> Result<NewMessage> {
        let principal = caller.principal()?;
        Ok(NewMessage {
            tenant: principal.tenant,
            conversation_id,
            author: principal.author(&sending.guest_name),
            author_key: principal.key(),
            leaves_unread: sending.leaves_unread,
            request_id: sending.request_id,
            text: sending.text,
            at: self.clock.now(),
            origin: caller.connection.clone(),
        })
    }

    /// Only a signed-in customer can be refused for whose it is; for everybody else the append itself finds out.
    async fn refuse_sending(&self, caller: &Caller, principal: &Principal, named: &Named) -> Result<()> {
        if principal.is_staff() {
            return Ok(());
        }
        if principal.user_id().is_some() || !named.is_by_key() {
            return self.accessible(principal, &caller.peer, named).await.map(|_| ());
        }
        self.guesses.check(&caller.peer, self.clock.now())
    }

    async fn append(&self, caller: &Caller, message: NewMessage) -> Result<Appended> {
        match self.store.append(message).await.map_err(Error::from) {
            Err(Error::NotFound(what)) if !caller.principal()?.is_staff() => {
                self.guesses.take(&caller.peer, self.clock.now())?;
                Err(Error::NotFound(what))
            }
            answer => answer,
        }
    }

    /// Lists messages in either direction. Customers see nothing that was cleared.
    pub async fn messages(&self, caller: &Caller, listing: Listing) -> Result<MessagePage> {
        let principal = caller.principal()?;
        let conversation = self.accessible(principal, &caller.peer, &listing.conversation).await?;
        let hidden = if principal.is_staff() { 0 } else { conversation.cleared_sequence };
        let mut filter = listing.filter;
        let mut from = filter.after_sequence.max(hidden);
        let mut through = filter.through_sequence.unwrap_or(i64::MAX).min(conversation.last_sequence);
        match listing.cursor {
            Some(MessageCursor::Forward { after, through: bound }) => {
                from = after.max(hidden);
                through = through.min(bound);
            }
            Some(MessageCursor::Backward { through: bound }) => through = through.min(bound),
            None => {}
        }
        filter.after_sequence = from;
        filter.through_sequence = Some(through);
        let descending = filter.descending;
        let (tenant, id) = (principal.tenant, conversation.id);
        let mut messages = if from < through {
            self.store.list_messages(tenant, id, &filter, listing.limit + 1).await?
        } else {
            Vec::new()
        };
        let more = messages.len() as u64 > listing.limit;
        messages.truncate(usize::try_from(listing.limit).unwrap_or(usize::MAX));
        let last = messages.last().map(|message| message.sequence).filter(|_| more);
        let (mut from_sequence, mut through_sequence) = (from, through.max(from));
        let next = match (last, descending) {
            (Some(last), false) => {
                through_sequence = last;
                Some(MessageCursor::Forward { after: last, through })
            }
            (Some(last), true) => {
                from_sequence = last - 1;
                Some(MessageCursor::Backward { through: last - 1 })
            }
            (None, _) => None,
        };
        if descending {
            messages.reverse();
        }
        Ok(MessagePage { conversation, messages, from_sequence, through_sequence, next })
    }

    /// Records how far the caller has read; `None` for everything stored so far.
    pub async fn mark_read(
        &self,
        caller: &Caller,
        named: &Named,
        through: Option<i64>,
    ) -> Result<(Conversation, i64)> {
        let principal = caller.principal()?;
        let conversation = self.accessible(principal, &caller.peer, named).await?;
        if through.is_some_and(|through| through > conversation.last_sequence) {
            return Err(Error::field("through_sequence", "is above the newest event"));
        }
        let (reader, at) = (principal.author(""), self.clock.now());
        let origin = caller.connection.clone();
        let marked =
            self.store.mark_read(principal.tenant, conversation.id, reader, through, at, origin).await?;
        Ok(marked)
    }

    /// The position in the tenant that everything stored so far is not above, for an answer to a gateway.
    async fn position(&self, caller: &Caller) -> Result<Option<i64>> {
        match (&caller.principal, caller.edge) {
            (Some(principal), true) => Ok(Some(self.store.tenant_head(principal.tenant).await?)),
            (None, _) | (_, false) => Ok(None),
        }
    }

    /// Reads a conversation for somebody at `peer`, who may access it and does not guess.
    async fn accessible(&self, principal: &Principal, peer: &str, named: &Named) -> Result<Conversation> {
        let found = self.found(principal, named).await;
        if principal.is_staff() || !named.is_by_key() {
            return found;
        }
        match &found {
            Ok(conversation)
                if conversation.owner_id.is_some_and(|owner| principal.user_id() == Some(owner)) => {}
            Err(Error::NotFound(_)) => self.guesses.take(peer, self.clock.now())?,
            Ok(_) | Err(_) => self.guesses.check(peer, self.clock.now())?,
        }
        found
    }

    async fn found(&self, principal: &Principal, named: &Named) -> Result<Conversation> {
        let conversation = self.store.conversation(principal.tenant, named.id()).await?;
        access::check(principal, named, conversation.owner_id)?;
        Ok(conversation)
    }

    async fn owner_of_new(&self, principal: &Principal, wish: Option<UserId>) -> Result<Option<UserId>> {
        if !principal.is_staff() {
            return match wish {
                Some(other) if principal.user_id() != Some(other) => Err(Error::RoleRequired("staff")),
                Some(_) | None => Ok(principal.user_id()),
            };
        }
        if let Some(owner) = wish {
            self.store.user(principal.tenant, owner).await?;
        }
        Ok(wish)
    }

    async fn refuse_anothers(&self, principal: &Principal, key: &str) -> Result<()> {
        let named = Named::by_key(principal.tenant, key.to_owned());
        match self.found(principal, &named).await {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The sequence of the oldest event of a conversation that is still kept.
    pub async fn floor(&self, tenant: TenantId, id: ConversationId) -> Result<i64> {
        Ok(self.store.conversation(tenant, id).await?.floor_sequence)
    }

    /// Names a repeatable request about a conversation. Guests share a principal, so the conversation tells them apart.
    fn request_key(
        &self,
        principal: &Principal,
        method: &'static str,
        request_id: &str,
        conversation: Option<ConversationId>,
        request: &impl prost::Message,
    ) -> Result<Option<RequestKey>> {
        let mut key = self.requests.key(principal, method, request_id, request)?;
        if let (Some(key), Some(id)) = (&mut key, conversation) {
            key.principal = format!("{}/{id}", key.principal);
        }
        Ok(key)
    }

    /// Whether a principal may go on hearing a conversation that was opened to somebody else; `by_key` if that one knew the
    /// key, and so whoever speaks now.
    pub async fn may_hear_on(&self, principal: &Principal, id: ConversationId, by_key: bool) -> Result<bool> {
        let named = if by_key { Named::Key { key: String::new(), id } } else { Named::Id(id) };
        match self.found(principal, &named).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(by_key),
            Err(Error::NotOwner) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fails unless the principal may hear the conversation. By its key it need not exist yet.
    pub async fn may_hear(&self, principal: &Principal, peer: &str, named: &Named) -> Result<ConversationId> {
        match self.accessible(principal, peer, named).await {
            Ok(conversation) => Ok(conversation.id),
            Err(Error::NotFound(_)) if named.is_by_key() => Ok(named.id()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
