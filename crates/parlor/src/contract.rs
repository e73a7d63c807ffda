//! The program as a client of the contract: what seeds, the start page and the commands for people speak.
//!
//! The inner service is a core in this process or a connection to one elsewhere; nothing here knows which.

use anyhow::{Context, Result};
use parlor_api::{
    metadata,
    v1::{
        self, billing_service_client::BillingServiceClient, directory_service_client::DirectoryServiceClient,
        session_service_client::SessionServiceClient, token_service_client::TokenServiceClient,
    },
};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
};
use tower::{BoxError, ServiceExt as _, util::BoxCloneSyncService};

/// A core's routes, here or elsewhere.
pub type Service =
    BoxCloneSyncService<http::Request<tonic::body::Body>, http::Response<tonic::body::Body>, BoxError>;

/// The same, with its errors told as a call's are: with a boxed error, the compiler cannot tell that a call may move
/// between threads.
type Inner = BoxCloneSyncService<http::Request<tonic::body::Body>, http::Response<tonic::body::Body>, Status>;

/// Calls on behalf of the operator, or of whoever a given key belongs to.
#[derive(Clone)]
pub struct Contract {
    service: Inner,
    authorization: MetadataValue<Ascii>,
}

impl Contract {
    /// Calls with `key`: the operator's, or an API key.
    pub fn new(service: Service, key: &str) -> Result<Self> {
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {key}").parse().context("the key holds characters that no key has")?;
        authorization.set_sensitive(true);
        let service = Inner::new(service.map_err(Status::from_error));
        Ok(Self { service, authorization })
    }

    /// Tenants, people and keys.
    #[must_use]
    pub fn directory(&self) -> DirectoryServiceClient<Inner> {
        DirectoryServiceClient::new(self.service.clone())
    }

    /// Money.
    #[must_use]
    pub fn billing(&self) -> BillingServiceClient<Inner> {
        BillingServiceClient::new(self.service.clone())
    }

    /// Tokens.
    #[must_use]
    pub fn tokens(&self) -> TokenServiceClient<Inner> {
        TokenServiceClient::new(self.service.clone())
    }

    /// Sessions, and who can be asked for them.
    #[must_use]
    pub fn sessions(&self) -> SessionServiceClient<Inner> {
        SessionServiceClient::new(self.service.clone())
    }

    /// Whether there is a tenant of this slug that the key opens.
    pub async fn has_tenant(&self, slug: &str) -> Result<bool, Refusal> {
        let read = self.request(v1::GetTenantRequest { slug: slug.to_owned() });
        match self.directory().get_tenant(read).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(status.into()),
        }
    }

    /// A request in no tenant.
    #[must_use]
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }

    /// A request in a tenant, by slug.
    pub fn request_in<T>(&self, tenant: &str, message: T) -> Result<Request<T>> {
        let mut request = self.request(message);
        let tenant = tenant.parse().context("a tenant's slug is 2 to 63 of a-z, 0-9 and '-'")?;
        request.metadata_mut().insert(metadata::TENANT, tenant);
        Ok(request)
    }
}

/// An answer that is an error, in words for people.
#[derive(Debug)]
pub struct Refusal {
    pub code: Code,
    message: String,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let advice = match status.code() {
            Code::Unauthenticated => "; check --key, or run this where the server's data directory is",
            Code::PermissionDenied => "; use the operator's key, or one of kind admin for that tenant",
            Code::Unavailable if status.message().contains("certificate") => {
                "; give --server the name the certificate is for, signed by an authority that is publicly known"
            }
            Code::Unavailable => {
                "; is the server running and its address right? `parlor doctor` looks closer"
            }
            _ => "",
        };
        Self { code: status.code(), message: format!("{}{advice}", status.message()) }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
