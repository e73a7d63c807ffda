//! DirectoryService on the wire: find the caller, call the rule, encode.

use parlor_api::v1::{self, directory_service_server::DirectoryService};
use tonic::{Request, Response, Status, async_trait};

use super::{Directory, convert};
use crate::caller::Caller;

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl DirectoryService for Directory {
    async fn create_tenant(
        &self,
        request: Request<v1::CreateTenantRequest>,
    ) -> Answer<v1::CreateTenantResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::create_tenant(self, &caller, request.into_inner()).await?))
    }

    async fn get_tenant(&self, request: Request<v1::GetTenantRequest>) -> Answer<v1::GetTenantResponse> {
        let caller = Caller::of(&request)?;
        let tenant = Directory::get_tenant(self, &caller, &request.get_ref().slug).await?;
        Ok(Response::new(v1::GetTenantResponse { tenant: Some(convert::tenant(&tenant)) }))
    }

    async fn list_tenants(
        &self,
        request: Request<v1::ListTenantsRequest>,
    ) -> Answer<v1::ListTenantsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::list_tenants(self, &caller, request.get_ref()).await?))
    }

    async fn update_tenant(
        &self,
        request: Request<v1::UpdateTenantRequest>,
    ) -> Answer<v1::UpdateTenantResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::update_tenant(self, &caller, request.into_inner()).await?))
    }

    async fn upsert_user(&self, request: Request<v1::UpsertUserRequest>) -> Answer<v1::UpsertUserResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::upsert_user(self, &caller, request.into_inner()).await?))
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        let caller = Caller::of(&request)?;
        let user = Directory::get_user(self, &caller, request.into_inner().selector).await?;
        Ok(Response::new(v1::GetUserResponse { user: Some(convert::user(&user)) }))
    }

    async fn list_users(&self, request: Request<v1::ListUsersRequest>) -> Answer<v1::ListUsersResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::list_users(self, &caller, request.get_ref()).await?))
    }

    async fn create_api_key(
        &self,
        request: Request<v1::CreateApiKeyRequest>,
    ) -> Answer<v1::CreateApiKeyResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::create_api_key(self, &caller, request.into_inner()).await?))
    }

    async fn list_api_keys(
        &self,
        request: Request<v1::ListApiKeysRequest>,
    ) -> Answer<v1::ListApiKeysResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::list_api_keys(self, &caller, request.get_ref()).await?))
    }

    async fn revoke_api_key(
        &self,
        request: Request<v1::RevokeApiKeyRequest>,
    ) -> Answer<v1::RevokeApiKeyResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(Directory::revoke_api_key(self, &caller, &request.get_ref().id).await?))
    }
}
