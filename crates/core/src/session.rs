//! Sessions between a payer and a provider: who may ask whom, who may answer, who sees it.
//!
//! What two could race for (the state, who is reserved, the rate, that there is one session of two people) is decided by the
//! store inside the writing transaction. Here it is decided who somebody is in a session, and what they may see of it. The rules
//! are here once, for unary calls and for commands of `Conduct`.

mod conduct;
pub mod convert;
mod decode;
pub mod due;
mod providers;
mod rpc;
pub mod subject;
mod watch;

use std::sync::Arc;

use parlor_api::v1;
use parlor_store::{
    Mutation, NewSession, Session, SessionFilter, SessionId, SessionKind, SessionMove, Step, Store, UserId,
};

pub use self::rpc::SessionRpc;
use self::{
    decode::{Reference, Responder, Wish},
    due::Nudge,
};
use crate::{
    Error, Result,
    auth::Auth,
    caller::{Caller, Principal},
    clock::Clock,
    hub::Hub,
};

/// The rules of sessions. Cloning is cheap.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    hub: Hub,
    clock: Clock,
    rights: Arc<Auth>,
    /// Told of what the clock will have to do: of each new request, and of what was accepted.
    due: Nudge,
}

impl Sessions {
    /// The rules over a store and a hub.
    #[must_use]
    pub fn new(store: Store, hub: Hub, clock: Clock, rights: Arc<Auth>, due: Nudge) -> Self {
        Self { store, hub, clock, rights, due }
    }

    /// What asks for a session.
    async fn requesting(&self, caller: &Caller, wish: Wish) -> Result<Mutation<Session>> {
        let principal = caller.principal()?;
        let own = person(principal)?;
        if wish.kind == SessionKind::Invitation {
            caller.staff()?;
        }
        let Wish { kind, responder, topic, intake } = wish;
        let (payer, provider, offered) = match responder {
            Responder::Provider(_) if kind == SessionKind::Invitation => {
                return Err(Error::field("payer_id", "must name who is invited"));
            }
            Responder::Provider(provider) => (own, self.named_provider(principal, provider).await?, false),
            Responder::Payer(payer) => (payer, own, true),
        };
        if payer == provider {
            return Err(Error::field("responder", "must be somebody else than the caller"));
        }
        let cause = caller.cause(&self.clock)?;
        let new = NewSession { cause, kind, payer, provider, offered, topic, intake };
        Ok(Mutation::request_session(new))
    }

    /// What moves a session on.
    async fn moving(
        &self,
        caller: &Caller,
        reference: Reference,
        what: SessionMove,
        note: String,
    ) -> Result<Mutation<Session>> {
        let principal = caller.principal()?;
        let administers = principal.is_admin();
        if !administers {
            person(principal)?;
        }
        let id = self.meant(principal, reference).await?;
        let cause = caller.cause(&self.clock)?;
        Ok(Mutation::move_session(Step { cause, id, what, administers, note }))
    }

    /// Reads a session for somebody who may see it.
    async fn seen(&self, principal: &Principal, reference: Reference) -> Result<Session> {
        let id = self.meant(principal, reference).await?;
        let session = self.store.sessions.session(principal.tenant, id).await?;
        may_see(principal, &session)?;
        Ok(session)
    }

    /// Lists what a caller may see, the newest first.
    async fn list(
        &self,
        principal: &Principal,
        filter: SessionFilter,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Session>> {
        let everything = principal.is_admin();
        let seen_by = (!everything).then(|| (principal.user_id(), principal.is_staff()));
        let filter = SessionFilter { seen_by, ..filter };
        Ok(self.store.sessions.list(principal.tenant, &filter, before, limit).await?)
    }

    async fn meant(&self, principal: &Principal, reference: Reference) -> Result<SessionId> {
        match reference {
            Reference::Id(id) => Ok(id),
            Reference::Number(number) => Ok(self.store.sessions.by_number(principal.tenant, number).await?),
        }
    }
}

/// The caller as somebody who can be in a session.
fn person(principal: &Principal) -> Result<UserId> {
    principal.user_id().ok_or(Error::RoleRequired("user"))
}

/// Fails unless it is the principal's own, the principal administers the tenant, or staff look at an invitation.
fn may_see(principal: &Principal, session: &Session) -> Result<()> {
    let takes_part = principal.user_id().is_some_and(|own| session.side_of(own).is_some());
    let of_staff = session.kind == SessionKind::Invitation && principal.is_staff();
    if takes_part || of_staff || principal.is_admin() { Ok(()) } else { Err(Error::NotParty) }
}

/// A kind, as the contract writes it.
fn kind_to_proto(kind: SessionKind) -> v1::SessionKind {
    match kind {
        SessionKind::Chat => v1::SessionKind::Chat,
        SessionKind::Audio => v1::SessionKind::Audio,
        SessionKind::Video => v1::SessionKind::Video,
        SessionKind::Invitation => v1::SessionKind::Invitation,
    }
}

#[cfg(test)]
mod tests;
