//! TokenService on the wire: decode, call the rule, encode.

use std::time::Duration;

use parlor_api::v1::{self, exchange_credential_request::Credential, token_service_server::TokenService};
use parlor_store::{Roles, UserId, UserUpsert};

use super::Tokens;
use crate::{
    Error, Result,
    auth::{RawCredential, api_key, inspect::Kind},
    caller::Caller,
    directory,
    field::{self, text},
    password,
    request::service,
    wire::{roles, timestamp},
};

/// The service as it is called.
#[derive(Clone)]
pub struct TokenRpc(pub Tokens);

service! {
    TokenService for TokenRpc {
        fn exchange_credential(ExchangeCredentialRequest) -> ExchangeCredentialResponse = answered(Self::exchange);
        fn mint_token(MintTokenRequest) -> MintTokenResponse = answered(Self::mint);
        fn inspect_token(InspectTokenRequest) -> InspectTokenResponse = answered(Self::inspect);
        fn revoke_token(RevokeTokenRequest) -> RevokeTokenResponse = answered(Self::revoke);
        fn get_jwks(GetJwksRequest) -> GetJwksResponse = answered(async |rpc: &Self, _, _| {
            Ok(v1::GetJwksResponse { jwks_json: rpc.0.auth.jwks_json().to_owned() })
        });
    }
}

impl TokenRpc {
    async fn exchange(
        &self,
        caller: &Caller,
        request: v1::ExchangeCredentialRequest,
    ) -> Result<v1::ExchangeCredentialResponse> {
        // What is withdrawn from now on is younger than the token, so a proof that was good before opens nothing after it.
        let begun = self.0.clock.now();
        let (tokens, tenant) = (&self.0, tenant_of(caller, &request.tenant)?);
        let principal = match field::given("credential", request.credential)? {
            Credential::Bearer(token) if token.starts_with(api_key::MARK) => {
                return Err(Error::field("bearer", "must not be an API key: it goes into api_key"));
            }
            Credential::Bearer(token) => tokens.shown(caller, tenant, RawCredential::Bearer(token)).await?,
            Credential::ApiKey(secret) => tokens.shown(caller, tenant, RawCredential::ApiKey(secret)).await?,
            Credential::Password(v1::PasswordCredential { username, password }) => {
                let slug = field::given("tenant", tenant)?;
                text("password.username", &username, 1, directory::MAX_USERNAME_CHARS)?;
                text("password.password", &password, 1, password::MAX_CHARS)?;
                tokens.known(caller, &slug, &username, password).await?
            }
            Credential::Signup(_) if !(caller.edge && caller.signup) => {
                return Err(Error::SwitchedOff("making accounts"));
            }
            Credential::Signup(wanted) => {
                let slug = field::given("tenant", tenant)?;
                let (account, password) = account(wanted)?;
                tokens.newcomer(caller, &slug, account, password, &request.issuer).await?
            }
        };
        let lifetime = lifetime(request.ttl)?;
        let minted = tokens.exchange(caller, &principal, &request.issuer, lifetime, begun).await?;
        Ok(v1::ExchangeCredentialResponse {
            token: minted.token,
            expire_time: Some(timestamp(minted.expires_at)),
            user: principal.user().map(|user| directory::user_message(user)),
            subject: minted.subject,
        })
    }

    async fn mint(&self, caller: &Caller, request: v1::MintTokenRequest) -> Result<v1::MintTokenResponse> {
        let admin = caller.admin()?;
        let user = field::id("user_id", &request.user_id, UserId::parse)?;
        let asked = directory::roles("roles", &request.roles)?;
        let minted = self.0.mint(admin, user, asked, &request.issuer, lifetime(request.ttl)?).await?;
        let expire_time = Some(timestamp(minted.expires_at));
        Ok(v1::MintTokenResponse { token: minted.token, token_id: minted.token_id, expire_time })
    }

    async fn inspect(
        &self,
        caller: &Caller,
        request: v1::InspectTokenRequest,
    ) -> Result<v1::InspectTokenResponse> {
        let found = self.0.auth.inspect(&request.token, caller.staff()?).await?;
        let kind = match found.kind {
            Kind::Unknown => v1::TokenKind::Unspecified,
            Kind::Access => v1::TokenKind::Access,
            Kind::Issuer => v1::TokenKind::Issuer,
            Kind::ApiKey => v1::TokenKind::ApiKey,
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

    async fn revoke(
        &self,
        caller: &Caller,
        request: v1::RevokeTokenRequest,
    ) -> Result<v1::RevokeTokenResponse> {
        use v1::revoke_token_request::Selector;
        let principal = caller.principal()?;
        let revoked_at = match field::given("selector", request.selector)? {
            Selector::Token(token) => self.0.revoke_shown(principal, &token).await?,
            Selector::TokenId(id) => self.0.revoke_named(caller, &id).await?,
            Selector::UserId(id) => {
                self.0.revoke_user(caller, field::id("user_id", &id, UserId::parse)?).await?
            }
        };
        Ok(v1::RevokeTokenResponse { revoke_time: Some(timestamp(revoked_at)) })
    }
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

/// An account to make, and its password.
fn account(mut wanted: v1::SignupCredential) -> Result<(UserUpsert, String)> {
    wanted.email = field::address(&wanted.email);
    wanted.username = field::sign_in_name(&wanted.username);
    if wanted.username.is_empty() {
        text("signup.email", &wanted.email, 1, directory::MAX_USERNAME_CHARS)?;
        if !wanted.email.contains('@') {
            return Err(Error::field("signup.email", "must be an address"));
        }
        wanted.username.clone_from(&wanted.email);
    }
    directory::username("signup.username", &wanted.username)?;
    directory::password("signup.password", &wanted.password)?;
    if wanted.display_name.is_empty() {
        wanted.display_name.clone_from(&wanted.username);
    }
    let account = UserUpsert {
        display_name: Some(wanted.display_name),
        username: Some(wanted.username),
        email: Some(wanted.email).filter(|email| !email.is_empty()),
        roles: Some(Roles::CUSTOMER),
        create_only: true,
        unique_names: true,
        ..UserUpsert::default()
    };
    Ok((account, wanted.password))
}

fn lifetime(asked: Option<prost_types::Duration>) -> Result<Option<Duration>> {
    let asked = asked.map(Duration::try_from).transpose();
    asked.map_err(|_| Error::field("ttl", "must not be negative"))
}
