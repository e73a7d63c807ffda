//! Conversations as the writer left them, so that a busy one is not read again for each batch.
//!
//! Whatever changes a conversation moves its tenant's conversation revision in the same transaction. So what is known of a
//! tenant's conversations holds for as long as that revision, read under its lock, is where this writer left it; a change
//! or another process has moved it, and then all of the tenant is forgotten. What happens to other subjects moves only the
//! tenant's position, and nothing is forgotten for it.

use std::collections::HashMap;

use uuid::Uuid;

use crate::entity::conversation;

/// Conversations that are kept, some 2 MB; beyond that all are forgotten, which costs one read of each.
const CONVERSATIONS_MAX: usize = 4_096;

/// What the writer knows.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    tenants: HashMap<i64, Known>,
    conversations: usize,
}

#[derive(Debug, Default)]
struct Known {
    revision: i64,
    conversations: HashMap<Uuid, conversation::Model>,
}

/// What one append leaves behind in a tenant, if it is committed.
#[derive(Debug)]
pub(crate) struct Left {
    /// The tenant's conversation revision before the append, and after it.
    pub before: i64,
    pub after: i64,
    pub conversations: Vec<conversation::Model>,
}

impl Recent {
    /// The conversation of a tenant that is locked and at this conversation revision.
    pub(crate) fn find(&self, tenant: i64, revision: i64, id: Uuid) -> Option<&conversation::Model> {
        let known = self.tenants.get(&tenant).filter(|known| known.revision == revision)?;
        known.conversations.get(&id)
    }

    /// Takes what a committed append left.
    pub(crate) fn keep(&mut self, tenant: i64, left: Left) {
        if self.conversations + left.conversations.len() > CONVERSATIONS_MAX {
            *self = Self::default();
        }
        let known = self.tenants.entry(tenant).or_default();
        let had = known.conversations.len();
        if known.revision != left.before {
            known.conversations.clear();
        }
        known.revision = left.after;
        known.conversations.extend(left.conversations.into_iter().map(|row| (row.id, row)));
        self.conversations = self.conversations + known.conversations.len() - had;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Strings;

    fn row(number: i64) -> conversation::Model {
        conversation::Model {
            tenant: 1,
            id: id(number),
            number,
            key: None,
            kind: String::new(),
            status: 1,
            owner_id: None,
            current_owner: None,
            assignee_id: None,
            tags: Strings::default(),
            waiting: false,
            unanswered: false,
            unread_count: 0,
            staff_read_sequence: 0,
            staff_read_at: None,
            last_sequence: 0,
            last_message_sequence: 0,
            floor_sequence: 1,
            cleared_sequence: 0,
            created_at: 0,
            updated_at: 0,
            customer_active_at: 0,
            seen_by: 1,
        }
    }

    fn id(number: i64) -> Uuid {
        Uuid::from_u128(u128::from(number.unsigned_abs()))
    }

    fn left(before: i64, after: i64, numbers: impl IntoIterator<Item = i64>) -> Left {
        Left { before, after, conversations: numbers.into_iter().map(row).collect() }
    }

    #[test]
    fn what_was_left_is_found_at_that_revision_only() {
        let mut recent = Recent::default();
        recent.keep(1, left(4, 6, [10, 11]));
        assert!(recent.find(1, 6, id(10)).is_some());
        assert!(recent.find(1, 7, id(10)).is_none(), "something else has happened");
        assert!(recent.find(2, 6, id(10)).is_none(), "another tenant");
    }

    #[test]
    fn an_append_that_follows_adds_and_one_after_a_change_begins_anew() {
        let mut recent = Recent::default();
        recent.keep(1, left(0, 1, [10]));
        recent.keep(1, left(1, 2, [11]));
        assert!(recent.find(1, 2, id(10)).is_some() && recent.find(1, 2, id(11)).is_some());
        recent.keep(1, left(3, 4, [12]));
        assert!(recent.find(1, 4, id(10)).is_none() && recent.find(1, 4, id(12)).is_some());
        assert_eq!(recent.conversations, 1);
    }

    #[test]
    fn it_is_full_at_its_bound_and_empty_one_over() {
        let many = i64::try_from(CONVERSATIONS_MAX).unwrap();
        let mut recent = Recent::default();
        recent.keep(1, left(0, 1, 0..many));
        assert!(recent.find(1, 1, id(0)).is_some());
        recent.keep(1, left(1, 2, [many]));
        assert!(recent.find(1, 2, id(0)).is_none());
        assert_eq!(recent.conversations, 1);
    }
}
