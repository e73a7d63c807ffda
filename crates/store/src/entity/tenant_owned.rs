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

macro_rules! owned {
    ($($table:ident),* $(,)?) => {$(
        impl TenantOwned for super::$table::Entity {
            const TENANT: Self::Column = super::$table::Column::Tenant;
        }
    )*};
}

owned! {
    api_key_tenant,
    conversation,
    event,
    idempotency,
    identity,
    message,
    participant,
    presence,
    presence_lease,
    reaction,
    read_mark,
    revocation,
    tenant_counter,
    user,
}
