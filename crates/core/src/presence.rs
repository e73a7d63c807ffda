//! Presence: who is here, and who wants to be seen.
//!
//! The store is the truth that every node reads: one lease for each person and node, written when the first connection
//! comes and when the last has been gone for its linger. [`roster`] counts the connections of this node, [`keeper`] moves
//! its edges into the store and announces them, in order, and keeps this node's leases alive.
//!
//! Reachable (connections) and available (what a person chose) are two things, stored apart.

mod attend;
mod keeper;
mod roster;
pub mod rpc;
#[cfg(test)]
mod tests;
mod watch;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parlor_api::v1;
use parlor_store::{Availability, PresenceRow, Roles, TenantId, User, UserId, What};

pub use self::{
    keeper::{Announce, Options, Presence},
    roster::Counted,
};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    wire,
};

/// The longest linger a connection may ask for: more would show people who are gone.
pub const MAX_LINGER: Duration = Duration::from_secs(60);

/// One person as they are now: what is stored of them, and who they are.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub user: Arc<User>,
    pub row: PresenceRow,
    pub connections: u32,
}

impl Seen {
    /// A node says they are there.
    pub fn reachable(&self) -> bool {
        !self.row.leases.is_empty()
    }

    /// Others than staff see themselves, and staff and providers who have not chosen to be off.
    pub fn visible_to(&self, principal: &Principal) -> bool {
        sees(principal, &self.user.id.to_string(), self.user.roles, self.row.availability)
    }

    /// As the caller may see it.
    pub fn to_proto(&self, principal: &Principal) -> v1::Presence {
        let mut presence = self.to_full_proto();
        hide_email(&mut presence, principal);
        presence
    }

    /// As staff see it.
    pub fn to_full_proto(&self) -> v1::Presence {
        let since = self.row.leases.iter().map(|(_, _, since)| *since).min();
        v1::Presence {
            person: Some(wire::person(&self.user)),
            reachable: self.reachable(),
            availability: availability_to_proto(self.row.availability).into(),
            connections: self.connections,
            online_since: since.map(wire::timestamp),
            last_seen: if since.is_some() { None } else { self.row.last_seen.map(wire::timestamp) },
            roles: wire::roles(self.user.roles),
        }
    }
}

/// Others than staff see themselves, and staff and providers who have not chosen to be off.
fn sees(principal: &Principal, user_id: &str, roles: Roles, availability: Availability) -> bool {
    let offers = !roles.and(Roles::STAFF.with(Roles::ADMIN).with(Roles::PROVIDER)).is_empty();
    principal.is_staff()
        || principal.user_id().is_some_and(|own| own.to_string() == user_id)
        || (offers && availability != Availability::Off)
}

/// E-mail addresses are for staff and for the person alone.
fn hide_email(presence: &mut v1::Presence, principal: &Principal) {
    if let Some(person) = &mut presence.person
        && !principal.is_staff()
        && principal.user_id().is_none_or(|own| own.to_string() != person.user_id)
    {
        person.email.clear();
    }
}

impl Presence {
    /// Everybody online in a tenant, by number, and the revision that was read.
    pub(crate) async fn online(&self, tenant: TenantId) -> Result<(Vec<Seen>, i64)> {
        let (rows, revision) = self.store.presences(tenant).await?;
        let ids: Vec<UserId> = rows.iter().map(|row| row.user_id).collect();
        let mut users: HashMap<UserId, User> =
            self.store.users(tenant, &ids).await?.into_iter().map(|user| (user.id, user)).collect();
        let mut seen: Vec<Seen> = rows
            .into_iter()
            .filter_map(|row| users.remove(&row.user_id).map(|user| self.seen(Arc::new(user), row)))
            .collect();
        seen.sort_by_key(|seen| seen.user.number);
        Ok((seen, revision))
    }

    /// The same for the hub, as staff see it.
    pub async fn presences(&self, tenant: TenantId) -> Result<(i64, Vec<v1::Presence>)> {
        let (seen, revision) = self.online(tenant).await?;
        Ok((revision, seen.iter().map(Seen::to_full_proto).collect()))
    }

    /// One person as they are now.
    pub(crate) async fn person(&self, tenant: TenantId, id: UserId) -> Result<Seen> {
        let user = self.store.user(tenant, id).await?;
        let row = self.store.presence(tenant, id).await?.unwrap_or_else(|| unseen(tenant, id));
        Ok(self.seen(Arc::new(user), row))
    }

    /// One person, if the caller may see them; the same answer for who does not exist and who is not to be seen.
    pub(crate) async fn visible_person(&self, principal: &Principal, id: UserId) -> Result<Seen> {
        let seen = self.person(principal.tenant, id).await?;
        if seen.visible_to(principal) { Ok(seen) } else { Err(Error::NotFound(What::User)) }
    }

    /// Sets what a person chose to show, and tells everybody.
    pub(crate) async fn choose(
        &self,
        caller: &Caller,
        whom: Option<UserId>,
        choice: Availability,
    ) -> Result<Seen> {
        let principal = caller.principal()?;
        let own = principal.user_id();
        let id = whom
            .or(own)
            .ok_or_else(|| Error::field("user_id", "a caller without an account names somebody"))?;
        if Some(id) != own {
            caller.staff()?;
        }
        self.store.user(principal.tenant, id).await?;
        let revision = self.store.set_availability(principal.tenant, id, choice, self.clock.now()).await?;
        let seen = self.person(principal.tenant, id).await?;
        self.tell(&seen, revision);
        Ok(seen)
    }

    fn seen(&self, user: Arc<User>, row: PresenceRow) -> Seen {
        let connections = self.connections(user.tenant, user.id);
        Seen { user, row, connections }
    }
}

fn unseen(tenant: TenantId, user_id: UserId) -> PresenceRow {
    PresenceRow {
        tenant,
        user_id,
        availability: Availability::Available,
        last_seen: None,
        leases: Vec::new(),
    }
}

fn availability_from_proto(availability: v1::Availability) -> Availability {
    match availability {
        v1::Availability::Unspecified | v1::Availability::Available => Availability::Available,
        v1::Availability::Busy => Availability::Busy,
        v1::Availability::Off => Availability::Off,
    }
}

fn availability_to_proto(availability: Availability) -> v1::Availability {
    match availability {
        Availability::Available => v1::Availability::Available,
        Availability::Busy => v1::Availability::Busy,
        Availability::Off => v1::Availability::Off,
    }
}
