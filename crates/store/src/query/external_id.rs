//! Imported ids: what another system called a row that has a number here.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::OnConflict};

use crate::query::directory::Directory;
use crate::{
    Mutation, Result, TenantId,
    entity::{TenantOwned, external_id},
    failure::Failure,
};

impl Directory {
    /// The number of what another system calls `external`; `kind` says which of the tenant's numbers it is.
    pub async fn number_of_external(
        &self,
        tenant: TenantId,
        kind: &str,
        external: &str,
    ) -> Result<Option<i64>> {
        let row = external_id::Entity::of(tenant)
            .filter(external_id::Column::Kind.eq(kind))
            .filter(external_id::Column::External.eq(external))
            .one(&self.db.readers)
            .await
            .map_err(Failure::from)?;
        Ok(row.map(|row| row.number))
    }

    /// Remembers what another system calls a number. The last word counts.
    pub async fn map_external(
        &self,
        tenant: TenantId,
        kind: &str,
        external: &str,
        number: i64,
    ) -> Result<()> {
        let row = external_id::Model {
            tenant: tenant.0,
            kind: kind.to_owned(),
            external: external.to_owned(),
            number,
        };
        self.db
            .apply(Mutation::new(tenant, row, |row, tx| {
                Box::pin(async move {
                    use external_id::Column;
                    tx.counters(TenantId(row.tenant))?;
                    let replace = OnConflict::columns([Column::Tenant, Column::Kind, Column::External])
                        .update_column(Column::Number)
                        .to_owned();
                    external_id::Entity::insert(row.clone().into_active_model())
                        .on_conflict(replace)
                        .exec_without_returning(tx.db())
                        .await?;
                    Ok(())
                })
            }))
            .await
    }
}
