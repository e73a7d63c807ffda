//! Credentials: who somebody is, proven by a token or a key, and for how long.
//!
//! It owns the trusted issuers, Parlor's own signing key, the caches of what was verified and the index of what was
//! withdrawn. The rule it keeps: what is granted comes from a verified credential and our own records, never from what
//! a caller says of themselves.
//!
//! In steady state a call costs one look-up: no signature is checked and no row is read.

pub mod access;
pub mod api_key;
pub mod cache;
mod claim;
pub mod claims;
pub mod handle;
pub mod inspect;
pub mod issuer;
pub mod jwks;
pub mod jwt;
mod mint;
mod provision;
pub mod revocation;
mod withdraw;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parlor_store::{ApiKey, ApiKeyId, Error as StoreError, Roles, Store, TenantId, UserId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::broadcast::{self, error::RecvError};

pub use self::issuer::{IssuerKey, IssuerOptions, KeyMaterial};
use self::{
    access::{Access, GUEST_SUBJECT, Grant, KEY_SUBJECT},
    cache::Cache,
    handle::Named,
    issuer::{Issuer, Issuers, Verified},
    jwt::{Unverified, invalid},
    revocation::{Revocations, Withdrawal},
};
use crate::{
    Error, Result,
    caller::{Actor, Principal, Proof},
    clock::Clock,
    seal::Seal,
};

/// The name of Parlor as an issuer: the `iss` of its tokens, and what a mount lists to accept them.
pub const OWN_ISSUER: &str = "parlor";

/// How long a verified token or handle is taken from memory: how old a stored name or role may be on another node.
const VERIFIED_MS: i64 = 5 * 60 * 1000;
/// How long a key's row is taken from memory: how long a key that was withdrawn on another node still opens this one.
const KEY_VERIFIED_MS: i64 = 30 * 1000;
/// About a hundred bytes each; more callers at once than this verify more often.
const CACHED_CREDENTIALS: usize = 65_536;
const CACHED_TENANTS: usize = 4_096;
/// Common rule 3, for tokens of our own.
const OWN_LEEWAY_MS: i64 = 5_000;

/// What identity needs of the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Trusted issuers, in the order in which they are tried.
    pub issuers: Vec<IssuerOptions>,
    /// The key of whoever runs this installation.
    pub operator_key: Option<String>,
    /// Seals handles; the same on every core.
    pub handle_key: Vec<u8>,
    /// The Ed25519 seed that signs access tokens; the same on every core.
    pub signing_seed: [u8; 32],
    /// The public halves of earlier seeds, whose tokens are still good.
    pub earlier_signing_keys: Vec<[u8; 32]>,
}

/// A credential as it was shown.
#[derive(Clone)]
pub enum RawCredential {
    /// A Parlor access token, an API key or a token of an issuer.
    Bearer(String),
    /// An API key.
    ApiKey(String),
    /// None: whoever the mount lets in.
    Guest,
    /// A handle from before.
    Handle(String),
    /// An identity that is only claimed.
    Claim { subject: String, role: Roles },
}

/// What the mount says of the credentials it takes.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The tenant's slug; `None` if the credential decides.
    pub tenant: Option<String>,
    /// The issuers it accepts; all if empty.
    pub issuers: Vec<String>,
    /// Anybody is let in.
    pub guests: bool,
    /// Claims are believed.
    pub claims: bool,
}

/// Proves who somebody is.
pub struct Auth {
    store: Store,
    clock: Clock,
    issuers: Issuers,
    access: Access,
    operator_key: Option<[u8; 32]>,
    handle_seal: Seal,
    revocations: Revocations,
    /// Verified tokens and keys, by the hash of what was shown.
    credentials: Cache<[u8; 32], Arc<Principal>>,
    handles: Cache<Box<str>, Arc<Principal>>,
    tenants: Cache<Box<str>, (TenantId, Arc<str>)>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RawCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::ApiKey(_) => "ApiKey",
            Self::Guest => "Guest",
            Self::Handle(_) => "Handle",
            Self::Claim { .. } => "Claim",
        })
    }
}

impl Auth {
    /// Readies the keys and reads what was withdrawn.
    pub async fn start(options: Options, store: Store, clock: Clock) -> Result<Arc<Self>> {
        let unusable = |problem: String| Error::Internal(format!("configuration: {problem}"));
        let issuers = Issuers::new(options.issuers, &clock).map_err(unusable)?;
        let access = Access::new(&options.signing_seed, &options.earlier_signing_keys).map_err(unusable)?;
        let now = clock.now();
        let revocations = Revocations::new(store.revocations(now).await?, now);
        Ok(Arc::new(Self {
            issuers,
            access,
            operator_key: options.operator_key.as_deref().filter(|key| !key.is_empty()).map(api_key::hash),
            handle_seal: Seal::new(&options.handle_key, "handle"),
            revocations,
            credentials: Cache::new(CACHED_CREDENTIALS),
            handles: Cache::new(CACHED_CREDENTIALS),
            tenants: Cache::new(CACHED_TENANTS),
            store,
            clock,
        }))
    }

