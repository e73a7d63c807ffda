//! What a connection may have missed: who went away and until when they were there, and the names by which a connection
//! is recovered.
//!
//! A redelivering connection that goes away is remembered, and the person's next one takes the oldest: so what was stored
//! meanwhile is given to one connection, once. What is remembered lives in memory. After a restart it is made anew from
//! what presence has stored: one absence for each person who was shown online or was seen within the time, from when they
//! were last known to be there. How many connections they had is not known, so all that come back within
//! [`RETURNING_MS`] are given what was stored since then. Not covered by that: people whose connections do not count for
//! presence, and, while several cores serve one tenant, absences that another core saw.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::Duration,
};

use parlor_store::{Millis, Store, TenantId, UserId};

use crate::{Result, caller::Principal, clock::Clock, heads::Heads, locked::lock, seal::Seal};

/// How long an absence is remembered: whoever is away longer begins anew and reads the history.
pub const REMEMBERED_MS: Millis = 10 * 60 * 1_000;

/// The time after a restart in which everybody comes back: clients try every few seconds, pages in the background once a minute.
pub const RETURNING_MS: Millis = 2 * 60 * 1_000;

/// Absences of one person that are remembered, the newest: a person has a few tabs.
pub const ABSENCES_OF_A_PERSON: usize = 8;

/// Absences that are remembered in all, the newest; about a hundred bytes each.
pub const ABSENCES_MAX: usize = 100_000;

/// Where a position is found by a time, it is found by a somewhat earlier one: an event bears the time at which it was
/// asked for, and is stored a little later.
const COMMIT_MS: Millis = 1_000;

/// What a client has not said for longer is taken as this: more than any transport waits for a sign of life.
pub const MAX_SILENCE: Duration = Duration::from_secs(120);

/// A person of a tenant.
type Key = (TenantId, UserId);

/// An absence that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// When the person was last known to be there.
    pub since: Millis,
    /// The tenant's position then, where it is known.
    pub position: Option<i64>,
    /// Where the connection began: nothing before it was missed.
    pub began: i64,
    /// From an earlier life of this core; until then it is of all connections that the person had. They may also have been
    /// there all the time, at a gateway that went on.
    pub shared_until: Option<Millis>,
    /// Somebody has taken it, while it is shared.
    pub taken: bool,
}

impl Absence {
    fn new(since: Millis, position: Option<i64>, began: i64) -> Self {
        Self { since, position, began, shared_until: None, taken: false }
    }
}

/// What was missed, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    pub since: Millis,
    pub position: i64,
}

/// The past, as far as connections need it.
pub struct Past {
    store: Store,
    clock: Clock,
    heads: Heads,
    seal: Seal,
    absences: Mutex<Absences>,
}

