//! What people have put on messages: a row for each (message, person, emoji), and the schema holds that.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let reaction = Table::create()
            .table("reaction")
            .col(big_integer("tenant"))
            .col(uuid("conversation_id"))
            .col(big_integer("sequence").check(Expr::col("sequence").gt(0)))
            .col(text("emoji"))
            // The key of a principal, as with a message's author.
            .col(text("reactor"))
            .col(big_integer("created_at"))
            .primary_key(
                Index::create()
                    .col("tenant")
                    .col("conversation_id")
                    .col("sequence")
                    .col("emoji")
                    .col("reactor"),
            )
            .to_owned();
        manager.create_table(reaction).await
    }

    /// The numbers of the events that told of it are given out, so they stay, as changes of no field.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let none = match manager.get_database_backend() {
            DbBackend::Sqlite => "CAST('[]' AS BLOB)",
            _ => "convert_to('[]', 'UTF8')",
        };
        let sql = format!("UPDATE event SET kind = 2, body = {none} WHERE subject_kind = 1 AND kind = 4");
        manager.get_connection().execute_unprepared(&sql).await?;
        manager.drop_table(Table::drop().table("reaction").to_owned()).await
    }
}
