//! What a message's request said, as a hash: a repetition is known by all of it. Older messages have none.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hash = ColumnDef::new("payload_hash").blob().null().to_owned();
        manager.alter_table(Table::alter().table("message").add_column(hash).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("message").drop_column("payload_hash").to_owned()).await
    }
}
