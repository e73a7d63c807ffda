//! TokenService on the wire: each call is answered by its rule.

use parlor_api::v1::{self, token_service_server::TokenService};
use tonic::{Request, Response, Status, async_trait};

use super::Tokens;
use crate::request::answered;

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl TokenService for Tokens {
    async fn exchange_credential(
        &self,
        request: Request<v1::ExchangeCredentialRequest>,
    ) -> Answer<v1::ExchangeCredentialResponse> {
        answered(self, request, Self::exchange).await
    }

    async fn mint_token(&self, request: Request<v1::MintTokenRequest>) -> Answer<v1::MintTokenResponse> {
        answered(self, request, async |rules, caller, request| rules.mint(caller, &request).await).await
    }

    async fn inspect_token(
        &self,
        request: Request<v1::InspectTokenRequest>,
    ) -> Answer<v1::InspectTokenResponse> {
        answered(self, request, async |rules, caller, request| rules.inspect(caller, &request.token).await)
            .await
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Answer<v1::RevokeTokenResponse> {
        answered(self, request, async |rules, caller, request| rules.revoke(caller, request.selector).await)
            .await
    }

    async fn get_jwks(&self, _request: Request<v1::GetJwksRequest>) -> Answer<v1::GetJwksResponse> {
        Ok(Response::new(v1::GetJwksResponse { jwks_json: self.auth.jwks_json().to_owned() }))
    }
}
