//! Looking at a credential without using it: nobody is provisioned and nothing is kept.

use parlor_store::Roles;
use serde_json::Value;

use super::{
    Auth, Context,
    access::OWN_LEEWAY_MS,
    api_key,
    issuer::{Issuer, Verified},
    jwt::{Unverified, invalid},
    provision,
    records::{enabled, recorded},
    session_cookie::{self, Sealed},
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
    /// The one name that no other token has.
    pub token_id: String,
    pub expires_at: Option<i64>,
    /// Others may have been made with it, that live longer.
    pub is_admins: bool,
}

impl Auth {
    /// Says what a credential is and what is wrong with it, for somebody in the tenant.
    pub async fn inspect(&self, text: &str, reader: &Principal) -> Result<Findings> {
        let (now, findings) = (self.clock.now(), Findings::default());
        let mut look = Look { auth: self, reader, now, findings, dates: Vec::new() };
        match look.at(text).await {
            Ok(()) => {}
            Err(error @ (Error::Internal(_) | Error::TryAgain)) => return Err(error),
            Err(error) => {
                look.findings.problems.push(error.to_string());
                look.findings.problems.append(&mut look.dates);
            }
        }
        Ok(look.findings)
    }

    /// Finds out which token this is, if its signature is good. It may be over.
    pub async fn withdrawable(&self, text: &str) -> Result<Withdrawable> {
        if let Some(sealed) = Sealed::parse(text) {
            let (issuer, token) = self.issuers.opener(&sealed?)?;
            let is_admins = issuer.granted(&token).contains(Roles::ADMIN);
            let expires_at = token.moment("exp")?.map(|at| at.saturating_add(session_cookie::LEEWAY_MS));
            let (tenant, token_id) = (issuer.options().tenant.clone(), issuer.name_of(&token));
            return Ok(Withdrawable { tenant, token_id, expires_at, is_admins });
        }
        let token = Unverified::parse(text)?;
        let expires_at = token.moment("exp")?;
        // A moment at which every token with an end is good: only the signature matters here.
        let early = expires_at.unwrap_or_default().saturating_sub(1);
        if self.access.claims_to_be_ours(&token) {
            let (grant, _) = self.access.verify(&token, i64::MAX / 2, early)?;
            let is_admins = grant.roles.contains(Roles::ADMIN);
            return Ok(Withdrawable { tenant: grant.tenant, token_id: grant.made.id, expires_at, is_admins });
        }
        let issuer = self.issuers.signer(&token).await?;
        let token_id = issuer.name_of(&token);
        let is_admins = issuer.granted(&token).contains(Roles::ADMIN);
        // Rights last for the leeway after `exp`, so the withdrawal has to be remembered for it too.
        let expires_at = expires_at.map(|at| at.saturating_add(issuer.leeway_ms()));
        Ok(Withdrawable { tenant: issuer.options().tenant.clone(), token_id, expires_at, is_admins })
    }
}

/// What a token says, whoever has made it.
fn said(token: &Unverified<'_>) -> Findings {
    Findings {
        issuer: token.text("iss").unwrap_or_default().to_owned(),
        subject: token.text("sub").unwrap_or_default().to_owned(),
        expires_at: token.moment("exp").ok().flatten(),
        header_json: Value::Object(token.header.clone()).to_string(),
        claims_json: Value::Object(token.claims.clone()).to_string(),
        ..Findings::default()
    }
}

/// One look: what is found is filled in, and the error says why it would be refused.
struct Look<'a> {
    auth: &'a Auth,
    reader: &'a Principal,
    now: i64,
    findings: Findings,
    /// How far its times are from ours, told if it is refused.
    dates: Vec<String>,
}

