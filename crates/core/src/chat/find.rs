//! Finding a conversation: which one a caller means, and whether they may reach it.
//!
//! Chat asks before it reads or writes, and the edge before it lets a connection hear. The rule is the
//! store's; this has what the rule needs to know, and counts those who try out keys.

use std::sync::Arc;

use parlor_api::{limits::LABEL_CHARS, v1};
use parlor_store::{Conversation, ConversationId, Store, UserId, What};

use super::{
    access::{self, Named, Reference},
    decode,
    guesses::Guesses,
};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    clock::Clock,
    field::text,
};

/// Finds conversations for callers. Cloning is cheap.
#[derive(Clone)]
pub struct Finder {
    store: Store,
    clock: Clock,
    guesses: Arc<Guesses>,
}

impl Finder {
    /// Over a store, with a bound for guesses.
    pub(super) fn new(store: Store, clock: Clock, guesses: Guesses) -> Self {
        Self { store, clock, guesses: Arc::new(guesses) }
    }

    /// The conversation that a request names. Whether the caller may reach it is another question.
    pub(super) async fn meant(
        &self,
        principal: &Principal,
        reference: Option<v1::ConversationRef>,
    ) -> Result<Named> {
        self.named(principal, decode::reference(principal.tenant, reference)?).await
    }

    /// The conversation that a reference names.
    pub(super) async fn named(&self, principal: &Principal, reference: Reference) -> Result<Named> {
        let tenant = principal.tenant;
        match reference {
            Reference::Named(named) => Ok(named),
            Reference::Number(number) => {
                Ok(Named::Id(self.store.chat.conversation_by_number(tenant, number).await?))
            }
            Reference::Own(kind) => {
                let (id, exists) =
                    self.store.chat.own_conversation(tenant, customer(principal)?, &kind).await?;
                if exists { Ok(Named::Id(id)) } else { Err(Error::NotFound(What::Conversation)) }
            }
        }
    }

    /// Reads a conversation for somebody at `peer`, who may access it and does not guess.
    pub(super) async fn accessible(
        &self,
        principal: &Principal,
        peer: &str,
        named: &Named,
    ) -> Result<Conversation> {
        let found = self.found(principal, named).await;
        if principal.is_staff() || !named.is_by_key() {
            return found;
        }
        match &found {
            Ok(conversation)
                if conversation.owner_id.is_some_and(|owner| principal.user_id() == Some(owner)) => {}
            Err(Error::NotFound(_)) => self.guesses.take(peer, self.clock.steady())?,
            Ok(_) | Err(_) => self.guesses.check(peer, self.clock.steady())?,
        }
        found
    }

    async fn found(&self, principal: &Principal, named: &Named) -> Result<Conversation> {
        let conversation = self.store.chat.conversation(principal.tenant, named.id()).await?;
        admit(&self.store, principal, named, &conversation).await?;
        Ok(conversation)
    }

    /// Fails if a key that may be new is that of somebody else's conversation, or if the caller has tried too many. To find
    /// one where one was to be created is as good as a guess.
    pub(super) async fn may_create(&self, caller: &Caller, key: &str) -> Result<()> {
        let principal = caller.principal()?;
        let named = Named::by_key(principal.tenant, key.to_owned());
        let found = self.found(principal, &named).await;
        let (peer, now_ms) = (&caller.peer, self.clock.steady());
        match &found {
            _ if principal.is_staff() => {}
            Ok(conversation)
                if conversation.owner_id.is_some_and(|owner| principal.user_id() == Some(owner)) => {}
            Err(Error::NotFound(_)) if principal.user_id().is_none() => self.guesses.create(peer, now_ms)?,
            // Of a person it is known whom to ask.
            Err(Error::NotFound(_)) => self.guesses.check(peer, now_ms)?,
            Ok(_) | Err(_) => self.guesses.find(peer, now_ms)?,
        }
        match found {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Fails if the caller has guessed so often that knowing a key opens nothing any more.
    pub(super) fn may_guess(&self, caller: &Caller) -> Result<()> {
        self.guesses.check(&caller.peer, self.clock.steady())
    }

    /// Counts a key that turned out to be nobody's.
    pub(super) fn guessed(&self, caller: &Caller) -> Result<()> {
        self.guesses.take(&caller.peer, self.clock.steady())
    }

    /// Fails unless the principal may hear the conversation. By its key it need not exist yet.
    pub async fn may_hear(&self, principal: &Principal, peer: &str, named: &Named) -> Result<ConversationId> {
        match self.accessible(principal, peer, named).await {
            Ok(conversation) => Ok(conversation.id),
            Err(Error::NotFound(_)) if named.is_by_key() => Ok(named.id()),
            Err(error) => Err(error),
        }
    }

    /// Fails unless the principal may hear the conversation that is meant. By its key, or as the principal's own, it need
    /// not exist yet.
    pub async fn may_hear_named(
        &self,
        principal: &Principal,
        peer: &str,
        reference: v1::ConversationRef,
    ) -> Result<ConversationId> {
        let named = match decode::reference(principal.tenant, Some(reference))? {
            Reference::Own(kind) => return self.own_or_next(principal, &kind).await,
            reference => self.named(principal, reference).await?,
        };
        self.may_hear(principal, peer, &named).await
    }

    /// The id of the principal's own conversation of a kind, or of the one that will be created next.
    pub async fn own_or_next(&self, principal: &Principal, kind: &str) -> Result<ConversationId> {
        text("topic.own.kind", kind, 0, LABEL_CHARS)?;
        Ok(self.store.chat.own_conversation(principal.tenant, customer(principal)?, kind).await?.0)
    }
}

/// Fails unless the principal reaches a conversation that was named so.
pub(super) async fn admit(
    store: &Store,
    principal: &Principal,
    named: &Named,
    conversation: &Conversation,
) -> Result<()> {
    let (owner, seen_by) = (conversation.owner_id, conversation.seen_by);
    let (access, key) = (access::of(principal, named), conversation.key.as_deref());
    match (access.check_keyed(key, owner, seen_by, false), access.person) {
        (Err(_), Some(person)) => {
            let takes_part = store.chat.takes_part(conversation.tenant, conversation.id, person).await?;
            Ok(access.check_keyed(key, owner, seen_by, takes_part)?)
        }
        (checked, _) => Ok(checked?),
    }
}

/// The caller as somebody who has conversations of their own.
pub(super) fn customer(principal: &Principal) -> Result<UserId> {
    principal.user_id().filter(|_| !principal.is_staff()).ok_or(Error::RoleRequired("customer"))
}
