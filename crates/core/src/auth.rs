//! Credentials: who somebody is, proven by a token or a key, and for how long.
//!
//! It owns the trusted issuers, Parlor's own signing key, the caches of what was verified and the index of what was
//! withdrawn. The rule it keeps: what is granted comes from a verified credential and our own records, never from what
//! a caller says of themselves.
//!
//! In steady state a call costs one look-up: no signature is checked and no row is read.

pub mod access;
mod account;
pub mod api_key;
pub mod cache;
mod claim;
pub mod claims;
pub mod credential;
pub mod handle;
pub mod inspect;
pub mod issuer;
pub mod issuers;
pub mod jwks;
pub mod jwt;
pub mod provenance;
mod provision;
pub mod records;
pub mod revocation;
pub mod session_cookie;
pub mod standing;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parlor_store::{MarkOf, Roles, Store, TenantId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use self::{
    access::OWN_ISSUER,
    credential::{Context, RawCredential},
    issuer::{IssuerKey, IssuerOptions, KeyMaterial, shape_of},
};
use self::{
    access::{Access, GUEST_SUBJECT, Grant, KEY_SUBJECT, OWN_LEEWAY_MS},
    account::Accounts,
    handle::Named,
    issuer::{Issuer, Signed, Verified},
    issuers::{Issuers, nobodys},
    jwt::{Unverified, invalid},
    records::{Records, held, is_held, recorded},
    session_cookie::Sealed,
    standing::Standing,
};
use crate::{
    Error, Result,
    caller::{Actor, Principal, Proof},
    clock::Clock,
    seal::Seal,
};

/// How long a verified token or handle is taken from memory: how old a stored name or role may be on another node.
const VERIFIED_MS: i64 = 5 * 60 * 1000;
/// How long a key's row is taken from memory: how long a key that was withdrawn on another node still opens this one.
const KEY_VERIFIED_MS: i64 = 30 * 1000;

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

/// Proves who somebody is.
pub struct Auth {
    clock: Clock,
    issuers: Issuers,
    access: Access,
    operator_key: Option<[u8; 32]>,
    handle_seal: Seal,
    records: Records,
    standing: Standing,
    accounts: Accounts,
}

impl Auth {
    /// Readies the keys and reads what was withdrawn.
    pub async fn start(options: Options, store: Store, clock: Clock) -> Result<Arc<Self>> {
        let unusable = |problem: String| Error::Internal(format!("configuration: {problem}"));
        let issuers = Issuers::new(options.issuers, &clock).map_err(unusable)?;
        let access = Access::new(&options.signing_seed, &options.earlier_signing_keys).map_err(unusable)?;
        let standing = Standing::start(store.clone(), clock.clone()).await?;
        Ok(Arc::new(Self {
            issuers,
            access,
            operator_key: options.operator_key.as_deref().filter(|key| !key.is_empty()).map(api_key::hash),
            handle_seal: Seal::new(&options.handle_key, "handle"),
            accounts: Accounts::new(&options.handle_key),
            standing,
            records: Records::new(store, clock.clone()),
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
        if let Some(principal) = self.standing.handle(handle, now) {
            return Ok(principal);
        }
        let contents =
            handle::open(&self.handle_seal, handle).ok_or_else(|| invalid("it is not a handle"))?;
        let named = contents.named().ok_or_else(|| invalid("it is not a handle"))?;
        let tenant = TenantId(contents.tenant);
        let actor = match named {
            Named::Guest => Actor::Guest,
            Named::Operator => Actor::Operator,
            Named::Key(id) => Actor::Key(id),
            Named::User(id) => Actor::User(Arc::new(self.records.user(tenant, id).await?)),
        };
        let tenant_slug = Arc::from(contents.tenant_slug.as_str());
        let (proof, rights_until) = (contents.proof(), contents.rights_until);
        let roles = match &actor {
            Actor::User(user) if proof.held => held(Roles(contents.roles), user),
            _ => Roles(contents.roles),
        };
        let principal = Principal { tenant, tenant_slug, actor, roles, proof, rights_until };

        let mut until = now + VERIFIED_MS;
        if let Some(key) = revocation::key_of(&principal) {
            self.records.key(key).await?;
            until = now + KEY_VERIFIED_MS;
        }
        if principal.is_staff() {
            until = until.min(principal.rights_until.unwrap_or(i64::MAX));
        }
        if until <= now {
            return Err(Error::CredentialExpired);
        }
        self.standing.keep_handle(handle, principal, now, until)
    }

    /// What was verified and what was withdrawn.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What stands for the outside accounts of a tenant once they are erased.
    #[must_use]
    pub fn marks(&self, tenant: TenantId) -> MarkOf {
        self.accounts.marks(tenant, self.clock.now())
    }

    /// The id of a tenant, and its slug to share.
    pub async fn tenant(&self, slug: &str) -> Result<(TenantId, Arc<str>)> {
        self.records.tenant(slug).await
    }

    /// Signs an access token of Parlor's own.
    #[must_use]
    pub fn mint(&self, grant: &Grant, expires_at: i64) -> String {
        self.access.mint(grant, expires_at)
    }

    /// The public keys, as a JSON Web Key Set.
    #[must_use]
    pub fn jwks_json(&self) -> &str {
        self.access.jwks_json()
    }

    /// The configured issuers.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// When the proof itself ends, without leeway: nothing traded for it may live longer.
    #[must_use]
    pub fn proof_ends(&self, principal: &Principal) -> Option<i64> {
        let issuer = self.issuers.named(&principal.proof.issuer);
        let leeway_ms = issuer.map_or(0, |issuer| issuer.longest_leeway_ms()).max(OWN_LEEWAY_MS);
        principal.rights_until.map(|until| until.saturating_sub(leeway_ms))
    }

    async fn token(&self, text: &str, context: &Context) -> Result<Arc<Principal>> {
        let now = self.clock.now();
        let digest = api_key::hash(text);
        if let Some(principal) = self.standing.credential(&digest, now)
            && context.admits(&principal)
        {
            return Ok(principal);
        }
        if let Some(sealed) = Sealed::parse(text) {
            let principal = self.session(&sealed?, context, now).await?;
            return self.standing.keep(digest, principal, now, VERIFIED_MS);
        }
        let token = Unverified::parse(text)?;
        let principal = if self.access.claims_to_be_ours(&token) {
            self.own_token(&token, context, now).await?
        } else {
            self.outside_token(&token, context, now).await?
        };
        self.standing.keep(digest, principal, now, VERIFIED_MS)
    }

    async fn own_token(&self, token: &Unverified<'_>, context: &Context, now: i64) -> Result<Principal> {
        let (grant, times) = self.access.verify(token, OWN_LEEWAY_MS, now)?;
        // What was traded for an issuer's token is accepted where that issuer is.
        let issuer = grant.origin.clone().unwrap_or_else(|| OWN_ISSUER.to_owned());
        if !context.accepts(&issuer, &grant.tenant) {
            return Err(invalid("it is not accepted here"));
        }
        let (tenant, tenant_slug) = self.records.tenant(&grant.tenant).await?;
        let (actor, roles) = self.records.granted(&grant, tenant).await?;
        let (made, is_held) = (&grant.made, is_held(&grant));
        let subject = match &actor {
            Actor::User(user) => {
                let known = user.identities.iter().find(|identity| identity.issuer == issuer);
                known.map_or_else(|| grant.subject.clone(), |identity| identity.subject.clone())
            }
            Actor::Key(_) | Actor::Operator => grant.subject.trim_start_matches(KEY_SUBJECT).to_owned(),
            Actor::Guest => grant.subject.trim_start_matches(GUEST_SUBJECT).to_owned(),
        };
        let (names, made_with, held) = (made.names(), made.made_with, is_held);
        let proof = Proof { issuer, subject, names, issued_at: times.issued_at, made_with, held };
        let rights_until = Some(times.expires_at.saturating_add(OWN_LEEWAY_MS));
        self.still_made_with(Principal { tenant, tenant_slug, actor, roles, proof, rights_until }).await
    }

    /// The principal, unless the API key that the proof was made with works no more.
    async fn still_made_with(&self, principal: Principal) -> Result<Principal> {
        if let Some(key) = principal.proof.made_with {
            self.records.key(key).await?;
        }
        Ok(principal)
    }

    async fn outside_token(&self, token: &Unverified<'_>, context: &Context, now: i64) -> Result<Principal> {
        let algorithm = token.algorithm()?;
        let (mut refusal, mut keys_away) = (None, None);
        for issuer in self.issuers.iter() {
            let options = issuer.options();
            if !context.accepts(&options.name, &options.tenant) {
                continue;
            }
            match issuer.has_signed(token, algorithm).await {
                Signed::Yes => {}
                Signed::No => continue,
                Signed::Unknown { retry_after_ms } => {
                    keys_away = Some(retry_after_ms);
                    continue;
                }
            }
            match issuer.read(token, now) {
                Ok(verified) => return self.person(issuer, verified, now).await,
                Err(Error::CredentialExpired) => refusal = Some(Error::CredentialExpired),
                Err(other) if refusal != Some(Error::CredentialExpired) => refusal = Some(other),
                Err(_) => {}
            }
        }
        Err(refusal.unwrap_or_else(|| nobodys(keys_away)))
    }

    /// Whom a session cookie is of: whoever's secret opens it says so.
    async fn session(&self, sealed: &Sealed<'_>, context: &Context, now: i64) -> Result<Principal> {
        let mut refusal = None;
        for issuer in self.issuers.iter() {
            let options = issuer.options();
            if !context.accepts(&options.name, &options.tenant) {
                continue;
            }
            let Some(token) = issuer.opens(sealed) else { continue };
            match issuer.read_session(&token, now) {
                Ok(verified) => return self.person(issuer, verified, now).await,
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| nobodys(None)))
    }

    async fn person(&self, issuer: &Issuer, verified: Verified, now: i64) -> Result<Principal> {
        let (tenant, tenant_slug) = self.records.tenant(&issuer.options().tenant).await?;
        let Verified { profile, subject, roles, times, leeway_ms, names, made } = verified;
        let account = self.accounts.shown(tenant, issuer, &subject, times.issued_at);
        let user =
            provision::user(&self.records.store, tenant, issuer, &subject, &profile, account, now).await?;
        let made = made.unwrap_or_default();
        let (roles, is_held) = match issuer.options().roles_of_records {
            true => (recorded(&user), true),
            false if made.held => (held(roles, &user), true),
            false => (roles, false),
        };
        let proof = Proof {
            issuer: issuer.options().name.clone(),
            subject,
            names,
            issued_at: times.issued_at,
            made_with: made.made_with,
            held: is_held,
        };
        let rights_until = Some(times.expires_at.saturating_add(leeway_ms));
        let actor = Actor::User(user);
        self.still_made_with(Principal { tenant, tenant_slug, actor, roles, proof, rights_until }).await
    }

    async fn key(&self, secret: &str, context: &Context) -> Result<Arc<Principal>> {
        let now = self.clock.now();
        let digest = key_digest(secret, context.tenant.as_deref());
        if let Some(principal) = self.standing.credential(&digest, now) {
            return Ok(principal);
        }
        let (actor, roles, subject, only_tenant) = if self.is_operator(secret) {
            (Actor::Operator, Roles::ADMIN, String::new(), None)
        } else {
            let key = self.records.key_of(secret).await?;
            let (actor, roles) = api_key::actor(&key);
            let only_tenant = match (key.all_tenants, key.tenants.as_slice()) {
                (false, [only]) => Some(*only),
                _ => None,
            };
            if let Some(slug) = &context.tenant {
                let (tenant, _) = self.records.tenant(slug).await?;
                if !api_key::opens(&key, tenant) {
                    return Err(invalid("it does not open this tenant"));
                }
            }
            (actor, roles, key.id.to_string(), only_tenant)
        };
        let (tenant, tenant_slug) = match (&context.tenant, only_tenant) {
            (Some(slug), _) => self.records.tenant(slug).await?,
            (None, Some(only)) => {
                (only, Arc::from(self.records.store.directory.tenant_by_id(only).await?.slug))
            }
            (None, None) => (Principal::NO_TENANT, Arc::from("")),
        };
        let proof = Proof { subject, ..Proof::default() };
        let principal = Principal { tenant, tenant_slug, actor, roles, proof, rights_until: None };
        self.standing.keep(digest, principal, now, KEY_VERIFIED_MS)
    }

    async fn guest(&self, context: &Context) -> Result<Arc<Principal>> {
        let (Some(slug), true) = (&context.tenant, context.guests) else {
            return Err(Error::CredentialMissing);
        };
        let (tenant, tenant_slug) = self.records.tenant(slug).await?;
        let (actor, roles) = (Actor::Guest, Roles::CUSTOMER);
        let (proof, rights_until) = (Proof::default(), None);
        Ok(Arc::new(Principal { tenant, tenant_slug, actor, roles, proof, rights_until }))
    }

    fn is_operator(&self, secret: &str) -> bool {
        self.operator_key.is_some_and(|key| bool::from(key.ct_eq(&api_key::hash(secret))))
    }
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
