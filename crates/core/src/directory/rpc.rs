//! DirectoryService on the wire: who may call comes first, then decode, the rule, encode.

use parlor_api::v1::{self, directory_service_server::DirectoryService};
use parlor_store::{ApiKey, ApiKeyId, Error as StoreError, Mutation, Tenant, User, UserId};
use tonic::{Request, Response, Status};

use super::{
    Directory, convert, decode,
    keys::admin_anywhere,
    users::{NewSecret, shown},
};
use crate::{
    Error, Result,
    auth::api_key,
    caller::{Caller, Principal},
    field,
    page::{Pages, Sizes},
    request::{self, Answers, Requests, service, streamed},
    wire::{signed, timestamp},
};

/// As the contract documents it for every list here.
const PAGE: Sizes = Sizes { default: 50, maximum: 1_000 };

/// The service as it is called.
#[derive(Clone)]
pub struct DirectoryRpc {
    directory: Directory,
    requests: Requests,
    pages: Pages,
}

service! {
    DirectoryService for DirectoryRpc {
        fn create_tenant(CreateTenantRequest) -> CreateTenantResponse = answered(Self::create_tenant);
        fn get_tenant(GetTenantRequest) -> GetTenantResponse = answered(Self::get_tenant);
        fn list_tenants(ListTenantsRequest) -> ListTenantsResponse = answered(Self::list_tenants);
        fn update_tenant(UpdateTenantRequest) -> UpdateTenantResponse = answered(Self::update_tenant);
        fn upsert_user(UpsertUserRequest) -> UpsertUserResponse = answered(Self::upsert_user);
        fn get_user(GetUserRequest) -> GetUserResponse = answered(Self::get_user);
        fn list_users(ListUsersRequest) -> ListUsersResponse = answered(Self::list_users);
        fn erase_user(EraseUserRequest) -> EraseUserResponse = answered(Self::erase_user);
        fn create_api_key(CreateApiKeyRequest) -> CreateApiKeyResponse = answered(Self::create_api_key);
        fn list_api_keys(ListApiKeysRequest) -> ListApiKeysResponse = answered(Self::list_api_keys);
        fn revoke_api_key(RevokeApiKeyRequest) -> RevokeApiKeyResponse = answered(Self::revoke_api_key);
    }

    type ExportUserStream = Answers<v1::ExportUserResponse>;

    async fn export_user(
        &self,
        request: Request<v1::ExportUserRequest>,
    ) -> Result<Response<Self::ExportUserStream>, Status> {
        streamed(self, request, async |rpc, caller, request| rpc.directory.export(caller, &request).await).await
    }
}

impl DirectoryRpc {
    /// Over the rules.
    #[must_use]
    pub fn new(directory: Directory, requests: Requests, pages: Pages) -> Self {
        Self { directory, requests, pages }
    }

    async fn create_tenant(
        &self,
        caller: &Caller,
        request: v1::CreateTenantRequest,
    ) -> Result<v1::CreateTenantResponse> {
        let operator = caller.operator()?;
        let wanted = field::given("tenant", request.tenant.as_ref())?;
        let tenant = decode::tenant(wanted, self.directory.clock.now())?;
        let key = self.requests.key(operator, "CreateTenant", &request.request_id, &request)?;
        let respond = |row: &Tenant| v1::CreateTenantResponse { tenant: Some(convert::tenant(row)) };
        let creates = Mutation::create_tenant(tenant);
        Ok(request::apply(&self.directory.store, key, creates, respond).await?.response)
    }

    async fn get_tenant(
        &self,
        caller: &Caller,
        request: v1::GetTenantRequest,
    ) -> Result<v1::GetTenantResponse> {
        let tenant = self.directory.tenant(caller.anywhere()?, &request.slug).await?;
        Ok(v1::GetTenantResponse { tenant: Some(convert::tenant(&tenant)) })
    }

