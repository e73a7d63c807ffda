//! What still stands: principals as they were verified, for a while, and the withdrawals that end them.
//!
//! What is withdrawn is durable, then known here, and only then told; what is verified is kept, and then held against what
//! was withdrawn. [`super::revocation`] explains why that order is safe.

use std::{hash::Hash, sync::Arc};

use parlor_store::{ApiKey, ApiKeyId, Revocation, Store, TenantId, UserId, WITHDRAWAL_KEPT_MS};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    access::OWN_LEEWAY_MS,
    cache::{Cache, Spread},
    revocation::{Revocations, Withdrawal},
};
use crate::{Error, Result, caller::Principal, clock::Clock, optional::some};

/// About a hundred bytes each; more callers at once than this verify more often.
const CACHED_CREDENTIALS: usize = 65_536;

/// Where nobody knows when a token ends, its withdrawal is remembered for longer than any lives: a day less is as good.
const KEPT_SLACK_MS: i64 = 24 * 3600 * 1_000;

/// What was verified, and what was withdrawn.
pub struct Standing {
    store: Store,
    clock: Clock,
    pub(super) revocations: Revocations,
    /// Verified tokens and keys, by the hash of what was shown.
    credentials: Cache<[u8; 32], Arc<Principal>>,
    handles: Cache<Box<str>, Arc<Principal>>,
}

impl Standing {
    /// Reads what was withdrawn.
    pub(super) async fn start(store: Store, clock: Clock) -> Result<Self> {
        let now = clock.now();
        let revocations = Revocations::new(store.tokens.revocations(now).await?, now);
        let (credentials, handles) = (Cache::new(CACHED_CREDENTIALS), Cache::new(CACHED_CREDENTIALS));
        Ok(Self { store, clock, revocations, credentials, handles })
    }

    /// Whom a token or key has proven before, by its hash.
    pub(super) fn credential(&self, digest: &[u8; 32], now: i64) -> Option<Arc<Principal>> {
        self.credentials.get(digest, now)
    }

    /// Whom a handle has named before.
    pub(super) fn handle(&self, handle: &str, now: i64) -> Option<Arc<Principal>> {
        self.handles.get(handle, now)
    }

    /// Keeps whom a token or key has proven, unless it was withdrawn meanwhile.
    pub(super) fn keep(
        &self,
        digest: [u8; 32],
        principal: Principal,
        now: i64,
        keep_ms: i64,
    ) -> Result<Arc<Principal>> {
        let until = principal.rights_until.unwrap_or(i64::MAX).min(now + keep_ms);
        self.keep_in(&self.credentials, &digest, principal, now, until)
    }

    /// Keeps whom a handle names, unless that was withdrawn meanwhile.
    pub(super) fn keep_handle(
        &self,
        handle: &str,
        principal: Principal,
        now: i64,
        until: i64,
    ) -> Result<Arc<Principal>> {
        self.keep_in(&self.handles, &handle.into(), principal, now, until)
    }

    fn keep_in<K: Spread + Hash + Eq + Clone>(
        &self,
        cache: &Cache<K, Arc<Principal>>,
        key: &K,
        principal: Principal,
        now: i64,
        until: i64,
    ) -> Result<Arc<Principal>> {
        let principal = Arc::new(principal);
        cache.insert(key.clone(), principal.clone(), now, until);
        if self.is_withdrawn(&principal) {
            cache.remove(key);
            return Err(Error::CredentialRevoked);
        }
        Ok(principal)
    }

    /// Hears of what is withdrawn from now on.
    pub fn withdrawals(&self) -> broadcast::Receiver<Withdrawal> {
        self.revocations.subscribe()
    }

    /// True if the proof of the principal was withdrawn.
    pub fn is_withdrawn(&self, principal: &Principal) -> bool {
        self.revocations.concern(principal)
    }

    /// Completes when the principal's rights end: `CredentialExpired` at `rights_until`, or `CredentialRevoked` on a
    /// withdrawal.
    pub async fn ended(&self, principal: &Principal) -> Error {
        // Before the index is read: what is withdrawn in between is heard.
        let mut withdrawals = self.revocations.subscribe();
        let expired = some(principal.rights_until.map(|until| self.clock.sleep_until(until)));
        tokio::pin!(expired);
        if self.revocations.concern(principal) {
            return Error::CredentialRevoked;
        }
        loop {
            tokio::select! {
                () = &mut expired => return Error::CredentialExpired,
                heard = withdrawals.recv() => match heard {
                    Ok(withdrawal) if withdrawal.concerns(principal) => return Error::CredentialRevoked,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) if self.revocations.concern(principal) => {
                        return Error::CredentialRevoked;
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => unreachable!("self holds the sender"),
                },
            }
        }
    }

