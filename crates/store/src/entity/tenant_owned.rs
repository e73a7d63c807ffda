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
    billing_policy,
    conversation,
    departed,
    erasure,
    event,
    idempotency,
    identity,
    ledger_account,
    ledger_entry,
    ledger_hold,
    ledger_transaction,
    message,
    participant,
    presence,
    presence_lease,
    provider,
    reaction,
    read_mark,
    reservation,
    revocation,
    session,
    session_policy,
    tenant_counter,
    user,
    visit,
    visit_action,
    visit_page,
}
