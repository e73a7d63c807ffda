//! All configured issuers, in the order of the configuration: who of them signed, or opens, what is shown.

use std::sync::Arc;

use super::{
    issuer::{GIVEN_HERE, Issuer, IssuerOptions, Signed, shape_of},
    jwt::{Unverified, invalid},
    session_cookie::Sealed,
};
use crate::{Error, Result, clock::Clock};

/// All configured issuers, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Vec<Arc<Issuer>>);

impl Issuers {
    /// Readies all; two with one name are refused.
    pub fn new(options: Vec<IssuerOptions>, clock: &Clock) -> Result<Self, String> {
        let mut issuers: Vec<Arc<Issuer>> = Vec::with_capacity(options.len());
        for option in options {
            if issuers.iter().any(|issuer| issuer.options().name == option.name) {
                return Err(format!("issuer {}: there are two of this name", option.name));
            }
            if shape_of(&option.name) != option.name {
                return Err(format!("issuer {:?}: the name is not free", option.name));
            }
            let given_here = option.given_here()?;
            issuers.push(Arc::new(Issuer::new(option, clock)?));
            if let Some(given_here) = given_here {
                issuers.push(Arc::new(Issuer::new(given_here, clock)?));
            }
        }
        Ok(Self(issuers))
    }

    /// The issuer with a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.0.iter().find(|issuer| issuer.options().name == name)
    }

    /// Who signs for those who have their id in an issuer's shape from Parlor: the issuer itself if there is no secret for
    /// them.
    #[must_use]
    pub fn given_here<'i>(&'i self, shape: &'i Arc<Issuer>) -> &'i Arc<Issuer> {
        let name = shape.options().name.as_str();
        self.0
            .iter()
            .find(|issuer| issuer.options().name.strip_prefix(GIVEN_HERE) == Some(name))
            .unwrap_or(shape)
    }

    /// The first that has signed a token.
    pub(super) async fn signer(&self, token: &Unverified<'_>) -> Result<&Issuer> {
        let algorithm = token.algorithm()?;
        let mut unknown = None;
        for issuer in &self.0 {
            match issuer.has_signed(token, algorithm).await {
                Signed::Yes => return Ok(issuer),
                Signed::No => {}
                Signed::Unknown { retry_after_ms } => unknown = Some(retry_after_ms),
            }
        }
        Err(nobodys(unknown))
    }

    /// The first that opens a session cookie, and what it says.
    pub(super) fn opener<'c>(&self, sealed: &Sealed<'c>) -> Result<(&Issuer, Unverified<'c>)> {
        let mut opened = self.0.iter().filter_map(|issuer| Some((&**issuer, issuer.opens(sealed)?)));
        opened.next().ok_or_else(|| nobodys(None))
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.0.iter()
    }
}

/// Why a token is refused that none is known to have signed. While somebody's keys are away, it may be theirs.
pub(super) fn nobodys(keys_away_for_ms: Option<u64>) -> Error {
    match keys_away_for_ms {
        Some(retry_after_ms) => Error::KeysAway { retry_after_ms },
        None => invalid("no accepted issuer has signed it"),
    }
}
