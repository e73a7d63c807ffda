//! Tells of visits that changed: of each once within a window, as it is then.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use parlor_store::{Millis, TenantId};

use crate::locked::lock;

/// Changes of one visit within this are told as one: four a second are as many as anybody can look at.
pub const WINDOW_MS: Millis = 250;

/// What waits to be told, and how often it was told.
#[derive(Clone, Default)]
pub struct Told {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// By tenant; one that is here has a task that tells.
    waiting: HashMap<TenantId, BTreeSet<i64>>,
    /// What was told last.
    revisions: HashMap<TenantId, i64>,
    began: i64,
}

impl Told {
    /// Revisions begin above those of earlier lives, as far as the clock is not set back.
    pub fn since(now: Millis) -> Self {
        let shared = Shared { began: now.saturating_mul(1_000), ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// A visit changed. True if nobody tells of this tenant yet: the caller does, from now on.
    pub fn changed(&self, tenant: TenantId, number: i64) -> bool {
        let mut shared = lock(&self.shared);
        let is_new = !shared.waiting.contains_key(&tenant);
        shared.waiting.entry(tenant).or_default().insert(number);
        is_new
    }

    /// What is to be told now; `None` ends the telling, and the next change begins another.
    pub fn take(&self, tenant: TenantId) -> Option<Vec<i64>> {
        let mut shared = lock(&self.shared);
        let waiting = shared.waiting.get_mut(&tenant)?;
        if waiting.is_empty() {
            shared.waiting.remove(&tenant);
            return None;
        }
        Some(std::mem::take(waiting).into_iter().collect())
    }

    /// The revision that was told last.
    pub fn revision(&self, tenant: TenantId) -> i64 {
        let shared = lock(&self.shared);
        shared.revisions.get(&tenant).copied().unwrap_or(shared.began)
    }

    /// The next revision.
    pub fn next(&self, tenant: TenantId) -> i64 {
        let mut shared = lock(&self.shared);
        let began = shared.began;
        let revision = shared.revisions.entry(tenant).or_insert(began);
        *revision += 1;
        *revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_however_often_it_changed_and_one_tells_of_a_tenant() {
        let (told, tenant) = (Told::since(7), TenantId(1));
        assert!(told.changed(tenant, 2), "the first tells");
        for number in [1, 2, 1, 2] {
            assert!(!told.changed(tenant, number));
        }
        assert!(told.changed(TenantId(2), 1), "each tenant has its own");
        assert_eq!(told.take(tenant), Some(vec![1, 2]));
        assert!(!told.changed(tenant, 1), "who tells goes on");
        assert_eq!(told.take(tenant), Some(vec![1]));
        assert_eq!(told.take(tenant), None);
        assert!(told.changed(tenant, 1), "and has ended");
        assert_eq!((told.revision(tenant), told.next(tenant), told.next(tenant)), (7_000, 7_001, 7_002));
    }
}
