//! Who is in an exclusive session. The key of the table decides; what is written here says who was in the way.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use uuid::Uuid;

use super::policy;
use crate::{
    Error, SessionKind, Side, TenantId,
    entity::{reservation, session},
    failure::Failure,
    query::code::Code,
    tx::Tx,
};

/// Reserves the people of a session, as its kind and the tenant's policy want it. What is taken before a refusal is taken
/// back with the change.
pub(super) async fn reserve(tx: &Tx, row: &session::Model) -> Result<(), Failure> {
    if row.kind == SessionKind::Invitation.code() {
        return Ok(());
    }
    take(tx, row, Side::Provider, row.provider_id).await?;
    if policy::of(tx.db(), TenantId(row.tenant)).await?.payers_exclusive {
        take(tx, row, Side::Payer, row.payer_id).await?;
    }
    Ok(())
}

async fn take(tx: &Tx, row: &session::Model, side: Side, person: Option<Uuid>) -> Result<(), Failure> {
    let sql = "INSERT INTO reservation (tenant, person_id, session_id) VALUES ($1, $2, $3) \
               ON CONFLICT (tenant, person_id) DO NOTHING";
    let values = [row.tenant.into(), person.into(), row.id.into()];
    let statement = Statement::from_sql_and_values(tx.db().get_database_backend(), sql, values);
    let taken = tx.db().execute_raw(statement).await?.rows_affected();
    if taken == 1 { Ok(()) } else { Err(Error::PartyBusy(side).into()) }
}

/// Releases whoever a session has reserved.
pub(super) async fn release(tx: &Tx, row: &session::Model) -> Result<(), Failure> {
    reservation::Entity::delete_many()
        .filter(reservation::Column::Tenant.eq(row.tenant))
        .filter(reservation::Column::SessionId.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}
