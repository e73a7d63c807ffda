//! What was withdrawn, and who must hear of it.
//!
//! The order that makes it safe: a withdrawal is durable, then indexed, then caches are emptied, then it is announced. A
//! verification is cached, then checked against the index. So either the emptying sees the entry or the check sees the
//! withdrawal.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use parlor_store::{ApiKeyId, Revocation, TenantId, UserId, WITHDRAWAL_KEPT_MS};
use tokio::sync::broadcast;

use crate::caller::{Actor, Principal};

/// Withdrawals a listener may lag behind before it looks at the index instead.
const ANNOUNCEMENTS: usize = 256;

/// What was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// This token, and what was made from it.
    Token { tenant: TenantId, token_id: String },
    /// Every token of this user issued at or before the moment.
    User { tenant: TenantId, user: UserId, at: i64 },
    /// This API key, and every token it was traded for.
    Key(ApiKeyId),
}

impl From<Revocation> for Withdrawal {
    fn from(revocation: Revocation) -> Self {
        match revocation {
            Revocation::Token { tenant, token_id } => Self::Token { tenant, token_id },
            Revocation::User { tenant, user, at } => Self::User { tenant, user, at },
        }
    }
}

impl Withdrawal {
    /// True if the principal's rights came from what was withdrawn.
    #[must_use]
    pub fn concerns(&self, principal: &Principal) -> bool {
        match self {
            Self::Token { tenant, token_id } => {
                principal.tenant == *tenant && principal.proof.names.contains(token_id)
            }
            Self::User { tenant, user, at } => {
                principal.tenant == *tenant
                    && principal.user_id() == Some(*user)
                    && principal.proof.issued_at <= *at
            }
            Self::Key(id) => key_of(principal) == Some(*id),
        }
    }
}

/// The API key a principal's rights came from, at whatever remove.
#[must_use]
pub fn key_of(principal: &Principal) -> Option<ApiKeyId> {
    match &principal.actor {
        Actor::User(_) => principal.proof.made_with,
        Actor::Key(id) => Some(*id),
        Actor::Guest | Actor::Operator => ApiKeyId::parse(&principal.proof.subject),
    }
}

/// The index of withdrawals that still matter.
#[derive(Debug)]
pub struct Revocations {
    index: RwLock<Index>,
    announcements: broadcast::Sender<Withdrawal>,
}

/// All that somebody was given up to a moment.
#[derive(Clone, Copy, Debug)]
struct UpTo {
    at: i64,
    keep_until: i64,
}

#[derive(Debug, Default)]
struct Index {
    /// By token, with the moment the withdrawal may be forgotten.
    tokens: HashMap<(TenantId, String), i64>,
    /// By person, up to when, and the moment it may be forgotten: no token from before is good then.
    users: HashMap<(TenantId, UserId), UpTo>,
    keys: HashMap<ApiKeyId, i64>,
}

impl Revocations {
    /// What the store remembers.
    #[must_use]
    pub fn new(remembered: Vec<Revocation>, now_ms: i64) -> Self {
        let mut index = Index::default();
        for revocation in remembered {
            index.insert(&revocation.into(), now_ms.saturating_add(WITHDRAWAL_KEPT_MS));
        }
        Self { index: RwLock::new(index), announcements: broadcast::channel(ANNOUNCEMENTS).0 }
    }

