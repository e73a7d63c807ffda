//! API keys: an admin makes them for the own tenant, an operator for any.

use std::sync::Arc;

use parlor_store::{ApiKey, ApiKeyId, TenantId, What};

use super::{Directory, decode::NewKey};
use crate::{
    Error, Result,
    auth::{api_key, revocation::key_of},
    caller::{Actor, Caller, Principal},
};

impl Directory {
    /// The key to create, and the slugs of the tenants that it opens.
    pub(super) async fn new_key(
        &self,
        caller: &Caller,
        wanted: NewKey,
        secret: &str,
    ) -> Result<(ApiKey, Vec<String>)> {
        let NewKey { display_name, kind, tenants, all_tenants } = wanted;
        let (tenants, slugs) = self.opened_by(caller, tenants, all_tenants).await?;
        let (prefix, created_at) = (api_key::prefix(secret), self.clock.now());
        let key = ApiKey {
            id: ApiKeyId::new(),
            display_name,
            kind,
            tenants,
            all_tenants,
            prefix,
            created_at,
            revoked_at: None,
            made_by: key_of(caller.anywhere()?),
        };
        Ok((key, slugs))
    }

    pub(super) async fn revoke_key(
        &self,
        caller: &Caller,
        admin: &Principal,
        id: ApiKeyId,
    ) -> Result<ApiKey> {
        let key = self.store.tokens.api_key(id).await?;
        if caller.operator().is_err() {
            if !api_key::opens(&key, admin.tenant) {
                return Err(Error::NotFound(What::ApiKey));
            }
            // It is seen in the list, but others need it too.
            if key.all_tenants || key.tenants.len() > 1 {
                return Err(Error::NotOwner);
            }
        }
        self.auth.standing().revoke_key(id).await
    }

    /// The tenants a new key opens: the caller's own, unless an operator names others.
    async fn opened_by(
        &self,
        caller: &Caller,
        mut slugs: Vec<String>,
        all_tenants: bool,
    ) -> Result<(Vec<TenantId>, Vec<String>)> {
        if all_tenants {
            caller.operator()?;
            if !slugs.is_empty() {
                return Err(Error::field("api_key.tenants", "must be empty for a key of all tenants"));
            }
            return Ok((Vec::new(), Vec::new()));
        }
        if slugs.is_empty() {
            let principal = caller.principal()?;
            return Ok((vec![principal.tenant], vec![principal.tenant_slug.to_string()]));
        }
        slugs.sort_unstable();
        slugs.dedup();
        let own = &*caller.anywhere()?.tenant_slug;
        if caller.operator().is_err() && slugs.iter().any(|slug| slug != own) {
            return Err(Error::NotFound(What::Tenant));
        }
        let mut tenants = Vec::with_capacity(slugs.len());
        for slug in &slugs {
            tenants.push(self.auth.tenant(slug).await?.0);
        }
        Ok((tenants, slugs))
    }

    /// An admin of one tenant does not learn which others a key opens.
    pub(super) async fn slugs(&self, reader: &Principal, key: &ApiKey) -> Result<Vec<String>> {
        let mut slugs = Vec::with_capacity(key.tenants.len());
        for tenant in &key.tenants {
            if *tenant == reader.tenant {
                slugs.push(reader.tenant_slug.to_string());
            } else if matches!(reader.actor, Actor::Operator) {
                slugs.push(self.store.directory.tenant_by_id(*tenant).await?.slug);
            }
        }
        Ok(slugs)
    }
}

/// An admin in a tenant, or an operator who need not name one.
pub(super) fn admin_anywhere(caller: &Caller) -> Result<&Arc<Principal>> {
    caller.operator().or_else(|_| caller.admin())
}
