//! First answers, by which a repeated request is recognised.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(idempotency()).await?;
        let purge =
            Index::create().name("idempotency_expires_at").table("idempotency").col("expires_at").to_owned();
        manager.create_index(purge).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("idempotency").to_owned()).await
    }
}

fn idempotency() -> TableCreateStatement {
    Table::create()
        .table("idempotency")
        .col(big_integer("tenant"))
        .col(text("principal"))
        .col(text("method"))
        .col(text("request_id").check(Expr::col("request_id").ne("")))
        .col(ColumnDef::new("payload_hash").blob().not_null())
        .col(ColumnDef::new("response").blob().not_null())
        .col(big_integer("expires_at"))
        .primary_key(Index::create().col("tenant").col("principal").col("method").col("request_id"))
        .to_owned()
}
