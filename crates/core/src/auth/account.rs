//! What stands for an outside account when nothing may name it any more: a keyed hash.
//!
//! Who is erased takes their identities along, and a token of theirs that is still good would make them anew. Whoever is let
//! in for the first time is held against these marks, so a token from before the erasure lets nobody in. Without the
//! installation's secret a mark tells nothing, and with it no more than whether a name that somebody guesses was erased.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_store::{MarkOf, OutsideAccount, TenantId, WITHDRAWAL_KEPT_MS};
use sha2::Sha256;

use super::issuer::Issuer;

/// Makes marks.
#[derive(Clone)]
pub(super) struct Accounts {
    keyed: Hmac<Sha256>,
}

impl Accounts {
    pub fn new(secret: &[u8]) -> Self {
        let mut keyed = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        keyed.update(b"accounts");
        Self { keyed }
    }

    /// The account that a token shows, issued at a time.
    pub fn shown(&self, tenant: TenantId, issuer: &Issuer, subject: &str, issued_at: i64) -> OutsideAccount {
        OutsideAccount { mark: self.mark(tenant, &issuer.options().name, subject), issued_at }
    }

    /// The marks of accounts that are erased now; they matter for as long as a token may live.
    pub fn marks(&self, tenant: TenantId, now: i64) -> MarkOf {
        let (accounts, keep_until) = (self.clone(), now.saturating_add(WITHDRAWAL_KEPT_MS));
        Arc::new(move |account| (accounts.mark(tenant, &account.issuer, &account.subject), keep_until))
    }

    fn mark(&self, tenant: TenantId, issuer: &str, subject: &str) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(&tenant.0.to_be_bytes());
        // Its length tells where one name ends and the other begins.
        keyed.update(&(issuer.len() as u64).to_be_bytes());
        keyed.update(issuer.as_bytes());
        keyed.update(subject.as_bytes());
        keyed.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_a_mark_of_its_own() {
        let accounts = Accounts::new(b"secret");
        let marks = [(1, "a", "bc"), (1, "ab", "c"), (2, "a", "bc"), (1, "a", "bd")]
            .map(|(tenant, issuer, subject)| accounts.mark(TenantId(tenant), issuer, subject));
        for (at, mark) in marks.iter().enumerate() {
            assert!(!marks[at + 1..].contains(mark));
        }
        assert_eq!(marks[0], accounts.mark(TenantId(1), "a", "bc"));
        assert_ne!(marks[0], Accounts::new(b"another").mark(TenantId(1), "a", "bc"));
    }
}
