//! One person as others see them: what is stored, what is shown of it, and to whom.

use std::sync::Arc;

use parlor_api::{v1, veil::Viewer};
use parlor_store::{Availability, PresenceRow, TenantId, User, UserId};

use crate::wire;

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

    /// True if they may know of it.
    pub fn visible_to(&self, viewer: &Viewer) -> bool {
        viewer.is_staff() || viewer.sees(&self.to_proto())
    }

    /// As staff see it.
    pub fn to_proto(&self) -> v1::Presence {
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
        v1::Availability::Away => Availability::Away,
    }
}

fn availability_to_proto(availability: Availability) -> v1::Availability {
    match availability {
        Availability::Available => v1::Availability::Available,
        Availability::Busy => v1::Availability::Busy,
        Availability::Off => v1::Availability::Off,
        Availability::Away => v1::Availability::Away,
    }
}
