//! Tenants, their counters, users and the outside identities of users.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(tenant()).await?;
        manager.create_table(tenant_counter()).await?;
        // The row of no tenant: what belongs to the whole installation takes turns on it.
        let installation = Query::insert()
            .into_table("tenant_counter")
            .columns(["tenant"])
            .values_panic([0.into()])
            .to_owned();
        manager.execute(installation).await?;
        manager.create_table(user()).await?;
        for unique in [["tenant", "number"], ["tenant", "username"]] {
            manager.create_index(index("user", &unique, true)).await?;
        }
        manager.create_table(identity()).await?;
        manager.create_index(index("identity", &["tenant", "user_id", "ordinal"], false)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["identity", "user", "tenant_counter", "tenant"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn tenant() -> TableCreateStatement {
    Table::create()
        .table("tenant")
        .col(big_pk_auto("id"))
        .col(text_uniq("slug").check(Expr::col("slug").ne("")))
        .col(big_integer_null("number").unique_key())
        .col(text("display_name"))
        .col(json_binary("origins"))
        .col(big_integer("created_at"))
        .to_owned()
}

fn tenant_counter() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("tenant_counter").col(big_integer("tenant").primary_key());
    for counter in ["position", "message_number", "conversation_number", "user_number", "presence_revision"] {
        table.col(big_integer(counter).default(0).check(Expr::col(counter).gte(0)));
    }
    table
}

fn user() -> TableCreateStatement {
    Table::create()
        .table("user")
        .col(big_integer("tenant"))
        .col(uuid("id"))
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .col(text("display_name"))
        .col(text_null("username"))
        .col(text("email"))
        .col(text("avatar_url"))
        .col(integer("roles").check(Expr::col("roles").gte(0)))
        .col(text_null("password_hash"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .foreign_key(ForeignKey::create().from("user", "tenant").to("tenant", "id"))
        .to_owned()
}

fn identity() -> TableCreateStatement {
    Table::create()
        .table("identity")
        .col(big_integer("tenant"))
        .col(text("issuer"))
        .col(text("subject").check(Expr::col("subject").ne("")))
        .col(uuid("user_id"))
        // The order in which a user's identities came.
        .col(integer("ordinal"))
        .primary_key(Index::create().col("tenant").col("issuer").col("subject"))
        .foreign_key(
            ForeignKey::create()
                .from("identity", ("tenant", "user_id"))
                .to("user", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn index(table: &'static str, columns: &[&'static str], unique: bool) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(format!("{table}_{}", columns.join("_"))).table(table);
    for column in columns {
        index.col(*column);
    }
    if unique {
        index.unique();
    }
    index
}
