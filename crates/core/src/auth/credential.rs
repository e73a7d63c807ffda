//! A credential as it was shown, and what the mount where it was shown says of the credentials it takes.

use parlor_store::Roles;

use super::issuer::shape_of;
use crate::caller::Principal;

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

impl Context {
    /// True if a token of the issuer for the tenant may be used here.
    #[must_use]
    pub fn accepts(&self, issuer: &str, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant)
            && (self.issuers.is_empty() || self.issuers.iter().any(|accepted| accepted == shape_of(issuer)))
    }

    /// True if what a principal was proven by may be used here.
    pub(super) fn admits(&self, principal: &Principal) -> bool {
        self.accepts(&principal.proof.issuer, &principal.tenant_slug)
    }

    /// True if the principal is of the mount's tenant.
    pub(super) fn admits_tenant(&self, principal: &Principal) -> bool {
        self.tenant.as_deref().is_none_or(|own| *own == *principal.tenant_slug)
    }
}