    async fn list_tenants(
        &self,
        caller: &Caller,
        request: v1::ListTenantsRequest,
    ) -> Result<v1::ListTenantsResponse> {
        let principal = caller.anywhere()?;
        let size = PAGE.of("page_size", request.page_size)?;
        let scope = scope("ListTenants", principal, "");
        let after: String = self.pages.open(&scope, &request.page_token)?.unwrap_or_default();
        let mut rows = self.directory.tenants(principal, &after, size + 1).await?;
        let next_page_token = self.pages.cut(&scope, &mut rows, size, |row| row.slug.clone());
        let tenants = rows.iter().map(convert::tenant).collect();
        Ok(v1::ListTenantsResponse { tenants, next_page_token })
    }

    async fn update_tenant(
        &self,
        caller: &Caller,
        request: v1::UpdateTenantRequest,
    ) -> Result<v1::UpdateTenantResponse> {
        let operator = caller.operator()?;
        let wanted = field::given("tenant", request.tenant.as_ref())?;
        field::storable("tenant.slug", &wanted.slug)?;
        let stored = self.directory.store.directory.tenant(&wanted.slug).await?;
        let paths = request.update_mask.as_ref().map_or(&[][..], |mask| &mask.paths);
        let updates = Mutation::update_tenant(decode::patched(stored, wanted, paths)?);
        let key = self.requests.key(operator, "UpdateTenant", &request.request_id, &request)?;
        let respond = |row: &Tenant| v1::UpdateTenantResponse { tenant: Some(convert::tenant(row)) };
        Ok(request::apply(&self.directory.store, key, updates, respond).await?.response)
    }

    async fn upsert_user(
        &self,
        caller: &Caller,
        request: v1::UpsertUserRequest,
    ) -> Result<v1::UpsertUserResponse> {
        let admin = caller.admin()?;
        let wanted = decode::user(field::given("user", request.user.as_ref())?)?;
        let key = self.requests.key(admin, "UpsertUser", &request.request_id, &request)?;
        if let Some(key) = &key
            && let Some(first) = self.directory.store.replay(key).await?
        {
            // Spares a repetition the hashing.
            return request::recorded(&first);
        }
        let secret = NewSecret { password: request.password, hash: request.password_hash };
        let (upserts, takes_rights) = self.directory.upserting(admin.tenant, wanted, secret).await?;
        let respond = |(row, created): &(User, bool)| v1::UpsertUserResponse {
            user: Some(convert::user(row)),
            created: *created,
        };
        let response = request::apply(&self.directory.store, key, upserts, respond).await?.response;
        let changed = response.user.as_ref().and_then(|user| UserId::parse(&user.id));
        if let Some(id) = changed {
            let standing = self.directory.auth.standing();
            standing.forget_user(admin.tenant, id);
            standing.catch_up(admin.tenant, id, takes_rights).await?;
        }
        Ok(response)
    }

    async fn get_user(&self, caller: &Caller, request: v1::GetUserRequest) -> Result<v1::GetUserResponse> {
        use v1::get_user_request::Selector;
        let principal = caller.principal()?;
        let (tenant, users) = (principal.tenant, &self.directory.store.directory);
        let found = match field::given("selector", request.selector)? {
            Selector::Id(id) => users.user(tenant, field::id("id", &id, UserId::parse)?).await,
            Selector::Identity(identity) => {
                users.user_by_identity(tenant, &decode::identity(&identity)?).await
            }
            Selector::Username(username) => {
                field::storable("username", &username)?;
                match users.user_by_username(tenant, &username).await {
                    // One that is an address is stored as addresses are.
                    Err(StoreError::NotFound(_)) if username.contains('@') => {
                        users.user_by_username(tenant, &field::sign_in_name(&username)).await
                    }
                    found => found,
                }
            }
            Selector::Number(number) => users.user_by_number(tenant, signed(number)).await,
        };
        let user = shown(principal, found?)?;
        Ok(v1::GetUserResponse { user: Some(convert::user(&user)) })
    }

    async fn list_users(
        &self,
        caller: &Caller,
        request: v1::ListUsersRequest,
    ) -> Result<v1::ListUsersResponse> {
        let staff = caller.staff()?;
        let role = match request.role {
            0 => None,
            role => Some(decode::roles("role", &[role])?),
        };
        let filter = role.unwrap_or_default().0.to_string();
        let scope = scope("ListUsers", staff, &filter);
        let size = PAGE.of("page_size", request.page_size)?;
        let after: i64 = self.pages.open(&scope, &request.page_token)?.unwrap_or_default();
        let users = &self.directory.store.directory;
        let mut rows = users.list_users(staff.tenant, role, after, size + 1).await?;
        let next_page_token = self.pages.cut(&scope, &mut rows, size, |row| row.number);
        let users = rows.iter().map(convert::user).collect();
        Ok(v1::ListUsersResponse { users, next_page_token })
    }

