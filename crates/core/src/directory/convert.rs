//! Rows of the directory, as the contract writes them.

use parlor_api::v1;
use parlor_store::{ApiKey, ApiKeyKind, Tenant, User};

use crate::wire::{roles, timestamp, unsigned};

/// A tenant.
#[must_use]
pub fn tenant(row: &Tenant) -> v1::Tenant {
    v1::Tenant {
        slug: row.slug.clone(),
        number: row.number.map(unsigned).unwrap_or_default(),
        display_name: row.display_name.clone(),
        origins: row.origins.clone(),
        create_time: Some(timestamp(row.created_at)),
    }
}

/// A user, with everything we know.
#[must_use]
pub fn user(row: &User) -> v1::User {
    let identity = |identity: &parlor_store::Identity| v1::Identity {
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
    };
    v1::User {
        id: row.id.to_string(),
        number: unsigned(row.number),
        display_name: row.display_name.clone(),
        username: row.username.clone().unwrap_or_default(),
        email: row.email.clone(),
        avatar_url: row.avatar_url.clone(),
        roles: roles(row.roles),
        identities: row.identities.iter().map(identity).collect(),
        create_time: Some(timestamp(row.created_at)),
        update_time: Some(timestamp(row.updated_at)),
        disabled: Some(true).filter(|_| row.disabled),
    }
}

/// An API key. `slugs` are its tenants' as far as the caller may know them.
#[must_use]
pub fn api_key(row: &ApiKey, slugs: Vec<String>) -> v1::ApiKey {
    let kind = match row.kind {
        ApiKeyKind::Widget => v1::ApiKeyKind::Widget,
        ApiKeyKind::Admin => v1::ApiKeyKind::Admin,
        ApiKeyKind::Service => v1::ApiKeyKind::Service,
    };
    v1::ApiKey {
        id: row.id.to_string(),
        display_name: row.display_name.clone(),
        kind: kind.into(),
        tenants: slugs,
        all_tenants: row.all_tenants,
        prefix: row.prefix.clone(),
        create_time: Some(timestamp(row.created_at)),
        revoke_time: row.revoked_at.map(timestamp),
        made_by: row.made_by.map(|id| id.to_string()).unwrap_or_default(),
    }
}
