//! Nobody looks for a message by its number, and an index is a quarter of what a message costs to write. Numbers are given out
//! together with positions, under the same lock, and positions keep their unique key.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const NAME: &str = "message_tenant_number";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(NAME).table("message").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let number =
            Index::create().name(NAME).table("message").col("tenant").col("number").unique().to_owned();
        manager.create_index(number).await
    }
}
