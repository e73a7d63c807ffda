//! What the writer read or wrote last, so that a busy conversation and its people are not read again for each batch.
//!
//! Whatever changes a conversation moves its tenant's conversation revision in the same transaction, and whatever changes
//! a person the people revision. So what is known of a tenant holds for as long as the revision, read under its lock, is where
//! this writer left it; a change or another process has moved it, and then all of the tenant is forgotten. What happens to
//! other subjects moves only the tenant's position, and nothing is forgotten for it.

use std::{collections::HashMap, mem, sync::Arc};

use uuid::Uuid;

use crate::{User, entity::conversation};

/// Kept of each kind in a generation, of which there are two: some 4 MB of conversations and as much of people at the most.
const GENERATION: usize = 4_096;
/// Tenants whose revisions are kept; beyond that all are forgotten.
const TENANTS_MAX: usize = 4_096;

/// What the writer knows.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    pub conversations: Known<conversation::Model>,
    pub people: Known<Arc<User>>,
}

/// Things of one kind, by tenant and id.
#[derive(Debug)]
pub(crate) struct Known<V> {
    tenants: HashMap<i64, Revision>,
    /// Counts how often something was forgotten.
    spans: u64,
    young: HashMap<(i64, Uuid), Entry<V>>,
    old: HashMap<(i64, Uuid), Entry<V>>,
}

#[derive(Debug)]
struct Revision {
    revision: i64,
    /// The span since which nothing was forgotten.
    span: u64,
}

#[derive(Debug)]
struct Entry<V> {
    span: u64,
    value: V,
}

/// What is known of a tenant after a transaction, if it is committed.
#[derive(Debug)]
pub(crate) struct Left<V> {
    /// The tenant's revision before it, and after it.
    pub before: i64,
    pub after: i64,
    pub values: Vec<(Uuid, V)>,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), spans: 0, young: HashMap::new(), old: HashMap::new() }
    }
}

impl<V> Known<V> {
    /// What has this id, in a tenant that is locked and at this revision.
    pub fn find(&self, tenant: i64, revision: i64, id: Uuid) -> Option<&V> {
        let known = self.tenants.get(&tenant).filter(|known| known.revision == revision)?;
        let place = (tenant, id);
        let entry = self.young.get(&place).or_else(|| self.old.get(&place))?;
        (entry.span == known.span).then_some(&entry.value)
    }

    /// Takes what a committed transaction left.
    pub fn keep(&mut self, tenant: i64, left: Left<V>) {
        if self.tenants.len() >= TENANTS_MAX && !self.tenants.contains_key(&tenant) {
            self.tenants.clear();
        }
        let spans = &mut self.spans;
        let mut begin = || {
            *spans += 1;
            Revision { revision: left.before, span: *spans }
        };
        let known = self.tenants.entry(tenant).or_insert_with(&mut begin);
        if known.revision != left.before {
            *known = begin();
        }
        known.revision = left.after;
        let span = known.span;
        for (id, value) in left.values {
            if self.young.len() >= GENERATION {
                self.old = mem::take(&mut self.young);
            }
            self.young.insert((tenant, id), Entry { span, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128)
    }

    fn left(before: i64, after: i64, numbers: impl IntoIterator<Item = usize>) -> Left<usize> {
        Left { before, after, values: numbers.into_iter().map(|number| (id(number), number)).collect() }
    }

    #[test]
    fn what_was_left_is_found_at_that_revision_only() {
        let mut known = Known::default();
        known.keep(1, left(4, 6, [10, 11]));
        assert_eq!(known.find(1, 6, id(10)), Some(&10));
        assert_eq!(known.find(1, 7, id(10)), None, "something else has happened");
        assert_eq!(known.find(2, 6, id(10)), None, "another tenant");
    }

    #[test]
    fn what_follows_is_added_and_after_a_change_it_begins_anew() {
        let mut known = Known::default();
        known.keep(1, left(0, 1, [10]));
        known.keep(1, left(1, 2, [11]));
        assert_eq!([10, 11].map(|number| known.find(1, 2, id(number)).is_some()), [true, true]);
        known.keep(1, left(3, 4, [12]));
        assert_eq!([10, 12].map(|number| known.find(1, 4, id(number)).is_some()), [false, true]);
    }

    #[test]
    fn what_was_not_in_use_for_two_generations_is_forgotten() {
        let mut known = Known::default();
        known.keep(1, left(1, 1, 0..GENERATION));
        assert!(known.find(1, 1, id(0)).is_some());
        known.keep(1, left(1, 1, GENERATION..2 * GENERATION));
        assert!(known.find(1, 1, id(0)).is_some(), "the generation before");
        known.keep(1, left(1, 1, [2 * GENERATION]));
        assert!(known.find(1, 1, id(0)).is_none());
        assert!(known.find(1, 1, id(GENERATION)).is_some());
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
    }

    #[test]
    fn tenants_that_are_forgotten_come_back_with_nothing() {
        let mut known = Known::default();
        known.keep(0, left(1, 1, [7]));
        for tenant in 1..=i64::try_from(TENANTS_MAX).unwrap() {
            known.keep(tenant, left(0, 0, []));
        }
        assert!(known.tenants.len() <= TENANTS_MAX);
        known.keep(0, left(1, 1, []));
        assert_eq!(known.find(0, 1, id(7)), None);
    }
}
