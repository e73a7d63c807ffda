//! Looking at a credential without using it: nobody is provisioned and nothing is kept.

use std::sync::Arc;

use parlor_store::Roles;
use serde_json::Value;

use super::{
    Auth, Context, OWN_LEEWAY_MS, api_key, fingerprint,
    issuer::Issuer,
    jwt::{Unverified, invalid},
};
use crate::{Error, Result, caller::Principal};

/// What a credential turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Unknown,
    Access,
    Issuer,
    ApiKey,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub kind: Kind,
    /// One line each; empty if it would be accepted.
    pub problems: Vec<String>,
    pub issuer: String,
    pub subject: String,
    pub roles: Roles,
    pub expires_at: Option<i64>,
    pub header_json: String,
    pub claims_json: String,
}

/// A token that is ours to withdraw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawable {
    pub tenant: String,
    pub token_id: String,
    pub expires_at: Option<i64>,
}

impl Auth {
    /// Says what a credential is and what is wrong with it, for somebody in the tenant.
    pub async fn inspect(&self, text: &str, reader: &Principal) -> Result<Findings> {
        if text.starts_with(api_key::MARK) {
            return self.inspect_key(text, reader).await;
        }
        let token = match Unverified::parse(text) {
            Ok(token) => token,
            Err(error) => {
                return Ok(Findings { problems: vec![error.to_string()], ..Findings::default() });
            }
        };
        let mut findings = Findings {
            issuer: token.text("iss").unwrap_or_default().to_owned(),
            subject: token.text("sub").unwrap_or_default().to_owned(),
            expires_at: token.moment("exp").ok().flatten(),
            header_json: Value::Object(token.header.clone()).to_string(),
            claims_json: Value::Object(token.claims.clone()).to_string(),
            ..Findings::default()
        };
        let judged = if self.access.claims_to_be_ours(&token) {
            findings.kind = Kind::Access;
            self.inspect_own(&token, reader, &mut findings).await
        } else {
            self.inspect_outside(&token, text, reader, &mut findings).await
        };
        match judged {
            Ok(()) => {}
            Err(error @ (Error::Internal(_) | Error::TryAgain)) => return Err(error),
            Err(error) => findings.problems.push(error.to_string()),
        }
        Ok(findings)
    }

    /// Finds out which token this is, if its signature is good. It may be over.
    pub async fn withdrawable(&self, text: &str) -> Result<Withdrawable> {
        let token = Unverified::parse(text)?;
        let expires_at = token.moment("exp")?;
        // A moment at which every token with an end is good: only the signature matters here.
        let early = expires_at.unwrap_or_default().saturating_sub(1);
        if self.access.claims_to_be_ours(&token) {
            let (grant, _) = self.access.verify(&token, i64::MAX / 2, early)?;
            return Ok(Withdrawable { tenant: grant.tenant, token_id: grant.token_id, expires_at });
        }
        let issuer = self.signer(&token).await?;
        let token_id =
            token.text("jti").filter(|id| !id.is_empty()).map_or_else(|| fingerprint(text), str::to_owned);
        // Rights last for the leeway after `exp`, so the withdrawal has to be remembered for it too.
        let expires_at = expires_at.map(|at| at.saturating_add(issuer.leeway_ms()));
        Ok(Withdrawable { tenant: issuer.options().tenant.clone(), token_id, expires_at })
    }

    async fn inspect_own(
        &self,
        token: &Unverified<'_>,
        reader: &Principal,
        findings: &mut Findings,
    ) -> Result<()> {
        let (grant, times) = self.access.verify(token, OWN_LEEWAY_MS, self.clock.now())?;
        findings.roles = grant.roles;
        if *grant.tenant != *reader.tenant_slug {
            return Err(invalid("it is of another tenant"));
        }
        let context = Context::default();
        let principal = self.own_token(token, &context, self.clock.now()).await?;
        findings.roles = principal.roles;
        findings.expires_at = Some(times.expires_at);
        if self.revocations.concern(&principal) { Err(Error::CredentialRevoked) } else { Ok(()) }
    }

    async fn inspect_outside(
        &self,
        token: &Unverified<'_>,
        text: &str,
        reader: &Principal,
        findings: &mut Findings,
    ) -> Result<()> {
        let issuer = self.signer(token).await?;
        findings.kind = Kind::Issuer;
        findings.issuer = issuer.options().name.clone();
        let verified = issuer.read(token, self.clock.now())?;
        findings.subject = verified.subject.clone();
        findings.roles = verified.roles;
        if *issuer.options().tenant != *reader.tenant_slug {
            return Err(invalid("it is of another tenant"));
        }
        let token_id = verified.token_id.unwrap_or_else(|| fingerprint(text));
        let identity = parlor_store::Identity { issuer: findings.issuer.clone(), subject: verified.subject };
        let user = match self.store.user_by_identity(reader.tenant, &identity).await {
            Ok(user) => Some(user),
            Err(parlor_store::Error::NotFound(_)) if issuer.options().provision => None,
            Err(parlor_store::Error::NotFound(_)) => return Err(invalid("its subject is unknown here")),
            Err(error) => return Err(error.into()),
        };
        let user_id = user.map(|user| user.id);
        let withdrawn = self.revocations.name(reader.tenant, &token_id, user_id, verified.times.issued_at);
        if withdrawn { Err(Error::CredentialRevoked) } else { Ok(()) }
    }

    async fn inspect_key(&self, secret: &str, reader: &Principal) -> Result<Findings> {
        let mut findings = Findings { kind: Kind::ApiKey, ..Findings::default() };
        let found = match api_key::is_well_formed(secret) {
            true => self.working_key(self.store.api_key_by_hash(api_key::hash(secret)).await),
            false => Err(invalid("it is not an API key")),
        };
        match found {
            Ok(key) => {
                findings.subject = key.id.to_string();
                findings.roles = api_key::actor(&key).1;
                if !api_key::opens(&key, reader.tenant) {
                    findings.problems.push("it does not open this tenant".to_owned());
                }
            }
            Err(error @ (Error::Internal(_) | Error::TryAgain)) => return Err(error),
            Err(error) => findings.problems.push(error.to_string()),
        }
        Ok(findings)
    }

    async fn signer(&self, token: &Unverified<'_>) -> Result<Arc<Issuer>> {
        let algorithm = token.algorithm()?;
        for issuer in self.issuers.iter() {
            if issuer.has_signed(token, algorithm).await {
                return Ok(issuer.clone());
            }
        }
        Err(invalid("no accepted issuer has signed it"))
    }
}
