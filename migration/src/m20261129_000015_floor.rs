//! Up to where a tenant's events may be gone: from its floor on, every position is kept.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let floor =
            big_integer("floor_position").default(1).check(Expr::col("floor_position").gte(1)).to_owned();
        manager.alter_table(Table::alter().table("tenant_counter").add_column(floor).to_owned()).await
    }

    /// What is gone stays gone.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let floor = Table::alter().table("tenant_counter").drop_column("floor_position").to_owned();
        manager.alter_table(floor).await
    }
}
