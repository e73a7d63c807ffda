//! Rows as the database keeps them, one file per table.
//!
//! A row of a tenant is found through [`TenantOwned::of`]; `Entity::find` is for the few rows that no tenant owns.

pub mod api_key;
pub mod api_key_tenant;
pub mod conversation;
pub mod event;
pub mod external_id;
pub mod idempotency;
pub mod identity;
pub mod message;
pub mod node_epoch;
pub mod presence;
pub mod presence_lease;
pub mod read_mark;
pub mod revocation;
pub mod tenant;
pub mod tenant_counter;
pub mod user;

use sea_orm::{ColumnTrait, EntityTrait, FromJsonQueryResult, QueryFilter, Select};
use serde::{Deserialize, Serialize};

use crate::TenantId;

/// A table whose rows belong to a tenant.
pub trait TenantOwned: EntityTrait {
    /// The column that says which.
    const TENANT: Self::Column;

    /// The rows of one tenant: where every query begins.
    fn of(tenant: TenantId) -> Select<Self> {
        Self::find().filter(Self::TENANT.eq(tenant.0))
    }
}

/// A list of strings, kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Strings(pub Vec<String>);