impl Past {
    /// Remembers whom earlier lives of this core have seen lately; `secret` seals the names of connections.
    pub async fn recall(store: Store, clock: Clock, heads: Heads, secret: &[u8]) -> Result<Self> {
        let now = clock.now();
        let limit = ABSENCES_MAX as u64;
        let seen = store.presence.recently_seen(now.saturating_sub(REMEMBERED_MS), limit).await?;
        let mut absences = Absences::default();
        for (tenant, user, since) in seen {
            let shared_until = Some(now.saturating_add(RETURNING_MS));
            absences.begin((tenant, user), Absence { shared_until, ..Absence::new(since, None, 0) }, now);
        }
        let seal = Seal::new(secret, "recovery");
        Ok(Self { store, clock, heads, seal, absences: Mutex::new(absences) })
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The tenant's position now.
    pub async fn head(&self, tenant: TenantId) -> Result<i64> {
        self.heads.read(&self.store, &self.clock, tenant).await
    }

    /// A connection is gone that was there at this moment.
    pub fn left(&self, key: Key, began: i64, position: u64) {
        let position = match i64::try_from(position) {
            Ok(0) | Err(_) => self.heads.last(key.0),
            Ok(position) => Some(position),
        };
        let since = self.clock.now();
        lock(&self.absences).begin(key, Absence::new(since, position, began), since);
    }

    /// A connection is gone that was last known to be there at an earlier time.
    pub fn left_at(&self, key: Key, began: i64, since: Millis) {
        lock(&self.absences).begin(key, Absence::new(since, None, began), self.clock.now());
    }

    /// Somebody was there all the time, at a gateway that went on while this core did not.
    pub fn never_left(&self, key: Key) {
        lock(&self.absences).forget_left_over(key);
    }

    /// Takes a person's oldest absence, and says what was missed in it. It is put back if that cannot be said.
    pub async fn take(&self, key: Key) -> Result<Option<Missed>> {
        let Some(absence) = lock(&self.absences).take(key, self.clock.now()) else { return Ok(None) };
        let position = match absence.position {
            Some(position) => Ok(position),
            None => self.store.log.position_at(key.0, absence.since.saturating_sub(COMMIT_MS)).await,
        };
        match position {
            Ok(position) => Ok(Some(Missed { since: absence.since, position: position.max(absence.began) })),
            Err(error) => {
                if !absence.taken {
                    lock(&self.absences).begin(key, absence, self.clock.now());
                }
                Err(error.into())
            }
        }
    }

    /// Puts back what was taken for a connection that came to nothing.
    pub fn put_back(&self, key: Key, missed: Missed) {
        let Missed { since, position } = missed;
        lock(&self.absences).begin(key, Absence::new(since, Some(position), position), self.clock.now());
    }

    /// Names a connection that begins at a position, for a later recovery. No two are alike.
    #[must_use]
    pub fn pid(&self, principal: &Principal, mount: &str, position: i64) -> String {
        let mut plain = position.to_be_bytes().to_vec();
        plain.extend_from_slice(&rand::random::<u64>().to_be_bytes());
        self.seal.seal(&purpose(principal, mount).each_ref().map(String::as_str), &plain)
    }

    /// Where the connection of this name began, if it was one of the same person on the same mount.
    #[must_use]
    pub fn recovered(&self, principal: &Principal, mount: &str, pid: &str) -> Option<i64> {
        let plain = self.seal.open(&purpose(principal, mount).each_ref().map(String::as_str), pid)?;
        let (position, _) = plain.split_first_chunk()?;
        Some(i64::from_be_bytes(*position))
    }
}

fn purpose(principal: &Principal, mount: &str) -> [String; 3] {
    [principal.tenant.0.to_string(), mount.to_owned(), principal.key()]
}

/// Absences by when they began.
#[derive(Debug, Default)]
struct Absences {
    by_time: BTreeMap<(Millis, u64), (Key, Absence)>,
    of_person: HashMap<Key, Vec<(Millis, u64)>>,
    last: u64,
}

impl Absences {
    fn begin(&mut self, key: Key, absence: Absence, now: Millis) {
        self.forget_old(now);
        self.last += 1;
        let place = (absence.since, self.last);
        self.by_time.insert(place, (key, absence));
        let own = self.of_person.entry(key).or_default();
        own.push(place);
        own.sort_unstable();
        if own.len() > ABSENCES_OF_A_PERSON {
            let oldest = own[0];
            self.remove(oldest);
        }
        while self.by_time.len() > ABSENCES_MAX
            && let Some((&oldest, _)) = self.by_time.first_key_value()
        {
            self.remove(oldest);
        }
    }

    fn take(&mut self, key: Key, now: Millis) -> Option<Absence> {
        self.forget_old(now);
        loop {
            let oldest = *self.of_person.get(&key)?.first()?;
            let (_, absence) = self.by_time.get_mut(&oldest)?;
            if absence.shared_until.is_some_and(|until| now < until) {
                absence.taken = true;
                return Some(*absence);
            }
            let was_shared = absence.taken;
            let absence = self.remove(oldest);
            if !was_shared {
                return absence;
            }
        }
    }

    fn forget_left_over(&mut self, key: Key) {
        let own = self.of_person.get(&key).into_iter().flatten();
        let left_over = own.copied().find(|place| self.by_time[place].1.shared_until.is_some());
        if let Some(place) = left_over {
            self.remove(place);
        }
    }

