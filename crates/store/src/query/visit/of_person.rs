//! The visits of one person, for whoever exports or erases them.

use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    TenantId, UserId, bulk,
    entity::{TenantOwned, visit},
    failure::Failure,
    tx::Tx,
};

/// Visits that are known to be theirs, above a number.
pub(crate) async fn visits_of(
    db: &impl ConnectionTrait,
    (tenant, user): (TenantId, UserId),
    after: i64,
    limit: u64,
) -> Result<Vec<visit::Model>, Failure> {
    let rows = visit::Entity::of(tenant)
        .filter(visit::Column::PersonId.eq(user.0))
        .filter(visit::Column::Number.gt(after))
        .order_by_asc(visit::Column::Number)
        .limit(limit);
    Ok(rows.all(db).await?)
}

/// Forgets visits, with their pages and actions.
pub(crate) async fn forget(tx: &Tx, tenant: TenantId, visits: &[visit::Model]) -> Result<(), Failure> {
    let keys = visits.iter().map(|row| [tenant.0.into(), row.number.into()]).collect();
    bulk::delete::<visit::Entity, 2>(tx.db(), [visit::Column::Tenant, visit::Column::Number], keys).await
}
