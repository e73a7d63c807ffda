//! What a tenant wants of its sessions.

use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, sea_query::OnConflict};

use super::Sessions;
use crate::{
    Mutation, Result, SessionPolicy, TenantId,
    entity::{TenantOwned, session_policy},
    failure::Failure,
};

impl Sessions {
    /// What a tenant wants of its sessions.
    pub async fn policy(&self, tenant: TenantId) -> Result<SessionPolicy> {
        Ok(of(&self.db.readers, tenant).await?)
    }
}

impl Mutation<SessionPolicy> {
    /// Sets what a tenant wants of its sessions from now on.
    pub fn set_session_policy(tenant: TenantId, policy: SessionPolicy) -> Self {
        Self::new(tenant, (tenant, policy), |(tenant, policy), tx| {
            Box::pin(async move {
                use session_policy::Column;
                let row = session_policy::Model {
                    tenant: tenant.0,
                    request_lifetime_ms: policy.request_lifetime_ms,
                    payers_exclusive: policy.payers_exclusive,
                };
                let again = OnConflict::column(Column::Tenant)
                    .update_columns([Column::RequestLifetimeMs, Column::PayersExclusive])
                    .to_owned();
                session_policy::Entity::insert(row.into_active_model())
                    .on_conflict(again)
                    .exec_without_returning(tx.db())
                    .await?;
                Ok(*policy)
            })
        })
    }
}

pub(super) async fn of(db: &impl ConnectionTrait, tenant: TenantId) -> Result<SessionPolicy, Failure> {
    let said = session_policy::Entity::of(tenant).one(db).await?;
    Ok(said.map_or_else(SessionPolicy::default, |row| SessionPolicy {
        request_lifetime_ms: row.request_lifetime_ms,
        payers_exclusive: row.payers_exclusive,
    }))
}
