//! Presence: who is here, and who wants to be seen.
//!
//! The store is the truth that every node reads: one lease for each person and node, written when the first connection
//! comes and when the last has been gone for its linger. [`roster`] counts the connections of this node, [`keeper`] moves
//! its edges into the store and announces them, in order, [`life`] keeps this node's leases alive, and [`elsewhere`] sees
//! to it that no other core is at work on them.
//!
//! Reachable (connections) and available (what a person chose) are two things, stored apart.

mod announcing;
mod attend;
mod elsewhere;
mod keeper;
mod let_go;
mod life;
mod present;
mod roster;
mod rpc;
mod seen;
#[cfg(test)]
mod tests;
mod visits;
mod watch;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parlor_api::v1;
use parlor_store::{Availability, PresenceRow, TenantId, User, UserId, What};

pub use self::{
    announcing::Announce,
    elsewhere::{NotStarted, Occupied},
    keeper::Presence,
    life::Options,
    present::Present,
    roster::Counted,
    rpc::PresenceRpc,
};
use self::{
    keeper::MAX_LINGER,
    seen::{availability_from_proto, unseen},
};
pub(crate) use self::{seen::Seen, visits::Visiting};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    field,
};

impl Presence {
    /// Everybody online in a tenant, by number, and the revision that was read.
    pub(crate) async fn online(&self, tenant: TenantId) -> Result<(Vec<Seen>, i64)> {
        let (rows, revision) = self.store.presence.presences(tenant).await?;
        let ids: Vec<UserId> = rows.iter().map(|row| row.user_id).collect();
        let mut users: HashMap<UserId, User> =
            self.store.directory.users(tenant, &ids).await?.into_iter().map(|user| (user.id, user)).collect();
        let mut seen: Vec<Seen> = rows
            .into_iter()
            .filter_map(|row| users.remove(&row.user_id).map(|user| self.seen(Arc::new(user), row)))
            .collect();
        seen.sort_by_key(|seen| seen.user.number);
        Ok((seen, revision))
    }

    /// One person as they are now.
    pub(crate) async fn person(&self, tenant: TenantId, id: UserId) -> Result<Seen> {
        let user = self.store.directory.user(tenant, id).await?;
        let row = self.store.presence.presence(tenant, id).await?.unwrap_or_else(|| unseen(tenant, id));
        Ok(self.seen(Arc::new(user), row))
    }

    /// One person, if the caller may see them; the same answer for who does not exist and who is not to be seen.
    pub(crate) async fn visible_person(&self, principal: &Principal, id: UserId) -> Result<Seen> {
        let seen = self.person(principal.tenant, id).await?;
        if seen.visible_to(&principal.viewer()) { Ok(seen) } else { Err(Error::NotFound(What::User)) }
    }

    /// Sets what somebody chose to show, and tells everybody.
    pub(crate) async fn choose(
        &self,
        caller: &Caller,
        request: &v1::SetAvailabilityRequest,
    ) -> Result<v1::Presence> {
        let choice = v1::Availability::try_from(request.availability)
            .map_err(|_| Error::field("availability", "must be one of the choices"))?;
        let whom = field::some_id("user_id", &request.user_id, UserId::parse)?;
        let principal = caller.principal()?;
        let own = principal.user_id();
        let id = whom
            .or(own)
            .ok_or_else(|| Error::field("user_id", "must name somebody: the caller has no account"))?;
        if Some(id) != own {
            caller.staff()?;
        }
        self.store.directory.user(principal.tenant, id).await?;
        let choice = availability_from_proto(choice);
        // What is stored is told, whether or not who asked waits for it.
        let chosen = self.tasks.spawn(self.clone().show(principal.tenant, id, choice));
        Ok(chosen.await.map_err(|_stopped| Error::TryAgain)??.to_proto())
    }

    async fn show(self, tenant: TenantId, id: UserId, choice: Availability) -> Result<Seen> {
        let revised = self.store.presence.set_availability(tenant, id, choice).await?;
        let seen = self.person(tenant, id).await;
        self.tell(tenant, revised, seen.as_ref());
        seen
    }

    fn seen(&self, user: Arc<User>, row: PresenceRow) -> Seen {
        let connections = self.connections(user.tenant, user.id);
        Seen { user, row, connections }
    }
}

/// How long somebody asks to be shown online after their last connection; `None` if they do not say.
pub(crate) fn linger(field: &'static str, asked: Option<prost_types::Duration>) -> Result<Option<Duration>> {
    let Some(asked) = asked else { return Ok(None) };
    let linger = Duration::try_from(asked).ok().filter(|linger| *linger <= MAX_LINGER);
    let problem = || Error::field(field, format!("must be 0 to {} seconds", MAX_LINGER.as_secs()));
    linger.map(Some).ok_or_else(problem)
}

/// The role somebody asks for; `None` if any will do.
fn wanted_role(role: i32) -> Result<Option<v1::Role>> {
    let role = v1::Role::try_from(role).map_err(|_| Error::field("role", "must be a role"))?;
    Ok(Some(role).filter(|role| *role != v1::Role::Unspecified))
}
