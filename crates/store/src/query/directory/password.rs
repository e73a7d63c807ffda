//! The hashes of people's passwords.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::Directory;
use crate::{
    Error, Mutation, Result, TenantId, UserId, What,
    entity::{TenantOwned, user},
    failure::Failure,
    tx::Tx,
};

impl Directory {
    /// The hash of a user's password; `None` if they have none.
    pub async fn password_hash(&self, tenant: TenantId, user: UserId) -> Result<Option<String>> {
        let row = user::Entity::of(tenant).filter(user::Column::Id.eq(user.0)).one(&self.db.readers).await;
        Ok(row?.ok_or(Error::NotFound(What::User))?.password_hash)
    }

    /// The hash of somebody that begins with none of these. It reads all there are, if need be.
    pub async fn password_hash_beside(
        &self,
        tenant: TenantId,
        prefixes: &[String],
    ) -> Result<Option<String>> {
        let hashes = user::Entity::of(tenant)
            .select_only()
            .column(user::Column::PasswordHash)
            .filter(user::Column::PasswordHash.is_not_null());
        let others = prefixes.iter().fold(hashes, |others, prefix| {
            others.filter(user::Column::PasswordHash.not_like(format!("{prefix}%")))
        });
        let hash = others.limit(1).into_tuple::<String>().one(&self.db.readers).await;
        Ok(hash.map_err(Failure::from)?)
    }
}

impl Mutation<bool> {
    /// Puts a hash of the same password in the place of the one that was verified, and says so; false if that is not
    /// there any more. Nobody is signed out by it, and nobody who reads the user sees it.
    pub fn renew_password_hash(tenant: TenantId, user: UserId, verified: String, renewed: String) -> Self {
        Self::new(tenant, (tenant, user, verified, renewed), |(tenant, user, verified, renewed), tx| {
            Box::pin(renew(tx, *tenant, *user, verified, renewed))
        })
    }
}

async fn renew(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    verified: &str,
    renewed: &str,
) -> Result<bool, Failure> {
    let done = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(renewed))
        .filter(user::Column::Tenant.eq(tenant.0))
        .filter(user::Column::Id.eq(user.0))
        .filter(user::Column::PasswordHash.eq(verified))
        .exec(tx.db())
        .await?;
    Ok(done.rows_affected > 0)
}