impl Look<'_> {
    async fn at(&mut self, text: &str) -> Result<()> {
        if text.starts_with(api_key::MARK) {
            return self.at_key(text).await;
        }
        if let Some(sealed) = Sealed::parse(text) {
            let (issuer, token) = self.auth.issuers.opener(&sealed?)?;
            // Nobody could read it before, so it is shown only where it is at home.
            if *issuer.options().tenant != *self.reader.tenant_slug {
                return Err(invalid("it is of another tenant"));
            }
            self.findings = said(&token);
            self.dated(&token);
            return self.of_issuer(issuer, issuer.read_session(&token, self.now)).await;
        }
        let token = Unverified::parse(text)?;
        self.findings = said(&token);
        self.dated(&token);
        if self.auth.access.claims_to_be_ours(&token) {
            self.at_own(&token).await
        } else {
            self.at_outside(&token).await
        }
    }

    /// Notes how far its times are from ours.
    fn dated(&mut self, token: &Unverified<'_>) {
        let moment = |claim| token.moment(claim).ok().flatten();
        if let Some(ago) = moment("exp").map(|at| self.now.saturating_sub(at)).filter(|ago| *ago >= 0) {
            self.dates.push(format!("its exp was {} s ago", ago / 1000));
        }
        for claim in ["iat", "nbf"] {
            let ahead = moment(claim).map(|at| at.saturating_sub(self.now)).filter(|ahead| *ahead > 0);
            if let Some(ahead) = ahead.filter(|ahead| *ahead > OWN_LEEWAY_MS) {
                self.dates.push(format!(
                    "its {claim} lies {} s ahead: the clock of whoever made it and this one differ",
                    // Never told shorter than it is.
                    ahead.saturating_add(999) / 1000
                ));
            }
        }
    }

    async fn at_own(&mut self, token: &Unverified<'_>) -> Result<()> {
        self.findings.kind = Kind::Access;
        let (grant, times) = self.auth.access.verify(token, OWN_LEEWAY_MS, self.now)?;
        self.findings.roles = grant.roles;
        if *grant.tenant != *self.reader.tenant_slug {
            return Err(invalid("it is of another tenant"));
        }
        let principal = self.auth.own_token(token, &Context::default(), self.now).await?;
        self.findings.roles = principal.roles;
        self.findings.expires_at = Some(times.expires_at);
        if self.auth.standing.is_withdrawn(&principal) { Err(Error::CredentialRevoked) } else { Ok(()) }
    }

    async fn at_outside(&mut self, token: &Unverified<'_>) -> Result<()> {
        let issuer = self.auth.issuers.signer(token).await?;
        self.of_issuer(issuer, issuer.read(token, self.now)).await
    }

    async fn of_issuer(&mut self, issuer: &Issuer, verified: Result<Verified>) -> Result<()> {
        let (auth, tenant) = (self.auth, self.reader.tenant);
        self.findings.kind = Kind::Issuer;
        self.findings.issuer.clone_from(&issuer.options().name);
        let verified = verified?;
        self.findings.subject.clone_from(&verified.subject);
        self.findings.roles = verified.roles;
        if *issuer.options().tenant != *self.reader.tenant_slug {
            return Err(invalid("it is of another tenant"));
        }
        let user = provision::known(&auth.records.store, tenant, issuer, &verified.subject).await?;
        let user = user.map(enabled).transpose()?;
        if issuer.options().roles_of_records {
            self.findings.roles = user.as_ref().map_or(Roles::CUSTOMER, recorded);
        }
        let (user, issued_at) = (user.map(|user| user.id), verified.times.issued_at);
        let withdrawn = auth.standing.revocations.name(tenant, &verified.names, user, issued_at);
        if withdrawn { Err(Error::CredentialRevoked) } else { Ok(()) }
    }

    async fn at_key(&mut self, secret: &str) -> Result<()> {
        self.findings.kind = Kind::ApiKey;
        let key = self.auth.records.key_of(secret).await?;
        self.findings.subject = key.id.to_string();
        self.findings.roles = api_key::actor(&key).1;
        if !api_key::opens(&key, self.reader.tenant) {
            self.findings.problems.push("it does not open this tenant".to_owned());
        }
        Ok(())
    }
}
