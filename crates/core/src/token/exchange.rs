//! Trading a proof for a token.

use std::{sync::Arc, time::Duration};

use parlor_store::{Mutation, TenantId, User, UserUpsert};

use super::{
    Tokens,
    mint::{Minted, numbered, ttl},
};
use crate::{
    Error, Result,
    auth::{
        Context, OWN_ISSUER, RawCredential,
        access::{GUEST_SUBJECT, Grant, KEY_SUBJECT},
        provenance::Provenance,
        records::enabled,
    },
    caller::{Actor, Caller, Principal, Proof},
    directory::found,
    field,
    password::Checked,
};

/// A day's work.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

impl Tokens {
    /// The token of somebody who has proven themselves since this began.
    pub(super) async fn exchange(
        &self,
        caller: &Caller,
        principal: &Principal,
        issuer: &str,
        lifetime: Option<Duration>,
        begun: i64,
    ) -> Result<Minted> {
        let issuer = self.shape(&principal.tenant_slug, issuer, &caller.issuers)?;
        let ttl = ttl(lifetime, issuer.as_deref(), MAX_TTL)?;
        let proof_ends = self.auth.proof_ends(principal).unwrap_or(i64::MAX);
        let expires_at = begun.saturating_add(ttl).min(proof_ends);
        if expires_at <= begun {
            return Err(Error::CredentialExpired);
        }
        let made = Provenance::after(principal, begun, principal.proof.held);
        match (&issuer, principal.user()) {
            (Some(issuer), Some(user)) => {
                self.in_shape(issuer, user, principal.roles, &made, expires_at).await
            }
            (Some(_), None) => {
                Err(Error::field("issuer", "must be left out: only a person's token has this shape"))
            }
            (None, _) => self.own_for(principal, made, expires_at),
        }
    }

    /// Whom a credential of the tenant proves.
    pub(super) async fn shown(
        &self,
        caller: &Caller,
        tenant: Option<String>,
        credential: RawCredential,
    ) -> Result<Arc<Principal>> {
        let context = Context { tenant, issuers: caller.issuers.clone(), ..Context::default() };
        self.auth.resolve(&credential, &context).await
    }

    /// Who has a password.
    pub(super) async fn known(
        &self,
        caller: &Caller,
        slug: &str,
        username: &str,
        password: String,
    ) -> Result<Arc<Principal>> {
        // Before anything is kept: whoever names no tenant leaves nothing behind.
        let (tenant, tenant_slug) = self.auth.tenant(slug).await?;
        let client = self.attempts.take(&caller.peer, slug, username, self.clock.steady())?;
        let user = self.named_user(tenant, username).await?;
        let stored = match &user {
            Some(user) => self.store.directory.password_hash(tenant, user.id).await?,
            None => None,
        };
        let kinds = self.passwords.kinds(&self.store, tenant).await?;
        let checked = self.passwords.check(client, password, stored.clone(), kinds).await?;
        match (user, checked) {
            (Some(user), Checked::Right { renewed }) => {
                let user = enabled(user)?;
                self.attempts.succeeded(&caller.peer, slug, username);
                if let (Some(verified), Some(renewed)) = (stored, renewed) {
                    self.renew(&user, verified, renewed).await;
                }
                Ok(signed_in(user, tenant_slug))
            }
            // One answer for a wrong name and a wrong password.
            _ => Err(Error::CredentialInvalid("the username or the password is wrong".to_owned())),
        }
    }

    /// Puts a hash of our own in the place of the one that was verified, unless there is another by now. Who is signed in is
    /// so without it.
    async fn renew(&self, user: &User, verified: String, renewed: String) {
        let renews = Mutation::renew_password_hash(user.tenant, user.id, verified, renewed);
        if let Err(error) = self.store.apply(renews).await {
            tracing::warn!(%error, "the hash of a password that was moved here is not renewed yet");
        }
    }

    /// Whom a name to sign in with means: whose it is, or else who alone has it as e-mail address.
    async fn named_user(&self, tenant: TenantId, name: &str) -> Result<Option<User>> {
        // As it is spelt first: names of before that differ by their spelling alone stayed as they were.
        let mut spelt = vec![name.to_owned(), field::sign_in_name(name)];
        spelt.dedup();
        let directory = &self.store.directory;
        for name in &spelt {
            if let Some(user) = found(directory.user_by_username(tenant, name).await)? {
                return Ok(Some(user));
            }
        }
        for address in spelt.iter().filter(|name| name.contains('@')) {
            if let Some(user) = found(directory.user_signing_in_by_email(tenant, address).await)? {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    /// Somebody who makes an account, and has what the issuer whose token they want calls them by with it.
    pub(super) async fn newcomer(
        &self,
        caller: &Caller,
        slug: &str,
        mut account: UserUpsert,
        password: String,
        issuer: &str,
    ) -> Result<Arc<Principal>> {
        let (tenant, tenant_slug) = self.auth.tenant(slug).await?;
        let shape = self.shape(slug, issuer, &caller.issuers)?;
        account.numbered = shape.and_then(|shape| numbered(&shape, self.auth.issuers().given_here(&shape)));
        let username = account.username.as_deref().unwrap_or_default();
        let client = self.attempts.take(&caller.peer, slug, username, self.clock.steady())?;
        account.password_hash = Some(self.passwords.hash(client, password).await?);
        let (user, _) = self.store.directory.upsert_user(tenant, account, self.clock.now()).await?;
        Ok(signed_in(user, tenant_slug))
    }

    fn own_for(&self, principal: &Principal, made: Provenance, expires_at: i64) -> Result<Minted> {
        if principal.tenant == Principal::NO_TENANT {
            return Err(Error::field("tenant", "must be named: the key opens several"));
        }
        let proof = &principal.proof;
        let (subject, origin) = match &principal.actor {
            Actor::User(user) => {
                let outside = !proof.issuer.is_empty() && proof.issuer != OWN_ISSUER;
                (user.id.to_string(), outside.then(|| proof.issuer.clone()))
            }
            Actor::Key(id) => (format!("{KEY_SUBJECT}{id}"), None),
            Actor::Guest => (format!("{GUEST_SUBJECT}{}", proof.subject), None),
            Actor::Operator => {
                return Err(Error::field(
                    "api_key",
                    "must not be the operator's: they call with the key itself",
                ));
            }
        };
        let (tenant, roles) = (principal.tenant_slug.to_string(), principal.roles);
        Ok(self.own(Grant { tenant, subject, roles, origin, made }, expires_at))
    }
}

/// A person who has just proven themselves to us.
fn signed_in(user: User, tenant_slug: Arc<str>) -> Arc<Principal> {
    Arc::new(Principal {
        tenant: user.tenant,
        tenant_slug,
        roles: user.roles,
        actor: Actor::User(Arc::new(user)),
        proof: Proof { held: true, ..Proof::default() },
        rights_until: None,
    })
}