    /// Withdraws a token by one of its names, with all that was made from it. `expires_at` is when the last of these would
    /// have ended, if that is known. What is withdrawn stays so, and is not written again.
    pub async fn revoke_token(
        &self,
        tenant: TenantId,
        token_id: &str,
        expires_at: Option<i64>,
    ) -> Result<i64> {
        let now = self.clock.now();
        if expires_at.is_some_and(|at| at.saturating_add(OWN_LEEWAY_MS) <= now) {
            // It opens nothing any more, and neither does what was made from it.
            return Ok(now);
        }
        if self.revocations.has_token(tenant, token_id)
            && let Some((at, kept_until)) = self.store.tokens.withdrawn_token(tenant, token_id).await?
            && kept_until
                >= keep_until(expires_at, now) - if expires_at.is_none() { KEPT_SLACK_MS } else { 0 }
        {
            return Ok(at);
        }
        let withdrawal = Revocation::Token { tenant, token_id: token_id.to_owned() };
        self.revoke(withdrawal, expires_at).await
    }

    /// Withdraws everything issued so far for a user, by whichever issuer.
    pub async fn revoke_user(&self, tenant: TenantId, user: UserId) -> Result<i64> {
        let at = self.clock.now();
        self.revoke(Revocation::User { tenant, user, at }, None).await?;
        // Whoever signs in once this is answered is younger than it.
        self.clock.sleep_until(at + 1).await;
        Ok(at)
    }

    /// Withdraws all that a user was given before the present, if the store has withdrawn something of it that is not known
    /// here, or if `is_due`. A change of a person withdraws in one transaction with itself; here it holds for what was given
    /// until that was stored.
    pub async fn catch_up(&self, tenant: TenantId, user: UserId, is_due: bool) -> Result<()> {
        let stored = self.store.tokens.withdrawn_up_to(tenant, user).await?;
        let is_news =
            stored.is_some_and(|at| self.revocations.of_user(tenant, user).is_none_or(|known| known < at));
        if is_due || is_news {
            self.revoke_user(tenant, user).await?;
        }
        Ok(())
    }

    /// Withdraws an API key, and what it was traded for and was made with it.
    pub async fn revoke_key(&self, id: ApiKeyId) -> Result<ApiKey> {
        let now = self.clock.now();
        let key = self.store.tokens.revoke_api_key(id, now).await?;
        let made = self.store.tokens.made_with(id).await?;
        for id in std::iter::once(id).chain(made) {
            self.withdraw(Withdrawal::Key(id), now + WITHDRAWAL_KEPT_MS, now);
        }
        Ok(key)
    }

    /// Reads the user anew before the next call: their row was changed.
    pub fn forget_user(&self, tenant: TenantId, user: UserId) {
        let other =
            |principal: &Arc<Principal>| principal.tenant != tenant || principal.user_id() != Some(user);
        self.credentials.retain(other);
        self.handles.retain(other);
    }

    async fn revoke(&self, revocation: Revocation, expires_at: Option<i64>) -> Result<i64> {
        let now = self.clock.now();
        let keep_until = keep_until(expires_at, now);
        self.store.tokens.revoke(revocation.clone(), keep_until, now).await?;
        self.withdraw(revocation.into(), keep_until, now);
        Ok(now)
    }

    pub fn withdraw(&self, withdrawal: Withdrawal, keep_until: i64, now: i64) {
        self.revocations.insert(&withdrawal, keep_until, now);
        let kept = |principal: &Arc<Principal>| !withdrawal.concerns(principal);
        self.credentials.retain(kept);
        self.handles.retain(kept);
        self.revocations.announce(withdrawal);
    }
}

/// How long a withdrawal is remembered of what ends then, if that is known.
fn keep_until(expires_at: Option<i64>, now: i64) -> i64 {
    let kept_until = now.saturating_add(WITHDRAWAL_KEPT_MS);
    expires_at.map_or(kept_until, |at| at.saturating_add(OWN_LEEWAY_MS).max(now))
}
