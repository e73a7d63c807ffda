//! API keys: an admin makes them for the own tenant, an operator for any.

use parlor_api::v1;
use parlor_store::{ApiKey, ApiKeyId, Mutation, TenantId, What};

use super::{Directory, MAX_NAME_CHARS, PAGE, convert, decode, probe, scope, slug};
use crate::{
    Error, Result,
    auth::api_key,
    caller::{Caller, Principal},
    field::{self, text},
    request,
};

/// A key for more than this is a key for all.
const MAX_TENANTS: usize = 100;

impl Directory {
    pub(super) async fn create_api_key(
        &self,
        caller: &Caller,
        request: v1::CreateApiKeyRequest,
    ) -> Result<v1::CreateApiKeyResponse> {
        let admin = admin_anywhere(caller)?;
        let wanted = field::given("api_key", request.api_key.clone())?;
        text("api_key.display_name", &wanted.display_name, 0, MAX_NAME_CHARS)?;
        let kind = decode::key_kind(wanted.kind)?;
        let (tenants, slugs) = self.opened_by(caller, &wanted).await?;
        let secret = api_key::generate();
        let row = ApiKey {
            id: ApiKeyId::new(),
            display_name: wanted.display_name,
            kind,
            tenants,
            all_tenants: wanted.all_tenants,
            prefix: api_key::prefix(&secret),
            created_at: self.clock.now(),
            revoked_at: None,
        };
        let key = self.requests.key(admin, "CreateApiKey", &request.request_id, &request)?;
        let respond = move |row: &ApiKey| v1::CreateApiKeyResponse {
            api_key: Some(convert::api_key(row, slugs.clone())),
            // Recorded answers hold no secret.
            secret: String::new(),
        };
        let id = row.id.to_string();
        let mutation = Mutation::create_api_key(row, api_key::hash(&secret));
        let mut response = request::apply(&self.store, key, mutation, respond).await?.response;
        if response.api_key.as_ref().is_some_and(|made| made.id == id) {
            response.secret = secret;
        }
        Ok(response)
    }

    pub(super) async fn list_api_keys(
        &self,
        caller: &Caller,
        request: &v1::ListApiKeysRequest,
    ) -> Result<v1::ListApiKeysResponse> {
        let admin = admin_anywhere(caller)?;
        let size = PAGE.of(request.page_size)?;
        let scope = scope("ListApiKeys", slug(admin), "");
        let after: Option<String> = self.pages.open(&scope, &request.page_token)?;
        let after = after.map(|id| ApiKeyId::parse(&id).ok_or(Error::PageToken)).transpose()?;
        let tenant = Some(admin.tenant).filter(|tenant| *tenant != Principal::NO_TENANT);
        let rows = self.store.tokens.list_api_keys(tenant, after, probe(size)).await?;
        let more = rows.len() > size;
        let page = &rows[..rows.len().min(size)];
        let last = page.last().filter(|_| more).map(|row| row.id.to_string());
        let mut api_keys = Vec::with_capacity(page.len());
        for row in page {
            api_keys.push(convert::api_key(row, self.slugs(admin, row).await?));
        }
        let next_page_token = last.map(|at| self.pages.seal(&scope, &at)).unwrap_or_default();
        Ok(v1::ListApiKeysResponse { api_keys, next_page_token })
    }

    pub(super) async fn revoke_api_key(&self, caller: &Caller, id: &str) -> Result<v1::RevokeApiKeyResponse> {
        let admin = admin_anywhere(caller)?;
        let id = field::id("id", id, ApiKeyId::parse)?;
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
        let revoked = self.auth.standing().revoke_key(id).await?;
        let slugs = self.slugs(admin, &revoked).await?;
        Ok(v1::RevokeApiKeyResponse { api_key: Some(convert::api_key(&revoked, slugs)) })
    }

    /// The tenants a new key opens: the caller's own, unless an operator names others.
    async fn opened_by(&self, caller: &Caller, wanted: &v1::ApiKey) -> Result<(Vec<TenantId>, Vec<String>)> {
        if wanted.all_tenants {
            caller.operator()?;
            if !wanted.tenants.is_empty() {
                return Err(Error::field("api_key.tenants", "must be empty for a key of all tenants"));
            }
            return Ok((Vec::new(), Vec::new()));
        }
        if wanted.tenants.len() > MAX_TENANTS {
            return Err(Error::field("api_key.tenants", format!("must be at most {MAX_TENANTS}")));
        }
        if wanted.tenants.is_empty() {
            let principal = caller.principal()?;
            return Ok((vec![principal.tenant], vec![principal.tenant_slug.to_string()]));
        }
        let mut slugs = wanted.tenants.clone();
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
    async fn slugs(&self, reader: &Principal, key: &ApiKey) -> Result<Vec<String>> {
        let mut slugs = Vec::with_capacity(key.tenants.len());
        for tenant in &key.tenants {
            if *tenant == reader.tenant {
                slugs.push(reader.tenant_slug.to_string());
            } else if matches!(reader.actor, crate::caller::Actor::Operator) {
                slugs.push(self.store.directory.tenant_by_id(*tenant).await?.slug);
            }
        }
        Ok(slugs)
    }
}

/// An admin in a tenant, or an operator who need not name one.
fn admin_anywhere(caller: &Caller) -> Result<&std::sync::Arc<Principal>> {
    caller.operator().or_else(|_| caller.admin())
}
