//! Tenants, people and API keys: who may make, change and see them.
//!
//! The order of every call here: the rights, then the fields, then one mutation that the store makes atomic and, where the
//! request has an id, once. What is cached of a changed user is forgotten before the answer leaves.

mod convert;
mod decode;
mod keys;
mod rpc;
mod tenants;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parlor_api::{limits, v1::directory_service_server::DirectoryServiceServer};
use parlor_store::Store;

use crate::{
    auth::Auth,
    caller::Principal,
    clock::Clock,
    page::{Pages, Sizes},
    password::Passwords,
    request::Requests,
};

/// As the contract documents it for every list here.
const PAGE: Sizes = Sizes { default: 50, maximum: 1_000 };

pub(crate) use self::{
    convert::user as user_message,
    decode::{MAX_EMAIL_CHARS, MAX_NAME_CHARS, MAX_USERNAME_CHARS, password, roles, username},
};

/// The rules of the directory, and the service over them. Cloning is cheap.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    auth: Arc<Auth>,
    clock: Clock,
    passwords: Passwords,
    requests: Requests,
    pages: Pages,
}

impl Directory {
    /// Over a store.
    #[must_use]
    pub fn new(
        store: Store,
        auth: Arc<Auth>,
        clock: Clock,
        passwords: Passwords,
        requests: Requests,
        pages: Pages,
    ) -> Self {
        Self { store, auth, clock, passwords, requests, pages }
    }

    /// The service, to be mounted.
    #[must_use]
    pub fn service(&self) -> DirectoryServiceServer<Self> {
        DirectoryServiceServer::new(self.clone()).max_decoding_message_size(limits::REQUEST_BYTES)
    }
}

/// One row more than the page tells whether another page follows.
fn probe(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1)
}

/// A list of a principal: its tokens open nothing in another tenant.
fn scope<'s>(list: &'s str, tenant: &'s str, filter: &'s str) -> [&'s str; 3] {
    [list, tenant, filter]
}

/// The slug, which no tenant shares; empty for who has named none.
fn slug(principal: &Principal) -> &str {
    &principal.tenant_slug
}
