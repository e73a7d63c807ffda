//! TokenService on the wire: find the caller, call the rule, encode.

use parlor_api::v1::{self, token_service_server::TokenService};
use tonic::{Request, Response, Status, async_trait};

use super::Tokens;
use crate::caller::Caller;

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl TokenService for Tokens {
    async fn exchange_credential(
        &self,
        request: Request<v1::ExchangeCredentialRequest>,
    ) -> Answer<v1::ExchangeCredentialResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.exchange(&caller, request.into_inner()).await?))
    }

    async fn mint_token(&self, request: Request<v1::MintTokenRequest>) -> Answer<v1::MintTokenResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.mint(&caller, request.get_ref()).await?))
    }

    async fn inspect_token(
        &self,
        request: Request<v1::InspectTokenRequest>,
    ) -> Answer<v1::InspectTokenResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.inspect(&caller, &request.get_ref().token).await?))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Answer<v1::RevokeTokenResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.revoke(&caller, request.into_inner().selector).await?))
    }

    async fn get_jwks(&self, _request: Request<v1::GetJwksRequest>) -> Answer<v1::GetJwksResponse> {
        Ok(Response::new(v1::GetJwksResponse { jwks_json: self.auth.jwks_json().to_owned() }))
    }
}