    fn forget_old(&mut self, now: Millis) {
        while let Some((&oldest, _)) = self.by_time.first_key_value()
            && oldest.0 + REMEMBERED_MS <= now
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, place: (Millis, u64)) -> Option<Absence> {
        let (key, absence) = self.by_time.remove(&place)?;
        if let Some(own) = self.of_person.get_mut(&key) {
            own.retain(|kept| *kept != place);
            if own.is_empty() {
                self.of_person.remove(&key);
            }
        }
        Some(absence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(1);

    fn absence(since: Millis) -> Absence {
        Absence::new(since, Some(since), 0)
    }

    fn since(taken: Option<Absence>) -> Option<Millis> {
        taken.map(|absence| absence.since)
    }

    #[test]
    fn the_oldest_is_taken_first_and_once() {
        let (mut absences, ann, bob) = (Absences::default(), UserId::new(), UserId::new());
        for began in [30, 10, 20] {
            absences.begin((TENANT, ann), absence(began), 30);
        }
        absences.begin((TENANT, bob), absence(5), 30);
        let taken: Vec<_> = (0..4).map(|_| since(absences.take((TENANT, ann), 40))).collect();
        assert_eq!(taken, [Some(10), Some(20), Some(30), None]);
        assert_eq!(absences.take((TenantId(2), bob), 40), None);
        assert_eq!(since(absences.take((TENANT, bob), 40)), Some(5));
        assert!(absences.by_time.is_empty() && absences.of_person.is_empty());
    }

    #[test]
    fn it_is_forgotten_exactly_when_its_time_is_over() {
        for (later, remembered) in [(REMEMBERED_MS - 1, true), (REMEMBERED_MS, false)] {
            let (mut absences, ann) = (Absences::default(), UserId::new());
            absences.begin((TENANT, ann), absence(7), 7);
            assert_eq!(absences.take((TENANT, ann), 7 + later).is_some(), remembered);
        }
    }

    #[test]
    fn a_person_has_as_many_as_the_limit_and_one_more_takes_the_place_of_the_oldest() {
        let (mut absences, ann) = (Absences::default(), UserId::new());
        for began in 0..=ABSENCES_OF_A_PERSON {
            absences.begin((TENANT, ann), absence(i64::try_from(began).unwrap()), 10);
        }
        assert_eq!(absences.by_time.len(), ABSENCES_OF_A_PERSON);
        assert_eq!(since(absences.take((TENANT, ann), 10)), Some(1));
    }

    #[test]
    fn all_together_are_as_many_as_the_limit_and_no_more() {
        let mut absences = Absences::default();
        let first = UserId::new();
        absences.begin((TENANT, first), absence(0), 10);
        for _ in 1..ABSENCES_MAX {
            absences.begin((TENANT, UserId::new()), absence(1), 10);
        }
        assert!(absences.of_person.contains_key(&(TENANT, first)));
        absences.begin((TENANT, UserId::new()), absence(1), 10);
        assert_eq!(absences.by_time.len(), ABSENCES_MAX);
        assert_eq!(absences.of_person.len(), ABSENCES_MAX);
        assert_eq!(absences.take((TENANT, first), 10), None);
    }

    #[test]
    fn what_an_earlier_life_left_is_for_all_who_come_back_in_time() {
        let (mut absences, ann) = (Absences::default(), UserId::new());
        let key = (TENANT, ann);
        absences.begin(key, Absence { shared_until: Some(100), ..absence(1) }, 10);
        absences.begin(key, absence(20), 20);
        for _ in 0..3 {
            assert_eq!(since(absences.take(key, 99)), Some(1));
        }
        let taken: Vec<_> = (0..2).map(|_| since(absences.take(key, 100))).collect();
        assert_eq!(taken, [Some(20), None], "who comes later had not been there");
    }

    #[test]
    fn who_comes_back_late_and_first_takes_it_still() {
        let (mut absences, ann) = (Absences::default(), UserId::new());
        absences.begin((TENANT, ann), Absence { shared_until: Some(100), ..absence(1) }, 10);
        let taken: Vec<_> = (0..2).map(|_| since(absences.take((TENANT, ann), 100))).collect();
        assert_eq!(taken, [Some(1), None]);
    }

    #[test]
    fn only_what_an_earlier_life_left_is_taken_back() {
        let (mut absences, ann) = (Absences::default(), UserId::new());
        let key = (TENANT, ann);
        absences.begin(key, absence(1), 10);
        absences.begin(key, Absence { shared_until: Some(100), ..absence(2) }, 10);
        for _ in 0..2 {
            absences.forget_left_over(key);
            assert_eq!(absences.by_time.len(), 1);
        }
        assert_eq!(since(absences.take(key, 10)), Some(1));
    }
}
