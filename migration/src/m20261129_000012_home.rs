//! Where a life of a node is at home.
//!
//! Lives from before have none: whether they go on must be watched.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let home = Table::alter().table("node_epoch").add_column(text("home").default("")).to_owned();
        manager.alter_table(home).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("node_epoch").drop_column("home").to_owned()).await
    }
}
