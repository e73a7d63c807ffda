//! Our own records behind a proof: tenants, people and API keys, and what they leave of what a token grants.

use std::sync::Arc;

use parlor_store::{ApiKey, ApiKeyId, Error as StoreError, Roles, Store, TenantId, User, UserId, What};

use super::{
    access::{GUEST_SUBJECT, Grant, KEY_SUBJECT},
    api_key,
    cache::Cache,
    jwt::invalid,
};
use crate::{Error, Result, caller::Actor, clock::Clock, field};

const CACHED_TENANTS: usize = 4_096;
/// How long a tenant's id is taken from memory.
const REMEMBERED_MS: i64 = 5 * 60 * 1000;

/// What the store says of whom a proof names.
pub(super) struct Records {
    pub store: Store,
    clock: Clock,
    tenants: Cache<Box<str>, (TenantId, Arc<str>)>,
}

impl Records {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, tenants: Cache::new(CACHED_TENANTS) }
    }

    /// The id of a tenant. Slugs never change and tenants are never removed, so this may be remembered.
    pub async fn tenant(&self, slug: &str) -> Result<(TenantId, Arc<str>)> {
        field::storable("tenant", slug)?;
        // Nothing is read for what cannot be one.
        if !field::is_slug(slug) {
            return Err(Error::NotFound(What::Tenant));
        }
        let now = self.clock.now();
        if let Some(known) = self.tenants.get(slug, now) {
            return Ok(known);
        }
        let tenant = self.store.directory.tenant(slug).await?;
        let known = (tenant.id, Arc::from(tenant.slug.as_str()));
        self.tenants.insert(slug.into(), known.clone(), now, now + REMEMBERED_MS);
        Ok(known)
    }

    /// A person whom a proof names.
    pub async fn user(&self, tenant: TenantId, id: UserId) -> Result<User> {
        match self.store.directory.user(tenant, id).await {
            Err(StoreError::NotFound(_)) => Err(invalid("its subject is unknown here")),
            other => enabled(other?),
        }
    }

    /// A key that works.
    pub async fn key(&self, id: ApiKeyId) -> Result<ApiKey> {
        working(self.store.tokens.api_key(id).await)
    }

    /// The key with this secret, if it works.
    pub async fn key_of(&self, secret: &str) -> Result<ApiKey> {
        if !api_key::is_well_formed(secret) {
            return Err(invalid("it is not an API key"));
        }
        working(self.store.tokens.api_key_by_hash(api_key::hash(secret)).await)
    }

    /// Our records decide with the token: a role that was taken away is gone, whatever the token says.
    pub async fn granted(&self, grant: &Grant, tenant: TenantId) -> Result<(Actor, Roles)> {
        let key_id = grant.subject.strip_prefix(KEY_SUBJECT).or(grant.subject.strip_prefix(GUEST_SUBJECT));
        if let Some(id) = key_id {
            let id = ApiKeyId::parse(id).ok_or_else(|| invalid("its subject is unknown here"))?;
            let key = self.key(id).await?;
            if !api_key::opens(&key, tenant) {
                return Err(invalid("its subject is unknown here"));
            }
            let (actor, roles) = api_key::actor(&key);
            let actor = if matches!(actor, Actor::Guest) { actor } else { Actor::Key(id) };
            return Ok((actor, roles.and(grant.roles)));
        }
        let id = UserId::parse(&grant.subject).ok_or_else(|| invalid("its subject is unknown here"))?;
        let user = self.user(tenant, id).await?;
        let roles = if is_held(grant) { held(grant.roles, &user) } else { grant.roles };
        Ok((Actor::User(Arc::new(user)), roles))
    }
}

/// The person, unless nobody gets in as them.
pub fn enabled(user: User) -> Result<User> {
    if user.disabled { Err(Error::CredentialRevoked) } else { Ok(user) }
}

/// True if what a token grants is what our records say. What it was traded for may be an outside issuer's word.
pub(super) fn is_held(grant: &Grant) -> bool {
    grant.origin.is_none() || grant.made.held
}

/// What was granted and is still held.
pub(super) fn held(granted: Roles, user: &User) -> Roles {
    granted.and(user.roles.with(Roles::CUSTOMER))
}

/// What our records say of somebody. A person of whom they say nothing is a customer.
pub(super) fn recorded(user: &User) -> Roles {
    if user.roles.is_empty() { Roles::CUSTOMER } else { user.roles }
}

fn working(found: Result<ApiKey, StoreError>) -> Result<ApiKey> {
    match found {
        Ok(key) if key.revoked_at.is_some() => Err(Error::CredentialRevoked),
        Ok(key) => Ok(key),
        Err(StoreError::NotFound(_)) => Err(invalid("the API key is unknown")),
        Err(error) => Err(error.into()),
    }
}
