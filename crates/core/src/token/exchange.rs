//! Trading a proof for a token.

use std::{sync::Arc, time::Duration};

use parlor_api::v1::{self, exchange_credential_request::Credential};
use parlor_store::{Error as StoreError, Roles, TenantId, User, UserUpsert};

use super::{
    Tokens,
    mint::{Minted, ttl},
};
use crate::{
    Error, Result,
    auth::{
        Context, OWN_ISSUER, RawCredential,
        access::{GUEST_SUBJECT, Grant, KEY_SUBJECT},
        api_key,
        provenance::Provenance,
    },
    caller::{Actor, Caller, Principal, Proof},
    directory,
    field::{self, text},
    wire::timestamp,
};

/// A day's work.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

impl Tokens {
    pub(super) async fn exchange(
        &self,
        caller: &Caller,
        request: v1::ExchangeCredentialRequest,
    ) -> Result<v1::ExchangeCredentialResponse> {
        // What is withdrawn from now on is younger than the token, so a proof that was good before opens nothing after it.
        let begun = self.clock.now();
        let tenant = tenant_of(caller, &request.tenant)?;
        let credential = field::given("credential", request.credential)?;
        let principal = match credential {
            Credential::Bearer(token) if token.starts_with(api_key::MARK) => {
                return Err(Error::field("bearer", "must not be an API key: it goes into api_key"));
            }
            Credential::Bearer(token) => self.shown(caller, tenant, RawCredential::Bearer(token)).await?,
            Credential::ApiKey(secret) => self.shown(caller, tenant, RawCredential::ApiKey(secret)).await?,
            Credential::Password(proof) => self.known(caller, tenant, proof).await?,
            Credential::Signup(wanted) => self.newcomer(caller, tenant, wanted).await?,
        };
        let issuer = self.shape(&principal, &request.issuer, &caller.issuers)?;
        let ttl = ttl(request.ttl.as_ref(), issuer.as_deref(), MAX_TTL)?;
        let proof_ends = self.auth.proof_ends(&principal).unwrap_or(i64::MAX);
        let expires_at = begun.saturating_add(ttl).min(proof_ends);
        if expires_at <= begun {
            return Err(Error::CredentialExpired);
        }
        let made = Provenance::after(&principal, begun, principal.proof.held);
        let minted = match (&issuer, principal.user()) {
            (Some(issuer), Some(user)) => {
                self.in_shape(issuer, user, principal.roles, &made, expires_at).await?
            }
            (Some(_), None) => {
                return Err(Error::field("issuer", "must be left out: only a person's token has this shape"));
            }
            (None, _) => self.own_for(&principal, made, expires_at)?,
        };
        Ok(v1::ExchangeCredentialResponse {
            token: minted.token,
            expire_time: Some(timestamp(minted.expires_at)),
            user: principal.user().map(|user| directory::user_message(user)),
            subject: minted.subject,
        })
    }

    async fn shown(
        &self,
        caller: &Caller,
        tenant: Option<String>,
        credential: RawCredential,
    ) -> Result<Arc<Principal>> {
        let context = Context { tenant, issuers: caller.issuers.clone(), ..Context::default() };
        self.auth.resolve(&credential, &context).await
    }

    async fn known(
        &self,
        caller: &Caller,
        tenant: Option<String>,
        proof: v1::PasswordCredential,
    ) -> Result<Arc<Principal>> {
        let slug = named(tenant)?;
        text("password.username", &proof.username, 1, directory::MAX_USERNAME_CHARS)?;
        text("password.password", &proof.password, 1, crate::password::MAX_CHARS)?;
        // Before anything is kept: whoever names no tenant leaves nothing behind.
        let (tenant, tenant_slug) = self.auth.tenant(&slug).await?;
        let client = self.attempts.take(&caller.peer, &slug, &proof.username, self.clock.steady())?;
        let user = self.named_user(tenant, &proof.username).await?;
        let stored = match &user {
            Some(user) => self.store.directory.password_hash(tenant, user.id).await?,
            None => None,
        };
        let right = self.passwords.verify(client, proof.password, stored).await?;
        match user {
            Some(user) if right => {
                self.attempts.succeeded(&caller.peer, &slug, &proof.username);
                Ok(signed_in(user, tenant_slug))
            }
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

    async fn newcomer(
        &self,
        caller: &Caller,
        tenant: Option<String>,
        mut wanted: v1::SignupCredential,
    ) -> Result<Arc<Principal>> {
        if !(caller.edge && caller.signup) {
            return Err(Error::SwitchedOff("making accounts"));
        }
        let slug = named(tenant)?;
        if wanted.username.is_empty() {
            text("signup.email", &wanted.email, 1, directory::MAX_USERNAME_CHARS)?;
            if !wanted.email.contains('@') {
                return Err(Error::field("signup.email", "must be an address"));
            }
            wanted.username.clone_from(&wanted.email);
        }
        directory::username("signup.username", &wanted.username)?;
        text("signup.display_name", &wanted.display_name, 0, directory::MAX_NAME_CHARS)?;
        text("signup.email", &wanted.email, 0, directory::MAX_EMAIL_CHARS)?;
        directory::password("signup.password", &wanted.password)?;
        let (tenant, tenant_slug) = self.auth.tenant(&slug).await?;
        let client = self.attempts.take(&caller.peer, &slug, &wanted.username, self.clock.steady())?;
        let display_name =
            if wanted.display_name.is_empty() { wanted.username.clone() } else { wanted.display_name };
        let account = UserUpsert {
            display_name: Some(display_name),
            username: Some(wanted.username),
            email: Some(wanted.email).filter(|email| !email.is_empty()),
            roles: Some(Roles::CUSTOMER),
            password_hash: Some(self.passwords.hash(client, wanted.password).await?),
            create_only: true,
            unique_names: true,
            ..UserUpsert::default()
        };
        match self.store.directory.upsert_user(tenant, account, self.clock.now()).await {
            Ok((user, _)) => Ok(signed_in(user, tenant_slug)),
            Err(error) => Err(error.into()),
        }
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

/// A mount's tenant binds; elsewhere the request or the metadata names it.
fn tenant_of(caller: &Caller, named: &str) -> Result<Option<String>> {
    match (&caller.tenant_wish, named) {
        (wish, "") => Ok(wish.clone()),
        (Some(wish), named) if caller.edge && wish != named => {
            Err(Error::field("tenant", "must be the tenant of this mount"))
        }
        (_, named) => Ok(Some(named.to_owned())),
    }
}

fn named(tenant: Option<String>) -> Result<String> {
    field::given("tenant", tenant)
}
