//! A tenant's rules of billing, version by version.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::{
    Error, Result, TenantId, What,
    entity::{TenantOwned, billing_policy},
    failure::Failure,
    ledger::Policy,
    meter::Rounding,
    query::code::Code,
    tx::Tx,
};

/// The newest version; version 0 if there is none.
pub(crate) async fn current(db: &impl ConnectionTrait, tenant: TenantId) -> Result<Policy, Failure> {
    let newest =
        billing_policy::Entity::of(tenant).order_by_desc(billing_policy::Column::Version).one(db).await?;
    newest.map_or_else(|| Ok(Policy::default()), policy)
}

/// A version; 0 is that of a tenant that has said nothing.
pub(crate) async fn version(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    version: i64,
) -> Result<Policy, Failure> {
    if version == 0 {
        return Ok(Policy::default());
    }
    let found = billing_policy::Entity::of(tenant).filter(billing_policy::Column::Version.eq(version));
    policy(found.one(db).await?.ok_or(Error::NotFound(What::BillingPolicy))?)
}

/// Adds the next version.
pub(super) async fn set(tx: &mut Tx, tenant: TenantId, wanted: &Policy) -> Result<Policy, Failure> {
    // Two that set rules take turns.
    tx.counters(tenant)?;
    let version = current(tx.db(), tenant).await?.version + 1;
    let set = Policy { version, ..wanted.clone() };
    let row = billing_policy::Model {
        tenant: tenant.0,
        version,
        unit: set.unit.clone(),
        rounding: set.rounding.code(),
        minimum_amount: set.minimum_amount,
        free_seconds: set.free_seconds,
        warn_seconds: set.warn_seconds,
        hold_seconds: set.hold_seconds,
        commission: set.commission,
        welcome_bonus: set.welcome_bonus,
        note: set.note.clone(),
        made_by: set.made_by.clone(),
        created_at: set.created_at,
    };
    billing_policy::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
    Ok(set)
}

fn policy(row: billing_policy::Model) -> Result<Policy, Failure> {
    Ok(Policy {
        version: row.version,
        unit: row.unit,
        rounding: Rounding::of_code(row.rounding)?,
        minimum_amount: row.minimum_amount,
        free_seconds: row.free_seconds,
        warn_seconds: row.warn_seconds,
        hold_seconds: row.hold_seconds,
        commission: row.commission,
        welcome_bonus: row.welcome_bonus,
        note: row.note,
        made_by: row.made_by,
        created_at: row.created_at,
    })
}
