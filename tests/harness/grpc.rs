//! Generated clients with a credential.

use std::net::SocketAddr;

use parlor_api::{
    failure, metadata,
    v1::{
        Reason, billing_service_client::BillingServiceClient, chat_service_client::ChatServiceClient,
        directory_service_client::DirectoryServiceClient, presence_service_client::PresenceServiceClient,
        session_service_client::SessionServiceClient, token_service_client::TokenServiceClient,
    },
};
use tonic::{
    Request, Status,
    metadata::MetadataMap,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::soon;

pub type Billing = BillingServiceClient<InterceptedService<Channel, Credential>>;
pub type Chat = ChatServiceClient<InterceptedService<Channel, Credential>>;
pub type Directory = DirectoryServiceClient<InterceptedService<Channel, Credential>>;
pub type Presence = PresenceServiceClient<InterceptedService<Channel, Credential>>;
pub type Sessions = SessionServiceClient<InterceptedService<Channel, Credential>>;
pub type Tokens = TokenServiceClient<InterceptedService<Channel, Credential>>;

/// What every call of a client carries.
#[derive(Clone, Debug)]
pub struct Credential(MetadataMap);

impl Credential {
    /// A bearer token, and the tenant that is meant; empty for none of either.
    pub fn bearer(token: &str, tenant: &str) -> Self {
        let mut map = MetadataMap::new();
        if !token.is_empty() {
            map.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        if !tenant.is_empty() {
            map.insert(metadata::TENANT, tenant.parse().unwrap());
        }
        Self(map)
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let carried = self.0.clone().into_headers();
        let mut headers = std::mem::take(request.metadata_mut()).into_headers();
        headers.extend(carried);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        Ok(request)
    }
}

/// Every service, over one connection and with one credential.
#[derive(Clone, Debug)]
pub struct Clients {
    pub channel: Channel,
    credential: Credential,
}

impl Clients {
    pub(crate) async fn connect(address: SocketAddr, credential: Credential) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = soon("the connection", endpoint.connect()).await.unwrap();
        Self { channel, credential }
    }

    fn credentialed(&self) -> InterceptedService<Channel, Credential> {
        InterceptedService::new(self.channel.clone(), self.credential.clone())
    }

    pub fn billing(&self) -> Billing {
        Billing::new(self.credentialed())
    }

    pub fn chat(&self) -> Chat {
        Chat::new(self.credentialed())
    }

    pub fn directory(&self) -> Directory {
        Directory::new(self.credentialed())
    }

    pub fn presence(&self) -> Presence {
        Presence::new(self.credentialed())
    }

    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.credentialed())
    }

    pub fn tokens(&self) -> Tokens {
        Tokens::new(self.credentialed())
    }
}

/// What a client branches on.
pub fn failure_reason(status: &Status) -> Reason {
    failure::reason(status)
}
