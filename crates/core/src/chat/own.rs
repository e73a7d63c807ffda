//! Conversations by what they are to the caller: by number, and the caller's own of a kind.

use parlor_api::v1;
use parlor_store::{Conversation, ConversationId, Mutation, OwnConversation, UserId};

use super::{
    Chat,
    access::{Named, Reference},
    decode,
};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
};

impl Chat {
    /// Which conversation a caller means. Whether they may reach it is another question.
    pub(super) async fn named(&self, principal: &Principal, reference: Reference) -> Result<Named> {
        let tenant = principal.tenant;
        match reference {
            Reference::Named(named) => Ok(named),
            Reference::Number(number) => {
                Ok(Named::Id(self.store.conversation_by_number(tenant, number).await?))
            }
            Reference::Own(kind) => {
                let (_, found) = self.store.own_conversation(tenant, customer(principal)?, &kind).await?;
                Ok(Named::Id(found.ok_or(Error::NotFound("conversation"))?.id))
            }
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

    /// The caller's own conversation of a kind, created if there is none.
    pub(super) async fn own_or_new(&self, caller: &Caller, kind: String) -> Result<ConversationId> {
        let principal = caller.principal()?;
        let owner = customer(principal)?;
        // Mostly it is there, and a read is cheaper than a turn of the writer.
        let (id, found) = self.store.own_conversation(principal.tenant, owner, &kind).await?;
        if found.is_some() {
            return Ok(id);
        }
        let (made, _) = self.store.apply(self.owning(caller, principal, owner, kind, false)).await?;
        Ok(made.id)
    }

    /// What finds or creates an owner's conversation of a kind.
    pub(super) fn owning(
        &self,
        caller: &Caller,
        principal: &Principal,
        owner: UserId,
        kind: String,
        waiting: bool,
    ) -> Mutation<(Conversation, bool)> {
        Mutation::own_conversation(OwnConversation {
            tenant: principal.tenant,
            owner,
            kind,
            waiting,
            author: principal.author(""),
            at: self.clock.now(),
            origin: caller.connection.clone(),
        })
    }

    /// The id of the principal's own conversation of a kind, or of the one that will be created next.
    pub async fn own_or_next(&self, principal: &Principal, kind: &str) -> Result<ConversationId> {
        decode::check_kind("topic.own.kind", kind)?;
        Ok(self.store.own_conversation(principal.tenant, customer(principal)?, kind).await?.0)
    }
}

/// The caller as somebody who has conversations of their own.
fn customer(principal: &Principal) -> Result<UserId> {
    principal.user_id().filter(|_| !principal.is_staff()).ok_or(Error::RoleRequired("customer"))
}
