//! Tenants: seen by those who belong to them. Operators alone make and change them.

use parlor_store::{Tenant, TenantId, What};

use super::Directory;
use crate::{
    Error, Result,
    caller::{Actor, Principal},
    field,
};

impl Directory {
    pub(super) async fn tenant(&self, principal: &Principal, slug: &str) -> Result<Tenant> {
        field::storable("slug", slug)?;
        let tenant = self.store.directory.tenant(slug).await?;
        match self.visible(principal).await? {
            Some(ids) if !ids.contains(&tenant.id) => Err(Error::NotFound(What::Tenant)),
            Some(_) | None => Ok(tenant),
        }
    }

    /// Tenants by slug, above a slug.
    pub(super) async fn tenants(
        &self,
        principal: &Principal,
        after: &str,
        limit: u64,
    ) -> Result<Vec<Tenant>> {
        let Some(ids) = self.visible(principal).await? else {
            return Ok(self.store.directory.list_tenants(after, limit).await?);
        };
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.push(self.store.directory.tenant_by_id(id).await?);
        }
        rows.retain(|row| *row.slug > *after);
        rows.sort_by(|one, other| one.slug.cmp(&other.slug));
        Ok(rows)
    }

    /// The tenants a principal belongs to; `None` for all.
    async fn visible(&self, principal: &Principal) -> Result<Option<Vec<TenantId>>> {
        match &principal.actor {
            Actor::Operator => Ok(None),
            Actor::Key(id) => {
                let key = self.store.tokens.api_key(*id).await?;
                if key.all_tenants { Ok(None) } else { Ok(Some(key.tenants)) }
            }
            Actor::Guest | Actor::User(_) if principal.tenant == Principal::NO_TENANT => Ok(Some(Vec::new())),
            Actor::Guest | Actor::User(_) => Ok(Some(vec![principal.tenant])),
        }
    }
}
