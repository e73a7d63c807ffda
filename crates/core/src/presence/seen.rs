//! One person as others see them: what is stored, what is shown of it, and to whom.

use std::sync::Arc;

use parlor_api::v1;
use parlor_store::{Availability, PresenceRow, Roles, TenantId, User, UserId};

use crate::{caller::Principal, wire};

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
pub(super) fn sees(principal: &Principal, user_id: &str, roles: Roles, availability: Availability) -> bool {
    let offers = !roles.and(Roles::STAFF.with(Roles::ADMIN).with(Roles::PROVIDER)).is_empty();
    principal.is_staff()
        || principal.user_id().is_some_and(|own| own.to_string() == user_id)
        || (offers && availability != Availability::Off)
}

/// E-mail addresses are for staff and for the person alone.
pub(super) fn hide_email(presence: &mut v1::Presence, principal: &Principal) {
    if let Some(person) = &mut presence.person
        && !principal.is_staff()
        && principal.user_id().is_none_or(|own| own.to_string() != person.user_id)
    {
        person.email.clear();
    }
}

/// A person whom presence has never heard of.
pub(super) fn unseen(tenant: TenantId, user_id: UserId) -> PresenceRow {
    PresenceRow {
        tenant,
        user_id,
        availability: Availability::Available,
        last_seen: None,
        leases: Vec::new(),
    }
}

pub(super) fn availability_from_proto(availability: v1::Availability) -> Availability {
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
