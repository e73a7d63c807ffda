//! Who visits a site: changes are numbered without gaps by the core, and the store knows all of it.

use std::collections::{BTreeMap, BTreeSet};

use parlor_api::v1::{self, event::Payload};
use parlor_store::Millis;

use super::contract::{Applied, State};
use crate::{
    hub::Announced,
    wire::{millis, unsigned},
};

/// Visits that are kept for those who begin to watch: the latest seen.
const MOST: usize = 1_000;

/// The visits that have not been left, by number.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    visits: BTreeMap<u64, v1::Visit>,
    /// Their numbers, by when they were seen last.
    seen: BTreeSet<(Millis, u64)>,
}

impl Visitors {
    fn put(&mut self, visit: v1::Visit) {
        self.take(visit.number);
        if visit.state() == v1::VisitState::Left {
            return;
        }
        self.seen.insert(place(&visit));
        self.visits.insert(visit.number, visit);
        if self.visits.len() > MOST
            && let Some((_, number)) = self.seen.pop_first()
        {
            self.visits.remove(&number);
        }
    }

    fn take(&mut self, number: u64) {
        if let Some(known) = self.visits.remove(&number) {
            self.seen.remove(&place(&known));
        }
    }
}

fn place(visit: &v1::Visit) -> (Millis, u64) {
    (visit.last_seen.as_ref().map_or(0, millis), visit.number)
}

impl State for Visitors {
    fn restore(&mut self, snapshot: v1::Event) {
        let Some(Payload::VisitSnapshot(shown)) = snapshot.payload else { return };
        *self = Self::default();
        shown.visits.into_iter().for_each(|visit| self.put(visit));
    }

    fn apply(&mut self, announced: &Announced, head: i64, _now: Millis) -> Applied {
        if announced.number <= head {
            return Applied::Nothing;
        }
        if announced.number > head + 1 {
            return Applied::Missing;
        }
        if let Some(Payload::VisitChanged(changed)) = &announced.event.payload
            && let Some(visit) = &changed.visit
        {
            self.put(visit.clone());
        }
        Applied::Told
    }

    fn snapshot(&self, head: i64) -> v1::Event {
        snapshot(head, self.visits.values().cloned().collect())
    }
}

/// Visits as an event.
#[must_use]
pub fn snapshot(revision: i64, visits: Vec<v1::Visit>) -> v1::Event {
    v1::Event {
        audience: v1::Audience::Staff.into(),
        payload: Some(Payload::VisitSnapshot(v1::VisitSnapshot { revision: unsigned(revision), visits })),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(number: u64, state: v1::VisitState) -> v1::Visit {
        let last_seen = Some(crate::wire::timestamp(i64::try_from(number).unwrap()));
        v1::Visit { number, state: state.into(), last_seen, ..v1::Visit::default() }
    }

    #[test]
    fn no_more_are_kept_than_the_limit_and_the_latest_are() {
        let mut visitors = Visitors::default();
        for number in 1..=MOST as u64 {
            visitors.put(visit(number, v1::VisitState::Active));
        }
        assert_eq!(visitors.visits.len(), MOST);
        visitors.put(visit(MOST as u64 + 1, v1::VisitState::Idle));
        assert_eq!((visitors.visits.len(), visitors.seen.len()), (MOST, MOST));
        assert!(!visitors.visits.contains_key(&1));
        visitors.put(visit(7, v1::VisitState::Left));
        assert_eq!((visitors.visits.len(), visitors.seen.len()), (MOST - 1, MOST - 1));
    }
}
