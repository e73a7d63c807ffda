//! Withdrawing: a token, everything of a person, a key. What is withdrawn is durable, then known here, and only then told,
//! in the order that [`super::revocation`] explains.

use std::sync::Arc;

use parlor_store::{ApiKey, ApiKeyId, Revocation, TenantId, UserId};

use super::{
    Auth, OWN_LEEWAY_MS,
    revocation::{self, Withdrawal},
};
use crate::{Result, caller::Principal};

impl Auth {
    /// Withdraws a token by its id. `expires_at` is when it would have ended, if that is known.
    pub async fn revoke_token(
        &self,
        tenant: TenantId,
        token_id: &str,
        expires_at: Option<i64>,
    ) -> Result<i64> {
        let withdrawal = Revocation::Token { tenant, token_id: token_id.to_owned() };
        self.revoke(withdrawal, expires_at).await
    }

    /// Withdraws everything issued so far for a user, by whichever issuer.
    pub async fn revoke_user(&self, tenant: TenantId, user: UserId) -> Result<i64> {
        let at = self.clock.now();
        self.revoke(Revocation::User { tenant, user, at }, None).await
    }

    /// Withdraws an API key and what it was traded for.
    pub async fn revoke_key(&self, id: ApiKeyId) -> Result<ApiKey> {
        let now = self.clock.now();
        let key = self.store.revoke_api_key(id, now).await?;
        self.withdraw(Withdrawal::Key(id), now + revocation::KEPT_MS, now);
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
        let kept_until = now.saturating_add(revocation::KEPT_MS);
        let keep_until = expires_at.map_or(kept_until, |at| at.saturating_add(OWN_LEEWAY_MS).max(now));
        self.store.revoke(revocation.clone(), keep_until, now).await?;
        self.withdraw(revocation.into(), keep_until, now);
        Ok(now)
    }

    pub(super) fn withdraw(&self, withdrawal: Withdrawal, keep_until: i64, now: i64) {
        self.revocations.insert(&withdrawal, keep_until, now);
        let kept = |principal: &Arc<Principal>| !withdrawal.concerns(principal);
        self.credentials.retain(kept);
        self.handles.retain(kept);
        self.revocations.announce(withdrawal);
    }
}
