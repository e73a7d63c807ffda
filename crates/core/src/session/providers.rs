//! Who can be asked: the directory of providers, and what they choose.

use parlor_store::{Mutation, Provider, UserId};

use super::{Sessions, decode::Named, person};
use crate::{
    Result,
    caller::{Caller, Principal},
    field,
};

impl Sessions {
    /// The provider that a caller named.
    pub(super) async fn named_provider(&self, principal: &Principal, named: Named) -> Result<UserId> {
        match named {
            Named::Id(id) => Ok(id),
            Named::CatalogueId(id) => {
                Ok(self.store.sessions.provider_by_catalogue_id(principal.tenant, &id).await?)
            }
        }
    }

    /// One provider, for anybody of the tenant.
    pub(super) async fn provider(&self, principal: &Principal, named: Named) -> Result<Provider> {
        let id = self.named_provider(principal, named).await?;
        Ok(self.store.sessions.provider(principal.tenant, id).await?)
    }

    /// What says whether a provider can be asked from now on.
    pub(super) fn accepting(&self, caller: &Caller, whom: &str, accepts: bool) -> Result<Mutation<Provider>> {
        let principal = caller.principal()?;
        let user = match field::some_id("user_id", whom, UserId::parse)? {
            Some(other) if principal.user_id() != Some(other) => {
                caller.admin()?;
                other
            }
            Some(_) | None => person(principal)?,
        };
        Ok(Mutation::accept_requests(principal.tenant, user, accepts, self.clock.now()))
    }
}
