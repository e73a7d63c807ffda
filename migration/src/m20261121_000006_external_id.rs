//! Imported ids: what another system called a row that has a number here.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(external_id()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("external_id").to_owned()).await
    }
}

fn external_id() -> TableCreateStatement {
    Table::create()
        .table("external_id")
        .col(big_integer("tenant"))
        // Which of the tenant's numbers it is: user, conversation or message.
        .col(text("kind"))
        .col(text("external").check(Expr::col("external").ne("")))
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .primary_key(Index::create().col("tenant").col("kind").col("external"))
        .foreign_key(ForeignKey::create().from("external_id", "tenant").to("tenant", "id"))
        .to_owned()
}
