//! Credentials in, credentials out: proofs are traded for tokens, tokens are minted, looked at and withdrawn.
//!
//! The rule: a token never grants more than its proof or its maker has, and never lives longer than its proof.

mod attempts;
mod exchange;
mod mint;
mod rpc;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use parlor_store::{Roles, Store, User, UserId};

use self::attempts::Attempts;
#[cfg(any(test, feature = "testing"))]
pub use self::attempts::story::sign_in as story_of_sign_ins;
pub use self::rpc::TokenRpc;
use crate::{
    Error, Result,
    auth::{Auth, api_key},
    caller::{Caller, Principal},
    clock::Clock,
    password::Passwords,
};

/// The rules of credentials. Cloning is cheap.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
    auth: Arc<Auth>,
    clock: Clock,
    passwords: Passwords,
    attempts: Arc<Attempts>,
}

impl Tokens {
    /// Over a store.
    #[must_use]
    pub fn new(store: Store, auth: Arc<Auth>, clock: Clock, passwords: Passwords) -> Self {
        Self { store, auth, clock, passwords, attempts: Arc::default() }
    }

    /// Withdraws a token. Whoever holds it may; the principal says in which tenant.
    async fn revoke_shown(&self, principal: &Principal, token: &str) -> Result<i64> {
        if token.starts_with(api_key::MARK) {
            return Err(Error::field("token", "must not be an API key: RevokeApiKey withdraws those"));
        }
        let found = self.auth.withdrawable(token).await.map_err(|error| match error {
            away @ Error::KeysAway { .. } => away,
            error => Error::field("token", error.to_string()),
        })?;
        if *found.tenant != *principal.tenant_slug {
            return Err(Error::field("token", "must be of this tenant"));
        }
        let minted_ends =
            self.clock.now().saturating_add(i64::try_from(MAX_MINTED_TTL.as_millis()).unwrap_or(i64::MAX));
        let ends = found.expires_at.map(|at| if found.is_admins { at.max(minted_ends) } else { at });
        self.auth.standing().revoke_token(principal.tenant, &found.token_id, ends).await
    }

    /// Withdraws the token with an id.
    async fn revoke_named(&self, caller: &Caller, token_id: &str) -> Result<i64> {
        let admin = caller.admin()?;
        if token_id.is_empty() {
            return Err(Error::field("token_id", "must be given"));
        }
        self.auth.standing().revoke_token(admin.tenant, token_id, None).await
    }

    /// Withdraws all tokens of somebody. Everybody may withdraw their own; the rest is for admins.
    async fn revoke_user(&self, caller: &Caller, id: UserId) -> Result<i64> {
        let principal = caller.principal()?;
        if principal.user_id() != Some(id) {
            caller.admin()?;
            self.store.directory.user(principal.tenant, id).await?;
        }
        self.auth.standing().revoke_user(principal.tenant, id).await
    }
}

/// What an admin may mint: long enough for a batch job, short enough to be forgotten. What was minted with a token may
/// outlive it by so much.
const MAX_MINTED_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a caller may hand on: an admin whatever there is in the tenant, everybody else what they have.
fn grantable(principal: &Principal) -> Roles {
    if principal.is_admin() {
        principal.roles.with(Roles::CUSTOMER).with(Roles::STAFF).with(Roles::ADMIN).with(Roles::PROVIDER)
    } else {
        principal.roles
    }
}

/// What a token of a person may grant: what our records say, or less. Everybody may be a customer, though it is not said
/// of staff.
fn holdable(user: &User) -> Roles {
    user.roles.with(Roles::CUSTOMER)
}
