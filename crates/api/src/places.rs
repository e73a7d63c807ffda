//! What everybody shares, and each may hold so much of: places that are given back when they are dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The places that each holds. Only those who hold some are remembered, so the table is as bounded as the places.
#[derive(Debug)]
pub struct Places<K> {
    most: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// One place of somebody.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    places: Arc<Places<K>>,
    who: K,
}

impl<K: Clone + Eq + Hash> Places<K> {
    /// Of `most` places for each; 0 for no limit.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// How many places each may hold.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// A place for somebody; `None` if they hold all they may.
    #[must_use]
    pub fn take(self: &Arc<Self>, who: K) -> Option<Place<K>> {
        let mut held = self.lock();
        let count = held.entry(who.clone()).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Place { places: Arc::clone(self), who })
    }
}

impl<K> Places<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // The table is whole after every statement, so a poisoned one is taken as it is.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        if let Some(count) = held.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_their_places_and_no_more_until_they_give_back() {
        let places = Places::new(2);
        let (first, second) = (places.take("ann"), places.take("ann"));
        assert!(first.is_some() && second.is_some());
        assert!(places.take("ann").is_none());
        assert!(places.take("bob").is_some(), "others are not harmed");
        drop(first);
        assert!(places.take("ann").is_some());
    }

    #[test]
    fn who_holds_nothing_is_forgotten_and_no_limit_is_none() {
        let places = Places::new(0);
        let held: Vec<_> = (0..10).map(|_| places.take("ann").unwrap()).collect();
        drop(held);
        assert!(places.lock().is_empty());
    }
}
