//! DirectoryService on the wire: each call is answered by its rule.

use parlor_api::v1::{self, directory_service_server::DirectoryService};
use tonic::{Request, Response, Status, async_trait};

use super::{Directory, convert};
use crate::request::answered;

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl DirectoryService for Directory {
    async fn create_tenant(
        &self,
        request: Request<v1::CreateTenantRequest>,
    ) -> Answer<v1::CreateTenantResponse> {
        answered(self, request, Directory::create_tenant).await
    }

    async fn get_tenant(&self, request: Request<v1::GetTenantRequest>) -> Answer<v1::GetTenantResponse> {
        answered(self, request, async |rules, caller, request| {
            let tenant = Directory::get_tenant(rules, caller, &request.slug).await?;
            Ok(v1::GetTenantResponse { tenant: Some(convert::tenant(&tenant)) })
        })
        .await
    }

    async fn list_tenants(
        &self,
        request: Request<v1::ListTenantsRequest>,
    ) -> Answer<v1::ListTenantsResponse> {
        answered(self, request, async |rules, caller, request| {
            Directory::list_tenants(rules, caller, &request).await
        })
        .await
    }

    async fn update_tenant(
        &self,
        request: Request<v1::UpdateTenantRequest>,
    ) -> Answer<v1::UpdateTenantResponse> {
        answered(self, request, Directory::update_tenant).await
    }

    async fn upsert_user(&self, request: Request<v1::UpsertUserRequest>) -> Answer<v1::UpsertUserResponse> {
        answered(self, request, Directory::upsert_user).await
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        answered(self, request, async |rules, caller, request| {
            let user = Directory::get_user(rules, caller, request.selector).await?;
            Ok(v1::GetUserResponse { user: Some(convert::user(&user)) })
        })
        .await
    }

    async fn list_users(&self, request: Request<v1::ListUsersRequest>) -> Answer<v1::ListUsersResponse> {
        answered(self, request, async |rules, caller, request| {
            Directory::list_users(rules, caller, &request).await
        })
        .await
    }

    async fn create_api_key(
        &self,
        request: Request<v1::CreateApiKeyRequest>,
    ) -> Answer<v1::CreateApiKeyResponse> {
        answered(self, request, Directory::create_api_key).await
    }

    async fn list_api_keys(
        &self,
        request: Request<v1::ListApiKeysRequest>,
    ) -> Answer<v1::ListApiKeysResponse> {
        answered(self, request, async |rules, caller, request| {
            Directory::list_api_keys(rules, caller, &request).await
        })
        .await
    }

    async fn revoke_api_key(
        &self,
        request: Request<v1::RevokeApiKeyRequest>,
    ) -> Answer<v1::RevokeApiKeyResponse> {
        answered(self, request, async |rules, caller, request| {
            Directory::revoke_api_key(rules, caller, &request.id).await
        })
        .await
    }
}