    /// A repetition waits for the same end: that it was begun is recorded with the beginning.
    async fn erase_user(
        &self,
        caller: &Caller,
        request: v1::EraseUserRequest,
    ) -> Result<v1::EraseUserResponse> {
        let admin = caller.admin()?;
        let id = field::id("user_id", &request.user_id, UserId::parse)?;
        let key = self.requests.key(admin, "EraseUser", &request.request_id, &request)?;
        let (tenant, eraser) = (admin.tenant, &self.directory.eraser);
        let begins = eraser.beginning(tenant, id, request.whole_conversations);
        let respond = |begun_at: &i64| v1::EraseUserResponse { erase_time: Some(timestamp(*begun_at)) };
        let response = request::apply(&self.directory.store, key, begins, respond).await?.response;
        eraser.whole(tenant, id).await?;
        Ok(response)
    }

    async fn create_api_key(
        &self,
        caller: &Caller,
        request: v1::CreateApiKeyRequest,
    ) -> Result<v1::CreateApiKeyResponse> {
        let admin = admin_anywhere(caller)?;
        let wanted = decode::key(field::given("api_key", request.api_key.as_ref())?)?;
        let secret = api_key::generate();
        let (row, slugs) = self.directory.new_key(caller, wanted, &secret).await?;
        let key = self.requests.key(admin, "CreateApiKey", &request.request_id, &request)?;
        let respond = move |row: &ApiKey| v1::CreateApiKeyResponse {
            api_key: Some(convert::api_key(row, slugs.clone())),
            // Recorded answers hold no secret.
            secret: String::new(),
        };
        let id = row.id.to_string();
        let creates = Mutation::create_api_key(row, api_key::hash(&secret));
        let mut response = request::apply(&self.directory.store, key, creates, respond).await?.response;
        if response.api_key.as_ref().is_some_and(|made| made.id == id) {
            response.secret = secret;
        }
        Ok(response)
    }

    async fn list_api_keys(
        &self,
        caller: &Caller,
        request: v1::ListApiKeysRequest,
    ) -> Result<v1::ListApiKeysResponse> {
        let admin = admin_anywhere(caller)?;
        let size = PAGE.of("page_size", request.page_size)?;
        let scope = scope("ListApiKeys", admin, "");
        let after: Option<String> = self.pages.open(&scope, &request.page_token)?;
        let after = after.map(|id| ApiKeyId::parse(&id).ok_or(Error::PageToken)).transpose()?;
        let tenant = Some(admin.tenant).filter(|tenant| *tenant != Principal::NO_TENANT);
        let mut rows = self.directory.store.tokens.list_api_keys(tenant, after, size + 1).await?;
        let next_page_token = self.pages.cut(&scope, &mut rows, size, |row| row.id.to_string());
        let mut api_keys = Vec::with_capacity(rows.len());
        for row in &rows {
            api_keys.push(convert::api_key(row, self.directory.slugs(admin, row).await?));
        }
        Ok(v1::ListApiKeysResponse { api_keys, next_page_token })
    }

    async fn revoke_api_key(
        &self,
        caller: &Caller,
        request: v1::RevokeApiKeyRequest,
    ) -> Result<v1::RevokeApiKeyResponse> {
        let admin = admin_anywhere(caller)?;
        let id = field::id("id", &request.id, ApiKeyId::parse)?;
        let revoked = self.directory.revoke_key(caller, admin, id).await?;
        let slugs = self.directory.slugs(admin, &revoked).await?;
        Ok(v1::RevokeApiKeyResponse { api_key: Some(convert::api_key(&revoked, slugs)) })
    }
}

/// A list of a principal: its tokens open nothing in another tenant, of which none shares the slug.
fn scope<'s>(list: &'s str, principal: &'s Principal, filter: &'s str) -> [&'s str; 3] {
    [list, &principal.tenant_slug, filter]
}