    /// Indexes a withdrawal that is durable.
    pub fn insert(&self, withdrawal: &Withdrawal, keep_until_ms: i64, now_ms: i64) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.tokens.retain(|_, keep_until| now_ms < *keep_until);
        index.keys.retain(|_, keep_until| now_ms < *keep_until);
        index.users.retain(|_, up_to| now_ms < up_to.keep_until);
        index.insert(withdrawal, keep_until_ms);
    }

    /// Tells everybody who waits.
    pub fn announce(&self, withdrawal: Withdrawal) {
        // Nobody waiting is no failure.
        let _ = self.announcements.send(withdrawal);
    }

    /// Hears of withdrawals from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Withdrawal> {
        self.announcements.subscribe()
    }

    /// True if the principal's proof was withdrawn.
    #[must_use]
    pub fn concern(&self, principal: &Principal) -> bool {
        let key_withdrawn = key_of(principal).is_some_and(|key| {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.keys.contains_key(&key)
        });
        let proof = &principal.proof;
        key_withdrawn || self.name(principal.tenant, &proof.names, principal.user_id(), proof.issued_at)
    }

    /// The moment up to which everything of a user is withdrawn.
    #[must_use]
    pub fn of_user(&self, tenant: TenantId, user: UserId) -> Option<i64> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.users.get(&(tenant, user)).map(|up_to| up_to.at)
    }

    /// True if a token is known by this name to be withdrawn.
    #[must_use]
    pub fn has_token(&self, tenant: TenantId, name: &str) -> bool {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.tokens.contains_key(&(tenant, name.to_owned()))
    }

    /// True if a token with one of these names was withdrawn.
    #[must_use]
    pub fn name(&self, tenant: TenantId, names: &[String], user: Option<UserId>, issued_at: i64) -> bool {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let user_at = user.and_then(|user| index.users.get(&(tenant, user)));
        user_at.is_some_and(|up_to| issued_at <= up_to.at)
            || names.iter().any(|name| index.tokens.contains_key(&(tenant, name.clone())))
    }
}

impl Index {
    fn insert(&mut self, withdrawal: &Withdrawal, keep_until_ms: i64) {
        match withdrawal {
            Withdrawal::Token { tenant, token_id } => {
                self.tokens.insert((*tenant, token_id.clone()), keep_until_ms);
            }
            Withdrawal::User { tenant, user, at } => {
                let first = UpTo { at: *at, keep_until: keep_until_ms };
                let latest = self.users.entry((*tenant, *user)).or_insert(first);
                latest.at = latest.at.max(*at);
                latest.keep_until = latest.keep_until.max(keep_until_ms);
            }
            Withdrawal::Key(id) => {
                self.keys.insert(*id, keep_until_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(1);

    #[test]
    fn what_concerns_no_token_any_more_is_forgotten_with_the_next_withdrawal() {
        let revocations = Revocations::new(Vec::new(), 0);
        let user = |user: UserId, at: i64| Withdrawal::User { tenant: TENANT, user, at };
        let token = |id: &str| Withdrawal::Token { tenant: TENANT, token_id: id.to_owned() };
        let [ann, bob] = [UserId::new(), UserId::new()];
        revocations.insert(&user(ann, 5), 100, 5);
        revocations.insert(&user(bob, 5), 100, 5);
        revocations.insert(&token("a"), 100, 5);
        // The later of two counts, by both its moments.
        revocations.insert(&user(bob, 50), 150, 50);
        revocations.insert(&user(bob, 40), 140, 60);
        assert_eq!(revocations.of_user(TENANT, bob), Some(50));
        revocations.insert(&token("b"), 1_000, 99);
        assert_eq!(revocations.of_user(TENANT, ann), Some(5), "a moment before");
        revocations.insert(&token("c"), 1_000, 100);
        assert_eq!((revocations.of_user(TENANT, ann), revocations.of_user(TENANT, bob)), (None, Some(50)));
        assert!(!revocations.has_token(TENANT, "a") && revocations.has_token(TENANT, "b"));
        revocations.insert(&token("d"), 1_000, 150);
        let index = revocations.index.read().unwrap();
        assert_eq!((index.users.len(), index.tokens.len()), (0, 3));
    }

    #[test]
    fn what_the_store_remembers_is_kept_as_long() {
        let ann = UserId::new();
        let remembered = vec![Revocation::User { tenant: TENANT, user: ann, at: 5 }];
        let revocations = Revocations::new(remembered, 10);
        let other = Withdrawal::Token { tenant: TENANT, token_id: "a".to_owned() };
        revocations.insert(&other, i64::MAX, 10 + WITHDRAWAL_KEPT_MS - 1);
        assert_eq!(revocations.of_user(TENANT, ann), Some(5));
        revocations.insert(&other, i64::MAX, 10 + WITHDRAWAL_KEPT_MS);
        assert_eq!(revocations.of_user(TENANT, ann), None);
    }
}
