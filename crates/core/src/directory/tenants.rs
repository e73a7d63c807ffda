//! Tenants: made and changed by operators, seen by those who belong to them.

use parlor_api::v1;
use parlor_store::{Mutation, Tenant, TenantId, What};

use super::{Directory, PAGE, convert, decode, probe, scope, slug};
use crate::{
    Error, Result,
    caller::{Actor, Caller, Principal},
    field, request,
};

impl Directory {
    pub(super) async fn create_tenant(
        &self,
        caller: &Caller,
        request: v1::CreateTenantRequest,
    ) -> Result<v1::CreateTenantResponse> {
        let operator = caller.operator()?;
        let wanted = field::given("tenant", request.tenant.clone())?;
        let tenant = decode::tenant(&wanted, self.clock.now())?;
        let key = self.requests.key(operator, "CreateTenant", &request.request_id, &request)?;
        let respond = |row: &Tenant| v1::CreateTenantResponse { tenant: Some(convert::tenant(row)) };
        Ok(request::apply(&self.store, key, Mutation::create_tenant(tenant), respond).await?.response)
    }

    pub(super) async fn get_tenant(&self, caller: &Caller, slug: &str) -> Result<Tenant> {
        let principal = caller.anywhere()?;
        let tenant = self.store.directory.tenant(slug).await?;
        if self.may_see(principal, tenant.id).await? {
            Ok(tenant)
        } else {
            Err(Error::NotFound(What::Tenant))
        }
    }

    pub(super) async fn list_tenants(
        &self,
        caller: &Caller,
        request: &v1::ListTenantsRequest,
    ) -> Result<v1::ListTenantsResponse> {
        let principal = caller.anywhere()?;
        let size = PAGE.of(request.page_size)?;
        let scope = scope("ListTenants", slug(principal), "");
        let after: String = self.pages.open(&scope, &request.page_token)?.unwrap_or_default();
        let rows = match self.visible(principal).await? {
            None => self.store.directory.list_tenants(&after, probe(size)).await?,
            Some(ids) => {
                let mut rows = Vec::with_capacity(ids.len());
                for id in ids {
                    rows.push(self.store.directory.tenant_by_id(id).await?);
                }
                rows.sort_by(|one, other| one.slug.cmp(&other.slug));
                rows.into_iter().filter(|row| row.slug > after).collect()
            }
        };
        let more = rows.len() > size;
        let page = &rows[..rows.len().min(size)];
        let last = page.last().filter(|_| more);
        Ok(v1::ListTenantsResponse {
            tenants: page.iter().map(convert::tenant).collect(),
            next_page_token: last.map(|row| self.pages.seal(&scope, &row.slug)).unwrap_or_default(),
        })
    }

    pub(super) async fn update_tenant(
        &self,
        caller: &Caller,
        request: v1::UpdateTenantRequest,
    ) -> Result<v1::UpdateTenantResponse> {
        let operator = caller.operator()?;
        let wanted = field::given("tenant", request.tenant.clone())?;
        let stored = self.store.directory.tenant(&wanted.slug).await?;
        let paths = request.update_mask.clone().unwrap_or_default().paths;
        let tenant = decode::patched(stored, &wanted, &paths)?;
        let key = self.requests.key(operator, "UpdateTenant", &request.request_id, &request)?;
        let respond = |row: &Tenant| v1::UpdateTenantResponse { tenant: Some(convert::tenant(row)) };
        Ok(request::apply(&self.store, key, Mutation::update_tenant(tenant), respond).await?.response)
    }

    async fn may_see(&self, principal: &Principal, tenant: TenantId) -> Result<bool> {
        Ok(self.visible(principal).await?.is_none_or(|ids| ids.contains(&tenant)))
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
