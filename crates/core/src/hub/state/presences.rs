//! Who is online in a tenant: changes are numbered without gaps, and the store knows all of it.

use std::collections::BTreeMap;

use parlor_api::v1::{self, event::Payload};
use parlor_store::Millis;

use super::contract::{Applied, State, user_id};
use crate::{hub::Announced, wire::unsigned};

/// Everybody online in a tenant, by user id.
#[derive(Debug, Default)]
pub(super) struct Presences(BTreeMap<String, v1::Presence>);

impl State for Presences {
    fn restore(&mut self, snapshot: v1::Event) {
        let Some(Payload::PresenceSnapshot(shown)) = snapshot.payload else { return };
        let by_id = |presence: v1::Presence| (user_id(presence.person.as_ref()), presence);
        self.0 = shown.presences.into_iter().map(by_id).collect();
    }

    fn apply(&mut self, announced: &Announced, head: i64, _now: Millis) -> Applied {
        if announced.number <= head {
            return Applied::Nothing;
        }
        let Some(Payload::PresenceChanged(changed)) = &announced.event.payload else {
            return Applied::Nothing;
        };
        // Who changed at this number. A bare one is for whoever has not heard it from the one that changed.
        let Some(presence) = &changed.presence else { return Applied::Missing };
        if announced.number > head + 1 {
            return Applied::Missing;
        }
        let id = user_id(presence.person.as_ref());
        if presence.reachable {
            self.0.insert(id, presence.clone());
        } else {
            self.0.remove(&id);
        }
        Applied::Told
    }

    fn snapshot(&self, head: i64) -> v1::Event {
        snapshot(head, self.0.values().cloned().collect())
    }
}

/// Everybody online, as an event.
#[must_use]
pub fn snapshot(revision: i64, presences: Vec<v1::Presence>) -> v1::Event {
    let snapshot = v1::PresenceSnapshot { revision: unsigned(revision), presences };
    v1::Event {
        audience: v1::Audience::Participants.into(),
        payload: Some(Payload::PresenceSnapshot(snapshot)),
        ..Default::default()
    }
}
