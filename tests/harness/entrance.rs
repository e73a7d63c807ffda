//! Where clients come in: one public listener of one server, and every kind of client for it.

use std::net::SocketAddr;

use crate::{Clients, Rest, Socket, configuration::STAFF, grpc::Credential};

/// A public listener.
#[derive(Clone, Debug)]
pub struct Entrance {
    pub address: SocketAddr,
    tenant: String,
}

impl Entrance {
    /// The listener at an address, where clients mean this tenant.
    #[must_use]
    pub fn new(address: SocketAddr, tenant: &str) -> Self {
        Self { address, tenant: tenant.to_owned() }
    }

    /// The tenant that clients mean.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// REST below the staff mount.
    #[must_use]
    pub fn staff_rest(&self) -> Rest {
        Rest::new(self.address, STAFF)
    }

    /// HTTP at the root.
    #[must_use]
    pub fn http(&self) -> Rest {
        Rest::new(self.address, "")
    }

    /// A WebSocket of the staff mount.
    pub async fn staff_socket(&self) -> Socket {
        self.ws(STAFF).await
    }

    /// A WebSocket at a path.
    pub async fn ws(&self, path: &str) -> Socket {
        Socket::connect(self.address, path).await
    }

    /// Typed clients that name no tenant.
    pub async fn clients_of_no_tenant(&self, token: &str) -> Clients {
        Clients::connect(self.address, Credential::bearer(token, "")).await
    }

    /// Typed clients with a token of the tenant, or none if it is empty.
    pub async fn clients(&self, token: &str) -> Clients {
        Clients::connect(self.address, Credential::bearer(token, &self.tenant)).await
    }
}
