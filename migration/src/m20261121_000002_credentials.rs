//! API keys, the tenants they open, and withdrawn tokens.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(api_key()).await?;
        manager.create_table(api_key_tenant()).await?;
        let tenants_of_a_key =
            Index::create().name("api_key_tenant_key").table("api_key_tenant").col("api_key_id").to_owned();
        manager.create_index(tenants_of_a_key).await?;
        manager.create_table(revocation()).await?;
        let purge =
            Index::create().name("revocation_keep_until").table("revocation").col("keep_until").to_owned();
        manager.create_index(purge).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["revocation", "api_key_tenant", "api_key"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// A key may open several tenants, so it is the one row that does not begin with one.
fn api_key() -> TableCreateStatement {
    Table::create()
        .table("api_key")
        .col(uuid("id").primary_key())
        .col(text("display_name"))
        .col(small_integer("kind").check(Expr::col("kind").between(1, 3)))
        .col(boolean("all_tenants"))
        .col(text("prefix"))
        .col(ColumnDef::new("secret_hash").blob().not_null().unique_key())
        .col(big_integer("created_at"))
        .col(big_integer_null("revoked_at"))
        .to_owned()
}

fn api_key_tenant() -> TableCreateStatement {
    Table::create()
        .table("api_key_tenant")
        .col(big_integer("tenant"))
        .col(uuid("api_key_id"))
        .primary_key(Index::create().col("tenant").col("api_key_id"))
        .foreign_key(ForeignKey::create().from("api_key_tenant", "tenant").to("tenant", "id"))
        .foreign_key(
            ForeignKey::create()
                .from("api_key_tenant", "api_key_id")
                .to("api_key", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn revocation() -> TableCreateStatement {
    Table::create()
        .table("revocation")
        .col(big_integer("tenant"))
        // 1: a token by its id; 2: every token of a user.
        .col(small_integer("kind").check(Expr::col("kind").between(1, 2)))
        .col(text("subject"))
        .col(big_integer("at"))
        .col(big_integer("keep_until"))
        .primary_key(Index::create().col("tenant").col("kind").col("subject"))
        .to_owned()
}
