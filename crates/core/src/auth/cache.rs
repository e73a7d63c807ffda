//! What was verified before: bounded, forgetful, and safe to empty at any time.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard},
};

use crate::locked::lock;

const SHARDS: usize = 16;

/// Spreads keys over shards without hashing them: each shard hashes with a secret of its own, so all that a bad spread
/// costs is a shard that is full earlier. A borrowed key spreads like its owner.
pub trait Spread {
    fn spread(&self) -> usize;
}

/// Last bytes that are looked at: of what is sealed or signed, each is as good as random.
const SPREAD_BYTES: usize = 4;

impl Spread for str {
    fn spread(&self) -> usize {
        self.bytes().rev().take(SPREAD_BYTES).map(usize::from).sum()
    }
}

impl Spread for Box<str> {
    fn spread(&self) -> usize {
        (**self).spread()
    }
}

impl Spread for [u8; 32] {
    fn spread(&self) -> usize {
        usize::from(self[0])
    }
}

/// Values that are good until a moment. When a shard is full it drops what is over, and if nothing is, everything: what
/// is lost is verified again.
#[derive(Debug)]
pub struct Cache<K, V> {
    shards: Vec<Mutex<HashMap<K, Entry<V>>>>,
    entries_per_shard: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    until_ms: i64,
}

impl<K: Spread + Hash + Eq, V: Clone> Cache<K, V> {
    /// A cache of about `entries`.
    pub fn new(entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            entries_per_shard: entries.div_ceil(SHARDS).max(1),
        }
    }

    /// The value, if it is good now.
    pub fn get<Q>(&self, key: &Q, now_ms: i64) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Spread + Hash + Eq + ?Sized,
    {
        let shard = self.shard(key);
        shard.get(key).filter(|entry| now_ms < entry.until_ms).map(|entry| entry.value.clone())
    }

    /// Keeps a value until the moment.
    pub fn insert(&self, key: K, value: V, now_ms: i64, until_ms: i64) {
        let mut shard = self.shard(&key);
        if shard.len() >= self.entries_per_shard && !shard.contains_key(&key) {
            shard.retain(|_, entry| now_ms < entry.until_ms);
            if shard.len() >= self.entries_per_shard {
                shard.clear();
            }
        }
        shard.insert(key, Entry { value, until_ms });
    }

    /// Forgets one.
    pub fn remove<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Spread + Hash + Eq + ?Sized,
    {
        self.shard(key).remove(key);
    }

    /// Forgets all that the rule does not keep.
    pub fn retain(&self, keep: impl Fn(&V) -> bool) {
        for shard in &self.shards {
            lock(shard).retain(|_, entry| keep(&entry.value));
        }
    }

    fn shard<Q: Spread + ?Sized>(&self, key: &Q) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        lock(&self.shards[key.spread() % SHARDS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Spread for &str {
        fn spread(&self) -> usize {
            (**self).spread()
        }
    }

    impl Spread for usize {
        fn spread(&self) -> usize {
            *self
        }
    }

    #[test]
    fn a_borrowed_key_finds_what_its_owner_keeps_in_every_shard() {
        let cache = Cache::<Box<str>, usize>::new(SHARDS * 64);
        let names: Vec<String> = (0..SHARDS * 4).map(|number| format!("handle {number}")).collect();
        for (number, name) in names.iter().enumerate() {
            cache.insert(name.as_str().into(), number, 0, 10);
        }
        for (number, name) in names.iter().enumerate() {
            assert_eq!(cache.get(name.as_str(), 0), Some(number));
        }
        assert!(cache.shards.iter().all(|shard| !lock(shard).is_empty()), "all are used");
    }

    #[test]
    fn a_value_is_good_until_its_moment() {
        let cache = Cache::new(100);
        cache.insert("a", 1, 0, 10);
        assert_eq!(cache.get("a", 9), Some(1));
        assert_eq!(cache.get("a", 10), None);
        assert_eq!(cache.get("b", 0), None);
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let cache = Cache::new(64);
        for key in 0..10_000_usize {
            cache.insert(key, key, 0, 10);
            assert_eq!(cache.get(&key, 0), Some(key));
        }
        let held: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(held <= 64, "{held}");
    }

    #[test]
    fn what_is_withdrawn_is_forgotten() {
        let cache = Cache::new(64);
        cache.insert("a", 1, 0, 10);
        cache.insert("b", 2, 0, 10);
        cache.retain(|value| *value != 1);
        cache.remove("c");
        assert_eq!((cache.get("a", 0), cache.get("b", 0)), (None, Some(2)));
    }
}