    /// Resolves a raw credential in the context of a mount.
    pub async fn resolve(&self, credential: &RawCredential, context: &Context) -> Result<Arc<Principal>> {
        match credential {
            RawCredential::Bearer(text) if !text.starts_with(api_key::MARK) && !self.is_operator(text) => {
                self.token(text, context).await
            }
            RawCredential::Bearer(secret) | RawCredential::ApiKey(secret) => self.key(secret, context).await,
            RawCredential::Guest => self.guest(context).await,
            RawCredential::Claim { subject, role } => self.claimed(subject, *role, context).await,
            RawCredential::Handle(handle) => {
                let principal = self.open_handle(handle).await?;
                if context.admits_tenant(&principal) {
                    Ok(principal)
                } else {
                    Err(invalid("it is of another tenant"))
                }
            }
        }
    }

    /// Seals a principal into a handle that any core of the installation opens.
    #[must_use]
    pub fn seal_handle(&self, principal: &Principal) -> String {
        handle::seal(&self.handle_seal, principal)
    }

    /// Whom a handle stands for. A customer's handle outlives its token, because an open connection does (common rule 4
    /// of the dialects); rights of staff end with it.
    pub async fn open_handle(&self, handle: &str) -> Result<Arc<Principal>> {
        let now = self.clock.now();
        if let Some(principal) = self.handles.get(handle, now) {
            return Ok(principal);
        }
        let contents =
            handle::open(&self.handle_seal, handle).ok_or_else(|| invalid("it is not a handle"))?;
        let named = contents.named().ok_or_else(|| invalid("it is not a handle"))?;
        let actor = match named {
            Named::Guest => Actor::Guest,
            Named::Operator => Actor::Operator,
            Named::Key(id) => Actor::Key(id),
            Named::User(id) => Actor::User(Arc::new(self.user(contents.tenant(), id).await?)),
        };
        let (tenant, tenant_slug) = (contents.tenant(), Arc::from(contents.tenant_slug.as_str()));
        let (roles, proof, rights_until) = (contents.roles(), contents.proof(), contents.rights_until);
        let principal = Arc::new(Principal { tenant, tenant_slug, actor, roles, proof, rights_until });

        let mut until = now + VERIFIED_MS;
        if let Some(key) = revocation::key_of(&principal) {
            self.working_key(self.store.api_key(key).await)?;
            until = now + KEY_VERIFIED_MS;
        }
        if principal.is_staff() {
            until = until.min(principal.rights_until.unwrap_or(i64::MAX));
        }
        if until <= now {
            return Err(Error::CredentialExpired);
        }
        self.handles.insert(handle.into(), principal.clone(), now, until);
        if self.revocations.concern(&principal) {
            self.handles.remove(handle);
            return Err(Error::CredentialRevoked);
        }
        Ok(principal)
    }

