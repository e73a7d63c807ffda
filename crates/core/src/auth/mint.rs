//! Minting: tokens of Parlor's own, the public keys they are checked with, and how long what was traded for may live.

use super::{Auth, OWN_LEEWAY_MS, access::Grant, issuer::Issuers};
use crate::caller::Principal;

impl Auth {
    /// Signs an access token of Parlor's own.
    #[must_use]
    pub fn mint(&self, grant: &Grant, expires_at: i64) -> String {
        self.access.mint(grant, self.clock.now(), expires_at)
    }

    /// The public keys, as a JSON Web Key Set.
    #[must_use]
    pub fn jwks_json(&self) -> &str {
        self.access.jwks_json()
    }

    /// The configured issuers.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// When the proof itself ends, without leeway: nothing traded for it may live longer.
    #[must_use]
    pub fn proof_ends(&self, principal: &Principal) -> Option<i64> {
        let issuer = self.issuers.named(&principal.proof.issuer);
        let leeway_ms = issuer.map_or(0, |issuer| issuer.leeway_ms()).max(OWN_LEEWAY_MS);
        principal.rights_until.map(|until| until.saturating_sub(leeway_ms))
    }
}
