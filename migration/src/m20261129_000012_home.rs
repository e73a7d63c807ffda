//! Where a life of a node is at home, and until when whom a life left over was there.
//!
//! Lives from before have no home: whether they go on must be watched.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// PostgreSQL would look up the life of each lease by itself when very many pass on. Who writes leases has done so.
const UNCHECKED: &str = "ALTER TABLE presence_lease DROP CONSTRAINT presence_lease_node_epoch_fkey";

const CHECKED: &str = "ALTER TABLE presence_lease ADD CONSTRAINT presence_lease_node_epoch_fkey \
                       FOREIGN KEY (node, epoch) REFERENCES node_epoch (node, epoch) ON DELETE CASCADE";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let home = Table::alter().table("node_epoch").add_column(text("home").default("")).to_owned();
        manager.alter_table(home).await?;
        let left_at =
            Table::alter().table("presence_lease").add_column(big_integer_null("left_at")).to_owned();
        manager.alter_table(left_at).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared(UNCHECKED).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared(CHECKED).await?;
        }
        let left_at = Table::alter().table("presence_lease").drop_column("left_at").to_owned();
        manager.alter_table(left_at).await?;
        manager.alter_table(Table::alter().table("node_epoch").drop_column("home").to_owned()).await
    }
}