    /// Completes when the principal's rights end: `CredentialExpired` at `rights_until`, or `CredentialRevoked` on a
    /// withdrawal.
    pub async fn ended(&self, principal: &Principal) -> Error {
        // Before the index is read: what is withdrawn in between is heard.
        let mut withdrawals = self.revocations.subscribe();
        let expired = async {
            match principal.rights_until {
                Some(until) => self.clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
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

    /// Hears of what is withdrawn from now on.
    #[must_use]
    pub fn withdrawals(&self) -> broadcast::Receiver<Withdrawal> {
        self.revocations.subscribe()
    }

    /// True if the proof of the principal was withdrawn.
    #[must_use]
    pub fn is_withdrawn(&self, principal: &Principal) -> bool {
        self.revocations.concern(principal)
    }

    async fn token(&self, text: &str, context: &Context) -> Result<Arc<Principal>> {
        let now = self.clock.now();
        let digest = api_key::hash(text);
        if let Some(principal) = self.credentials.get(&digest, now)
            && context.admits(&principal)
        {
            return Ok(principal);
        }
        let token = Unverified::parse(text)?;
        let principal = if self.access.claims_to_be_ours(&token) {
            self.own_token(&token, context, now).await?
        } else {
            self.outside_token(&token, text, context, now).await?
        };
        self.keep(digest, principal, now, VERIFIED_MS)
    }

    async fn own_token(&self, token: &Unverified<'_>, context: &Context, now: i64) -> Result<Principal> {
        let (grant, times) = self.access.verify(token, OWN_LEEWAY_MS, now)?;
        // What was traded for an issuer's token is accepted where that issuer is.
        let issuer = grant.origin.clone().unwrap_or_else(|| OWN_ISSUER.to_owned());
        if !context.accepts(&issuer, &grant.tenant) {
            return Err(invalid("it is not accepted here"));
        }
        let (tenant, tenant_slug) = self.tenant(&grant.tenant).await?;
        let (actor, roles) = self.granted(&grant, tenant).await?;
        let subject = match &actor {
            Actor::User(user) => {
                let known = user.identities.iter().find(|identity| identity.issuer == issuer);
                known.map_or(grant.subject, |identity| identity.subject.clone())
            }
            Actor::Key(_) | Actor::Operator => grant.subject.trim_start_matches(KEY_SUBJECT).to_owned(),
            Actor::Guest => grant.subject.trim_start_matches(GUEST_SUBJECT).to_owned(),
        };
        let proof = Proof { issuer, subject, token_id: grant.token_id, issued_at: times.issued_at };
        let rights_until = Some(times.expires_at.saturating_add(OWN_LEEWAY_MS));
        Ok(Principal { tenant, tenant_slug, actor, roles, proof, rights_until })
    }

    /// Our records decide with the token: a role that was taken away is gone, whatever the token says.
    async fn granted(&self, grant: &Grant, tenant: TenantId) -> Result<(Actor, Roles)> {
        let key_id = grant.subject.strip_prefix(KEY_SUBJECT).or(grant.subject.strip_prefix(GUEST_SUBJECT));
        if let Some(id) = key_id {
            let id = ApiKeyId::parse(id).ok_or_else(|| invalid("its subject is unknown here"))?;
            let key = self.working_key(self.store.api_key(id).await)?;
            if !api_key::opens(&key, tenant) {
                return Err(invalid("its subject is unknown here"));
            }
            let (actor, roles) = api_key::actor(&key);
            let actor = if matches!(actor, Actor::Guest) { actor } else { Actor::Key(id) };
            return Ok((actor, roles.and(grant.roles)));
        }
        let id = UserId::parse(&grant.subject).ok_or_else(|| invalid("its subject is unknown here"))?;
        let user = self.user(tenant, id).await?;
        let roles = match grant.origin {
            Some(_) => grant.roles,
            // What was granted and is still held.
            None => grant.roles.and(user.roles.with(Roles::CUSTOMER)),
        };
        Ok((Actor::User(Arc::new(user)), roles))
    }

    async fn outside_token(
        &self,
        token: &Unverified<'_>,
        text: &str,
        context: &Context,
        now: i64,
    ) -> Result<Principal> {
        let algorithm = token.algorithm()?;
        let mut refusal = invalid("no accepted issuer has signed it");
        for issuer in self.issuers.iter() {
            let options = issuer.options();
            if !context.accepts(&options.name, &options.tenant) || !issuer.has_signed(token, algorithm).await
            {
                continue;
            }
            match issuer.read(token, now) {
                Ok(verified) => return self.person(issuer, verified, text, now).await,
                Err(Error::CredentialExpired) => refusal = Error::CredentialExpired,
                Err(other) if refusal != Error::CredentialExpired => refusal = other,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    async fn person(&self, issuer: &Issuer, verified: Verified, text: &str, now: i64) -> Result<Principal> {
        let (tenant, tenant_slug) = self.tenant(&issuer.options().tenant).await?;
        let Verified { profile, subject, roles, times, token_id } = verified;
        let user = provision::user(&self.store, tenant, issuer, &subject, &profile, now).await?;
        let proof = Proof {
            issuer: issuer.options().name.clone(),
            subject,
            token_id: token_id.unwrap_or_else(|| fingerprint(text)),
            issued_at: times.issued_at,
        };
        let rights_until = Some(times.expires_at.saturating_add(issuer.leeway_ms()));
        Ok(Principal { tenant, tenant_slug, actor: Actor::User(user), roles, proof, rights_until })
    }

    async fn key(&self, secret: &str, context: &Context) -> Result<Arc<Principal>> {
        let now = self.clock.now();
        let digest = key_digest(secret, context.tenant.as_deref());
        if let Some(principal) = self.credentials.get(&digest, now) {
            return Ok(principal);
        }
        let (actor, roles, subject, only_tenant) = if self.is_operator(secret) {
            (Actor::Operator, Roles::ADMIN, String::new(), None)
        } else if api_key::is_well_formed(secret) {
            let key = self.working_key(self.store.api_key_by_hash(api_key::hash(secret)).await)?;
            let (actor, roles) = api_key::actor(&key);
            let only_tenant = match (key.all_tenants, key.tenants.as_slice()) {
                (false, [only]) => Some(*only),
                _ => None,
            };
            if let Some(slug) = &context.tenant {
                let (tenant, _) = self.tenant(slug).await?;
                if !api_key::opens(&key, tenant) {
                    return Err(invalid("it does not open this tenant"));
                }
            }
            (actor, roles, key.id.to_string(), only_tenant)
        } else {
            return Err(invalid("it is not an API key"));
        };
        let (tenant, tenant_slug) = match (&context.tenant, only_tenant) {
            (Some(slug), _) => self.tenant(slug).await?,
            (None, Some(only)) => (only, Arc::from(self.store.tenant_by_id(only).await?.slug)),
            (None, None) => (Principal::NO_TENANT, Arc::from("")),
        };
        let proof = Proof { subject, ..Proof::default() };
        let principal = Principal { tenant, tenant_slug, actor, roles, proof, rights_until: None };
        self.keep(digest, principal, now, KEY_VERIFIED_MS)
    }

    async fn guest(&self, context: &Context) -> Result<Arc<Principal>> {
        let (Some(slug), true) = (&context.tenant, context.guests) else {
            return Err(Error::CredentialMissing);
        };
        let (tenant, tenant_slug) = self.tenant(slug).await?;
        let (actor, roles) = (Actor::Guest, Roles::CUSTOMER);
        Ok(Arc::new(Principal {
            tenant,
            tenant_slug,
            actor,
            roles,
            proof: Proof::default(),
            rights_until: None,
        }))
    }

    /// Keeps what was verified, unless it was withdrawn meanwhile.
    fn keep(&self, digest: [u8; 32], principal: Principal, now: i64, keep_ms: i64) -> Result<Arc<Principal>> {
        let principal = Arc::new(principal);
        let until = principal.rights_until.unwrap_or(i64::MAX).min(now + keep_ms);
        self.credentials.insert(digest, principal.clone(), now, until);
        if self.revocations.concern(&principal) {
            self.credentials.remove(&digest);
            return Err(Error::CredentialRevoked);
        }
        Ok(principal)
    }

    fn is_operator(&self, secret: &str) -> bool {
        self.operator_key.is_some_and(|key| bool::from(key.ct_eq(&api_key::hash(secret))))
    }

    fn working_key(&self, found: Result<ApiKey, StoreError>) -> Result<ApiKey> {
        match found {
            Ok(key) if key.revoked_at.is_some() => Err(Error::CredentialRevoked),
            Ok(key) => Ok(key),
            Err(StoreError::NotFound(_)) => Err(invalid("the API key is unknown")),
            Err(error) => Err(error.into()),
        }
    }

    async fn user(&self, tenant: TenantId, id: UserId) -> Result<parlor_store::User> {
        match self.store.user(tenant, id).await {
            Err(StoreError::NotFound(_)) => Err(invalid("its subject is unknown here")),
            other => Ok(other?),
        }
    }

    /// The id of a tenant. Slugs never change and tenants are never removed, so this may be remembered.
    pub async fn tenant(&self, slug: &str) -> Result<(TenantId, Arc<str>)> {
        let now = self.clock.now();
        if let Some(known) = self.tenants.get(slug, now) {
            return Ok(known);
        }
        let tenant = self.store.tenant(slug).await?;
        let known = (tenant.id, Arc::from(tenant.slug.as_str()));
        self.tenants.insert(slug.into(), known.clone(), now, now + VERIFIED_MS);
        Ok(known)
    }
}

impl Context {
    /// True if a token of the issuer for the tenant may be used here.
    #[must_use]
    pub fn accepts(&self, issuer: &str, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant)
            && (self.issuers.is_empty() || self.issuers.iter().any(|accepted| accepted == issuer))
    }

    fn admits(&self, principal: &Principal) -> bool {
        self.accepts(&principal.proof.issuer, &principal.tenant_slug)
    }

    fn admits_tenant(&self, principal: &Principal) -> bool {
        self.tenant.as_deref().is_none_or(|own| *own == *principal.tenant_slug)
    }
}

/// Stands for a token without an id of its own.
#[must_use]
pub fn fingerprint(token: &str) -> String {
    use base64::Engine as _;
    let digest = Sha256::digest(token.as_bytes());
    format!("sha256:{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest))
}

/// A key that opens several tenants is another principal in each.
fn key_digest(secret: &str, tenant: Option<&str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(b"key\0");
    digest.update(secret.as_bytes());
    digest.update([0, u8::from(tenant.is_some())]);
    digest.update(tenant.unwrap_or_default().as_bytes());
    digest.finalize().into()
}
