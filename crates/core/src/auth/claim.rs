//! Identities that are only claimed: the one place where a caller's word is taken. Only a mount whose operator chose that
//! gets here, the person must exist, and must hold the role by our own records.

use std::sync::Arc;

use parlor_store::{Error as StoreError, Identity, Roles, TenantId, User, What};

use super::{Auth, Context, records::enabled};
use crate::{
    Error, Result,
    caller::{Actor, Principal, Proof},
    field,
};

/// Identities have at most so many characters.
const MAX_SUBJECT_CHARS: usize = 200;

impl Auth {
    /// Whom a claim names, in the role it claims.
    pub(super) async fn claimed(
        &self,
        subject: &str,
        role: Roles,
        context: &Context,
    ) -> Result<Arc<Principal>> {
        if !context.claims {
            return Err(Error::CredentialMissing);
        }
        let slug = field::given("mount.tenant", context.tenant.as_deref())?;
        field::storable("claim.subject", subject)?;
        context.issuers.iter().try_for_each(|name| field::storable("mount.issuers", name))?;
        if subject.is_empty() || subject.chars().count() > MAX_SUBJECT_CHARS {
            return Err(Error::NotFound(What::User));
        }
        let (tenant, tenant_slug) = self.records.tenant(slug).await?;
        let (user, issuer) = self.claimed_user(tenant, subject, context).await?;
        let user = enabled(user)?;
        let roles = allowed(&user, role)?;
        // Issued now: what is withdrawn later concerns it, and what was withdrawn before does not.
        let issued_at = self.clock.now();
        let proof = Proof { issuer, subject: subject.to_owned(), issued_at, held: true, ..Proof::default() };
        let actor = Actor::User(Arc::new(user));
        Ok(Arc::new(Principal { tenant, tenant_slug, actor, roles, proof, rights_until: None }))
    }

    /// By the mount's issuers, in their order, or else by number. Answers the issuer too, empty for a number.
    async fn claimed_user(
        &self,
        tenant: TenantId,
        subject: &str,
        context: &Context,
    ) -> Result<(User, String)> {
        let trusted = self.issuers.iter().map(|issuer| issuer.options());
        let accepted = trusted.filter(|issuer| context.accepts(&issuer.name, &issuer.tenant));
        let mut names: Vec<String> = accepted.map(|issuer| issuer.name.clone()).collect();
        // A seed may know people by an issuer that signs nothing here.
        names
            .extend(context.issuers.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
        for issuer in names {
            let identity = Identity { issuer, subject: subject.to_owned() };
            match self.records.store.directory.user_by_identity(tenant, &identity).await {
                Ok(user) => return Ok((user, identity.issuer)),
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let digits = subject.bytes().all(|byte| byte.is_ascii_digit());
        let number = subject.parse().ok().filter(|_| digits).ok_or(Error::NotFound(What::User))?;
        Ok((self.records.store.directory.user_by_number(tenant, number).await?, String::new()))
    }
}

/// The rights that a user has in a role, if they hold it.
fn allowed(user: &User, role: Roles) -> Result<Roles> {
    let of_staff = user.roles.and(Roles::STAFF.with(Roles::ADMIN));
    match role {
        Roles::CUSTOMER => Ok(Roles::CUSTOMER),
        Roles::STAFF if !of_staff.is_empty() => Ok(of_staff),
        Roles::ADMIN if user.roles.contains(Roles::ADMIN) => Ok(of_staff),
        Roles::PROVIDER if user.roles.contains(Roles::PROVIDER) => Ok(Roles::PROVIDER),
        Roles::STAFF => Err(Error::RoleRequired("staff")),
        Roles::ADMIN => Err(Error::RoleRequired("admin")),
        Roles::PROVIDER => Err(Error::RoleRequired("provider")),
        _ => Err(Error::field("claim.role", "must be one role")),
    }
}
