//! How often something may be tried: a bucket for each key, in a bounded map.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Mutex,
};

use crate::{Error, Result, locked::lock};

/// What a bucket holds, and how fast it fills.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// One comes back in this time: in microseconds, since several may in a millisecond.
    refill_us: i64,
}

const MS: i64 = 1_000;
const SECOND: i64 = 1_000 * MS;

impl Rate {
    /// One comes back every so many milliseconds.
    pub const fn every(refill_ms: i64, burst: u32) -> Self {
        Self { burst, refill_us: refill_ms.saturating_mul(MS) }
    }

    /// So many come back in a second; at least one.
    pub fn per_second(count: u32, burst: u32) -> Self {
        Self { burst, refill_us: SECOND / i64::from(count.max(1)) }
    }

    /// Nothing is ever empty.
    pub const fn is_no_limit(self) -> bool {
        self.burst == 0 || self.refill_us == 0
    }

    /// How long until one comes back.
    #[cfg(any(test, feature = "testing"))]
    pub const fn refill_ms(self) -> i64 {
        self.refill_us / MS
    }

    /// The moment at which a bucket will be full once one more is taken; fails if it is empty.
    fn taken(self, full_at: Option<&(i64, u64)>, now_us: i64) -> Result<i64> {
        let taken = full_at.map_or(now_us, |(at, _)| now_us.max(*at)).saturating_add(self.refill_us);
        let late_us = taken - now_us - self.refill_us.saturating_mul(self.burst.into());
        if late_us > 0 { Err(limited(late_us)) } else { Ok(taken) }
    }
}

/// The buckets of all keys.
#[derive(Debug)]
pub struct Buckets<K> {
    kept: Mutex<Kept<K>>,
    most: usize,
}

#[derive(Debug)]
struct Kept<K> {
    /// The moment at which each will be full again, which says all there is to say, and what tells it from the same moment
    /// of others.
    full_at: HashMap<K, (i64, u64)>,
    /// The same by moment: those that are full again stand first.
    order: BTreeMap<(i64, u64), K>,
    taken: u64,
}

/// Full buckets that go with each attempt: more than an attempt adds, and few enough that it waits for nothing.
const SWEPT: usize = 8;

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// When `most` are in use, new keys are refused until one recovers.
    pub fn new(most: usize) -> Self {
        Self { kept: Mutex::new(Kept { full_at: HashMap::new(), order: BTreeMap::new(), taken: 0 }), most }
    }

    /// Fails if a bucket is empty. Takes nothing.
    pub fn check(&self, key: &K, rate: Rate, now_ms: i64) -> Result<()> {
        rate.taken(lock(&self.kept).full_at.get(key), now_ms.saturating_mul(MS)).map(drop)
    }

    /// Takes one from each bucket, or none from any.
    pub fn take(&self, wanted: &[(K, Rate)], now_ms: i64) -> Result<()> {
        let now_us = now_ms.saturating_mul(MS);
        let mut kept = lock(&self.kept);
        let has_room = |kept: &Kept<K>| {
            let new = wanted.iter().filter(|(key, _)| !kept.full_at.contains_key(key)).count();
            new == 0 || kept.full_at.len() + new <= self.most
        };
        if !has_room(&kept) {
            kept.sweep(now_us, usize::MAX);
            if !has_room(&kept) {
                let refill = wanted.iter().map(|(_, rate)| rate.refill_us).max();
                return Err(limited(refill.unwrap_or_default()));
            }
        } else {
            kept.sweep(now_us, SWEPT);
        }
        let taken = wanted.iter().map(|(key, rate)| rate.taken(kept.full_at.get(key), now_us));
        let taken = taken.collect::<Result<Vec<_>>>()?;
        for ((key, _), full_at) in wanted.iter().zip(taken) {
            kept.set(key.clone(), full_at);
        }
        Ok(())
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn len(&self) -> usize {
        lock(&self.kept).full_at.len()
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn len_in_order(&self) -> usize {
        lock(&self.kept).order.len()
    }
}

impl<K: Clone + Eq + Hash> Kept<K> {
    fn set(&mut self, key: K, full_at: i64) {
        self.taken += 1;
        let place = (full_at, self.taken);
        if let Some(before) = self.full_at.insert(key.clone(), place) {
            self.order.remove(&before);
        }
        self.order.insert(place, key);
    }

    /// Forgets buckets that are full again, at most so many.
    fn sweep(&mut self, now_us: i64, most: usize) {
        for _ in 0..most {
            match self.order.first_entry() {
                Some(first) if first.key().0 <= now_us => {
                    self.full_at.remove(&first.remove());
                }
                _ => return,
            }
        }
    }
}

fn limited(wait_us: i64) -> Error {
    Error::RateLimited { retry_after_ms: wait_us.unsigned_abs().div_ceil(MS.unsigned_abs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::every(1_000, 3);

    #[test]
    fn full_buckets_go_by_the_clock_a_few_with_each_attempt() {
        let buckets = Buckets::new(1_000);
        for key in 0..100 {
            buckets.take(&[(key, RATE)], 0).unwrap();
        }
        buckets.take(&[(0, RATE), (1, RATE)], 500).unwrap();
        assert_eq!(buckets.len(), 100);
        buckets.take(&[(99, RATE)], 1_000).unwrap();
        assert_eq!(buckets.len(), 100 - SWEPT, "the table is far from full");
        for _ in 0..13 {
            buckets.take(&[(99, RATE)], 9_000).ok();
        }
        assert_eq!(buckets.len(), 1);
        assert_eq!(lock(&buckets.kept).order.len(), 1);
    }

    #[test]
    fn what_comes_back_in_a_second_is_counted_exactly() {
        for count in [1, 3, 300, 600, 999, 1_000, 2_500] {
            let (buckets, rate) = (Buckets::new(1), Rate::per_second(count, 10_000));
            let take = |now_ms| buckets.take(&[((), rate)], now_ms).is_ok();
            while take(0) {}
            let back = (0..).take_while(|_| take(1_000)).count();
            assert_eq!(back, count as usize, "in a second");
        }
    }

    #[test]
    fn what_is_in_use_stays() {
        let buckets = Buckets::new(2);
        for now_ms in [0, 0, 0] {
            buckets.take(&[("a", RATE)], now_ms).unwrap();
        }
        buckets.take(&[("b", RATE)], 0).unwrap();
        buckets.take(&[("c", RATE)], 999).unwrap_err();
        buckets.take(&[("c", RATE)], 1_000).unwrap();
        buckets.check(&"a", RATE, 999).unwrap_err();
        buckets.check(&"a", RATE, 1_000).unwrap();
    }
}
