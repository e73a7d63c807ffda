//! What is pending or active of somebody. Its changes are numbered by their positions in the tenant, so with gaps: what the bus
//! loses is found when states are compared, or by its own word that it lost something.

use std::collections::BTreeMap;

use parlor_api::v1::{self, SessionState, event::Payload};
use parlor_store::Millis;

use super::contract::{Applied, State};
use crate::hub::Announced;

/// By the ids, which rise with time.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, v1::Session>);

impl State for Sessions {
    fn restore(&mut self, snapshot: v1::Event) {
        let Some(Payload::SessionsSnapshot(shown)) = snapshot.payload else { return };
        self.0 = shown.sessions.into_iter().map(|session| (session.id.clone(), session)).collect();
    }

    fn apply(&mut self, announced: &Announced, head: i64, _now: Millis) -> Applied {
        let Some(Payload::SessionChanged(changed)) = &announced.event.payload else {
            return Applied::Nothing;
        };
        let Some(session) = changed.session.as_ref().filter(|_| announced.number > head) else {
            return Applied::Nothing;
        };
        if matches!(session.state(), SessionState::Pending | SessionState::Active) {
            self.0.insert(session.id.clone(), session.clone());
        } else {
            self.0.remove(&session.id);
        }
        Applied::Told
    }

    fn snapshot(&self, _head: i64) -> v1::Event {
        snapshot(self.0.values().cloned().collect())
    }
}

/// What is pending or active of somebody, as an event.
#[must_use]
pub fn snapshot(sessions: Vec<v1::Session>) -> v1::Event {
    v1::Event {
        audience: v1::Audience::Participants.into(),
        payload: Some(Payload::SessionsSnapshot(v1::SessionsSnapshot { sessions })),
        ..Default::default()
    }
}
