//! Making tokens: Parlor's own, or in the shape of an issuer whose front-end reads its tokens itself.

use std::{sync::Arc, time::Duration};

use parlor_api::hex_id;
use parlor_store::{Identity, Numbered, Roles, User, UserId, UserUpsert};

use super::{MAX_MINTED_TTL, Tokens, grantable, holdable};
use crate::{
    Error, Result,
    auth::{access::Grant, claims::Profile, issuer::Issuer, provenance::Provenance},
    caller::Principal,
    wire::unsigned,
};

const DEFAULT_TTL: Duration = Duration::from_secs(3600);

/// A token that was made.
#[derive(Clone, Debug)]
pub(super) struct Minted {
    pub token: String,
    /// Empty where the shape has none.
    pub token_id: String,
    pub expires_at: i64,
    pub subject: String,
}

impl Tokens {
    /// A token for a user without their proof, of these roles or all that they have.
    pub(super) async fn mint(
        &self,
        admin: &Principal,
        id: UserId,
        asked: Roles,
        issuer: &str,
        lifetime: Option<Duration>,
    ) -> Result<Minted> {
        // What is withdrawn from now on is younger than the token.
        let begun = self.clock.now();
        let user = self.store.directory.user(admin.tenant, id).await?;
        if user.disabled {
            return Err(Error::field("user_id", "must not be of somebody who is disabled"));
        }
        let granted = if asked.is_empty() { user.roles } else { asked };
        if !holdable(&user).contains(granted) {
            return Err(Error::field("roles", "must be roles that the user has"));
        }
        if !grantable(admin).contains(granted) {
            return Err(Error::RoleRequired("admin"));
        }
        let issuer = self.shape(&admin.tenant_slug, issuer, &[])?;
        let ttl = ttl(lifetime, issuer.as_deref(), MAX_MINTED_TTL)?;
        let expires_at = begun.saturating_add(ttl);
        let made = Provenance::after(admin, begun, true);
        match &issuer {
            Some(issuer) => self.in_shape(issuer, &user, granted, &made, expires_at).await,
            None => {
                let (tenant, subject) = (admin.tenant_slug.to_string(), user.id.to_string());
                Ok(self.own(Grant { tenant, subject, roles: granted, origin: None, made }, expires_at))
            }
        }
    }

    /// A token of Parlor's own.
    pub(super) fn own(&self, grant: Grant, expires_at: i64) -> Minted {
        let token = self.auth.mint(&grant, expires_at);
        Minted {
            token,
            token_id: grant.made.id,
            expires_at: whole_seconds(expires_at),
            subject: grant.subject,
        }
    }

    /// A token in the shape of an issuer, for a person it may never have heard of.
    pub(super) async fn in_shape(
        &self,
        issuer: &Arc<Issuer>,
        user: &User,
        roles: Roles,
        made: &Provenance,
        expires_at: i64,
    ) -> Result<Minted> {
        let (issuer, subject) = match self.called(issuer, user) {
            Called::Already(issuer, subject) => (issuer, subject),
            Called::From(issuer, identity) => {
                let subject = identity.subject.clone();
                let known_as =
                    UserUpsert { id: Some(user.id), identities: vec![identity], ..UserUpsert::default() };
                self.store.directory.upsert_user(user.tenant, known_as, self.clock.now()).await?;
                self.auth.standing().forget_user(user.tenant, user.id);
                (issuer, subject)
            }
        };
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let profile = Profile {
            subject: Some(subject.clone()),
            username: user.username.clone(),
            name: given(&user.display_name),
            email: given(&user.email),
            roles: issuer.options().roles.names(roles),
        };
        let token = issuer.mint(&profile, made, expires_at)?;
        Ok(Minted { token, token_id: String::new(), expires_at: whole_seconds(expires_at), subject })
    }

    /// What an issuer calls somebody, and who signs for it: the issuer if the id is its own, and otherwise whoever does for
    /// those who have it from Parlor.
    fn called<'i>(&'i self, shape: &'i Arc<Issuer>, user: &User) -> Called<'i> {
        let here = self.auth.issuers().given_here(shape);
        let given = match numbered(shape, here) {
            Some(numbered) => numbered.identity(user.number),
            None => Identity {
                issuer: here.options().name.clone(),
                subject: hex_id::encode(hex_id::Kind::User, unsigned(user.number)),
            },
        };
        let known = |issuer: &Issuer, but: Option<&str>| {
            let name = &issuer.options().name;
            let mut called = user.identities.iter().filter(|known| known.issuer == *name);
            called.find(|known| Some(known.subject.as_str()) != but).map(|known| known.subject.clone())
        };
        // From before there was a secret for them, an id that was given here may stand as the issuer's.
        let given_before = (!Arc::ptr_eq(here, shape)).then_some(given.subject.as_str());
        if let Some(subject) = known(shape, given_before) {
            Called::Already(shape, subject)
        } else if let Some(subject) = known(here, None) {
            Called::Already(here, subject)
        } else {
            Called::From(here, given)
        }
    }

    /// The issuer whose shape was asked for; `None` for Parlor's own.
    pub(super) fn shape(
        &self,
        tenant_slug: &str,
        name: &str,
        accepted: &[String],
    ) -> Result<Option<Arc<Issuer>>> {
        if name.is_empty() {
            return Ok(None);
        }
        let issuer = self.auth.issuers().named(name);
        let issuer = issuer.filter(|issuer| *issuer.options().tenant == *tenant_slug);
        let issuer = issuer.filter(|_| accepted.is_empty() || accepted.iter().any(|other| other == name));
        match issuer {
            None => Err(Error::field("issuer", "must be an issuer of the tenant")),
            Some(issuer) if !issuer.options().mint => {
                Err(Error::SwitchedOff("minting in the shape of this issuer"))
            }
            Some(issuer) => Ok(Some(issuer.clone())),
        }
    }
}

/// Who signs for somebody, and as whom.
enum Called<'i> {
    Already(&'i Arc<Issuer>, String),
    /// From now on.
    From(&'i Arc<Issuer>, Identity),
}

/// How people are called by their number in an issuer's shape, if they are.
pub(super) fn numbered(shape: &Issuer, here: &Issuer) -> Option<Numbered> {
    let (name, beside) = (here.options().name.clone(), shape.options().name.clone());
    shape.options().mint_numbers.map(|from| Numbered { issuer: name, beside, from })
}

/// The lifetime, in milliseconds: what was asked for, or the default of the shape.
pub(super) fn ttl(asked: Option<Duration>, shape: Option<&Issuer>, most: Duration) -> Result<i64> {
    let ttl = match asked {
        Some(asked) if asked < Duration::from_secs(1) || asked > most => {
            return Err(Error::field("ttl", format!("must be 1 to {} seconds", most.as_secs())));
        }
        Some(asked) => asked,
        None => shape.map_or(DEFAULT_TTL, |issuer| issuer.options().mint_ttl).min(most),
    };
    Ok(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

/// What the token itself says.
fn whole_seconds(at_ms: i64) -> i64 {
    at_ms.div_euclid(1000) * 1000
}
