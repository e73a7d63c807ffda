//! The lives of nodes, what people chose to show, and which node says that they are there.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(node_epoch()).await?;
        manager.create_table(presence()).await?;
        manager.create_table(presence_lease()).await?;
        let of_a_node = Index::create()
            .name("presence_lease_node")
            .table("presence_lease")
            .col("node")
            .col("epoch")
            .to_owned();
        manager.create_index(of_a_node).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["presence_lease", "presence", "node_epoch"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// A node serves every tenant, so its life belongs to none.
fn node_epoch() -> TableCreateStatement {
    Table::create()
        .table("node_epoch")
        .col(text("node").check(Expr::col("node").ne("")))
        .col(text("epoch").check(Expr::col("epoch").ne("")))
        .col(big_integer("started_at"))
        .col(big_integer("renewed_at"))
        .col(big_integer_null("ended_at"))
        .primary_key(Index::create().col("node").col("epoch"))
        .to_owned()
}

fn presence() -> TableCreateStatement {
    Table::create()
        .table("presence")
        .col(big_integer("tenant"))
        .col(uuid("user_id"))
        .col(small_integer("availability").check(Expr::col("availability").between(1, 3)))
        .col(big_integer_null("last_seen"))
        .primary_key(Index::create().col("tenant").col("user_id"))
        .foreign_key(
            ForeignKey::create()
                .from("presence", ("tenant", "user_id"))
                .to("user", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn presence_lease() -> TableCreateStatement {
    Table::create()
        .table("presence_lease")
        .col(big_integer("tenant"))
        .col(uuid("user_id"))
        .col(text("node"))
        .col(text("epoch"))
        .col(big_integer("since"))
        // From an earlier life of the node, and not yet taken up again.
        .col(boolean("left_over"))
        .primary_key(Index::create().col("tenant").col("user_id").col("node"))
        .foreign_key(
            ForeignKey::create()
                .from("presence_lease", ("tenant", "user_id"))
                .to("presence", ("tenant", "user_id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .from("presence_lease", ("node", "epoch"))
                .to("node_epoch", ("node", "epoch"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
