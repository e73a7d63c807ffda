//! Trading a proof for a token.

use std::{sync::Arc, time::Duration};

use parlor_store::{Error as StoreError, TenantId, User, UserUpsert};

use super::{
    Tokens,
    mint::{Minted, ttl},
};
use crate::{
    Error, Result,
    auth::{
        Context, OWN_ISSUER, RawCredential,
        access::{GUEST_SUBJECT, KEY_SUBJECT},
    },
    caller::{Actor, Caller, Principal, Proof},
};

/// A day's work.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

impl Tokens {
    /// The token of somebody who has just proven themselves.
    pub(super) async fn exchange(
        &self,
        caller: &Caller,
        principal: &Principal,
        issuer: &str,
        lifetime: Option<Duration>,
    ) -> Result<Minted> {
        let issuer = self.shape(principal, issuer, &caller.issuers)?;
        let ttl = ttl(lifetime, issuer.as_deref(), MAX_TTL)?;
        let now = self.clock.now();
        let proof_ends = self.auth.proof_ends(principal).unwrap_or(i64::MAX);
        let expires_at = now.saturating_add(ttl).min(proof_ends);
        if expires_at <= now {
            return Err(Error::CredentialExpired);
        }
        match (&issuer, principal.user()) {
            (Some(issuer), Some(user)) => self.in_shape(issuer, user, principal.roles, expires_at).await,
            (Some(_), None) => {
                Err(Error::field("issuer", "must be left out: only a person's token has this shape"))
            }
            (None, _) => self.own_for(principal, expires_at),
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
        self.attempts.take(&caller.peer, slug, username, self.clock.now())?;
        let (tenant, tenant_slug) = self.auth.tenant(slug).await?;
        let user = self.named_user(tenant, username).await?;
        let stored = match &user {
            Some(user) => self.store.directory.password_hash(tenant, user.id).await?,
            None => None,
        };
        let right = self.passwords.verify(password, stored).await?;
        match user {
            Some(user) if right => Ok(signed_in(user, tenant_slug)),
            // One answer for a wrong name and a wrong password.
            _ => Err(Error::CredentialInvalid("the username or the password is wrong".to_owned())),
        }
    }

    /// Whom a name to sign in with means: whose it is, or else who alone has it as e-mail address.
    async fn named_user(&self, tenant: TenantId, name: &str) -> Result<Option<User>> {
        let found = match self.store.directory.user_by_username(tenant, name).await {
            Err(StoreError::NotFound(_)) if name.contains('@') => {
                self.store.directory.user_by_email(tenant, name).await
            }
            found => found,
        };
        match found {
            Ok(user) => Ok(Some(user)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Somebody who makes an account.
    pub(super) async fn newcomer(
        &self,
        caller: &Caller,
        slug: &str,
        mut account: UserUpsert,
        password: String,
    ) -> Result<Arc<Principal>> {
        let username = account.username.as_deref().unwrap_or_default();
        self.attempts.take(&caller.peer, slug, username, self.clock.now())?;
        let (tenant, tenant_slug) = self.auth.tenant(slug).await?;
        account.password_hash = Some(self.passwords.hash(password).await?);
        let (user, _) = self.store.directory.upsert_user(tenant, account, self.clock.now()).await?;
        Ok(signed_in(user, tenant_slug))
    }

    fn own_for(&self, principal: &Principal, expires_at: i64) -> Result<Minted> {
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
        Ok(self.own(&principal.tenant_slug, &subject, principal.roles, origin, expires_at))
    }
}

/// A person who has just proven themselves to us.
fn signed_in(user: User, tenant_slug: Arc<str>) -> Arc<Principal> {
    Arc::new(Principal {
        tenant: user.tenant,
        tenant_slug,
        roles: user.roles,
        actor: Actor::User(Arc::new(user)),
        proof: Proof::default(),
        rights_until: None,
    })
}
