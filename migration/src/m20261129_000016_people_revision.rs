//! A tenant's people revision: it rises with whatever changes somebody who was there, so that who remembers people knows
//! whether they are as they were.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let revision = big_integer("people_revision").default(0).to_owned();
        manager.alter_table(Table::alter().table("tenant_counter").add_column(revision).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let revision = Table::alter().table("tenant_counter").drop_column("people_revision").to_owned();
        manager.alter_table(revision).await
    }
}
