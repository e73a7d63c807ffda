//! Tables whose rows belong to a tenant.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

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
