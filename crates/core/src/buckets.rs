//! How often something may be tried: a bucket for each key, in a bounded map.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Error, Result};

/// What a bucket holds, and how fast it fills.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// One comes back in this time.
    pub refill_ms: i64,
}

impl Rate {
    /// The moment at which a bucket will be full once one more is taken; fails if it is empty.
    fn taken(self, full_at: Option<&i64>, now_ms: i64) -> Result<i64> {
        let taken = full_at.map_or(now_ms, |at| now_ms.max(*at)).saturating_add(self.refill_ms);
        let late_ms = taken - now_ms - self.refill_ms.saturating_mul(self.burst.into());
        if late_ms > 0 { Err(limited(late_ms)) } else { Ok(taken) }
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
    /// The moment at which each will be full again, which says all there is to say.
    full_at: HashMap<K, i64>,
    /// The same by moment: those that are full again stand first.
    order: BTreeSet<(i64, K)>,
}

/// Full buckets that go with each attempt: more than an attempt adds, and few enough that it waits for nothing.
const SWEPT: usize = 8;

impl<K: Clone + Ord + Hash> Buckets<K> {
    /// When `most` are in use, new keys are refused until one recovers.
    pub fn new(most: usize) -> Self {
        Self { kept: Mutex::new(Kept { full_at: HashMap::new(), order: BTreeSet::new() }), most }
    }

    /// Fails if a bucket is empty. Takes nothing.
    pub fn check(&self, key: &K, rate: Rate, now_ms: i64) -> Result<()> {
        rate.taken(self.lock().full_at.get(key), now_ms).map(drop)
    }

    /// Takes one from each bucket, or none from any.
    pub fn take(&self, wanted: &[(K, Rate)], now_ms: i64) -> Result<()> {
        let mut kept = self.lock();
        let has_room = |kept: &Kept<K>| {
            let new = wanted.iter().filter(|(key, _)| !kept.full_at.contains_key(key)).count();
            new == 0 || kept.full_at.len() + new <= self.most
        };
        if !has_room(&kept) {
            kept.sweep(now_ms, usize::MAX);
            if !has_room(&kept) {
                let refill = wanted.iter().map(|(_, rate)| rate.refill_ms).max();
                return Err(limited(refill.unwrap_or_default()));
            }
        } else {
            kept.sweep(now_ms, SWEPT);
        }
        let taken = wanted.iter().map(|(key, rate)| rate.taken(kept.full_at.get(key), now_ms));
        let taken = taken.collect::<Result<Vec<_>>>()?;
        for ((key, _), full_at) in wanted.iter().zip(taken) {
            kept.set(key.clone(), full_at);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().full_at.len()
    }
}

impl<K: Clone + Ord + Hash> Kept<K> {
    fn set(&mut self, key: K, full_at: i64) {
        if let Some(before) = self.full_at.insert(key.clone(), full_at) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((full_at, key));
    }

    /// Forgets buckets that are full again, at most so many.
    fn sweep(&mut self, now_ms: i64, most: usize) {
        for _ in 0..most {
            match self.order.first() {
                Some((full_at, _)) if *full_at <= now_ms => {}
                _ => return,
            }
            if let Some((_, key)) = self.order.pop_first() {
                self.full_at.remove(&key);
            }
        }
    }
}

fn limited(wait_ms: i64) -> Error {
    Error::RateLimited { retry_after_ms: wait_ms.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, refill_ms: 1_000 };

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
        assert_eq!(buckets.lock().order.len(), 1);
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
