//! How often something may be tried: a bucket for each key, in a bounded map.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use crate::{Error, Result, locked::lock};

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
    /// The moment at which each will be full again, which says all there is to say.
    full_at: Mutex<HashMap<K, i64>>,
    most: usize,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// When `most` are in use, new keys are refused until one recovers.
    pub fn new(most: usize) -> Self {
        Self { full_at: Mutex::default(), most }
    }

    /// Fails if a bucket is empty. Takes nothing.
    pub fn check(&self, key: &K, rate: Rate, now_ms: i64) -> Result<()> {
        rate.taken(lock(&self.full_at).get(key), now_ms).map(drop)
    }

    /// Takes one from each bucket, or none from any.
    pub fn take(&self, wanted: &[(K, Rate)], now_ms: i64) -> Result<()> {
        let mut full_at = lock(&self.full_at);
        let has_room = |full_at: &HashMap<K, i64>| {
            let new = wanted.iter().filter(|(key, _)| !full_at.contains_key(key)).count();
            new == 0 || full_at.len() + new <= self.most
        };
        if !has_room(&full_at) {
            full_at.retain(|_, at| now_ms < *at);
            if !has_room(&full_at) {
                let refill = wanted.iter().map(|(_, rate)| rate.refill_ms).max();
                return Err(limited(refill.unwrap_or_default()));
            }
        }
        let taken = wanted.iter().map(|(key, rate)| rate.taken(full_at.get(key), now_ms));
        let taken = taken.collect::<Result<Vec<_>>>()?;
        full_at.extend(wanted.iter().map(|(key, _)| key.clone()).zip(taken));
        Ok(())
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        lock(&self.full_at).len()
    }
}

fn limited(wait_ms: i64) -> Error {
    Error::RateLimited { retry_after_ms: wait_ms.unsigned_abs() }
}
