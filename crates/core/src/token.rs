//! Credentials in, credentials out: proofs are traded for tokens, tokens are minted, looked at and withdrawn.
//!
//! The rule: a token never grants more than its proof or its maker has, and never lives longer than its proof.

mod attempts;
mod exchange;
mod mint;
mod rpc;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parlor_api::{
    limits,
    v1::{self, token_service_server::TokenServiceServer},
};
use parlor_store::{Roles, Store, User, UserId};

use self::attempts::Attempts;
use crate::{
    Error, Result,
    auth::{Auth, api_key, inspect, jwt::MAX_TOKEN_ID_CHARS},
    caller::{Caller, Principal},
    clock::Clock,
    field,
    password::Passwords,
    wire::{roles, timestamp},
};

/// The rules of credentials, and the service over them. Cloning is cheap.
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

    /// The service, to be mounted.
    #[must_use]
    pub fn service(&self) -> TokenServiceServer<Self> {
        TokenServiceServer::new(self.clone()).max_decoding_message_size(limits::REQUEST_BYTES)
    }

    async fn inspect(&self, caller: &Caller, token: &str) -> Result<v1::InspectTokenResponse> {
        let reader = caller.staff()?;
        let found = self.auth.inspect(token, reader).await?;
        let kind = match found.kind {
            inspect::Kind::Unknown => v1::TokenKind::Unspecified,
            inspect::Kind::Access => v1::TokenKind::Access,
            inspect::Kind::Issuer => v1::TokenKind::Issuer,
            inspect::Kind::ApiKey => v1::TokenKind::ApiKey,
        };
        Ok(v1::InspectTokenResponse {
            kind: kind.into(),
            valid: found.problems.is_empty(),
            problems: found.problems,
            issuer: found.issuer,
            subject: found.subject,
            roles: roles(found.roles),
            expire_time: found.expires_at.map(timestamp),
            header_json: found.header_json,
            claims_json: found.claims_json,
        })
    }

    /// Whoever holds a token may withdraw it, and everybody their own; the rest is for admins.
    async fn revoke(
        &self,
        caller: &Caller,
        selector: Option<v1::revoke_token_request::Selector>,
    ) -> Result<v1::RevokeTokenResponse> {
        use v1::revoke_token_request::Selector;
        let principal = caller.principal()?;
        let revoked_at = match field::given("selector", selector)? {
            Selector::Token(token) if token.starts_with(api_key::MARK) => {
                return Err(Error::field("token", "must not be an API key: RevokeApiKey withdraws those"));
            }
            Selector::Token(token) => {
                let found = self.auth.withdrawable(&token).await.map_err(|error| match error {
                    away @ Error::KeysAway { .. } => away,
                    error => Error::field("token", error.to_string()),
                })?;
                if *found.tenant != *principal.tenant_slug {
                    return Err(Error::field("token", "must be of this tenant"));
                }
                let minted_ends = self.clock.now().saturating_add(MAX_MINTED_MS);
                let ends = found.expires_at.map(|at| if found.is_admins { at.max(minted_ends) } else { at });
                self.auth.standing().revoke_token(principal.tenant, &found.token_id, ends).await?
            }
            Selector::TokenId(id) => {
                caller.admin()?;
                field::text("token_id", &id, 1, MAX_TOKEN_ID_CHARS)?;
                self.auth.standing().revoke_token(principal.tenant, &id, None).await?
            }
            Selector::UserId(id) => {
                let id = field::id("user_id", &id, UserId::parse)?;
                if principal.user_id() != Some(id) {
                    caller.admin()?;
                    self.store.directory.user(principal.tenant, id).await?;
                }
                self.auth.standing().revoke_user(principal.tenant, id).await?
            }
        };
        Ok(v1::RevokeTokenResponse { revoke_time: Some(timestamp(revoked_at)) })
    }
}

/// What was minted with a token may outlive it by so much.
#[allow(clippy::cast_possible_wrap, reason = "a month")]
const MAX_MINTED_MS: i64 = mint::MAX_MINTED_TTL.as_secs() as i64 * 1000;

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
