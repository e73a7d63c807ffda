//! People who are being erased, and a keyed hash of the outside accounts of those who were: so that a token from before lets
//! nobody in again.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Whoever goes is looked for here, also by the foreign key of their row.
const BY_ASSIGNEE: &str = "conversation_tenant_assignee_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(erasure()).await?;
        manager.create_table(departed()).await?;
        let purge =
            Index::create().name("departed_keep_until").table("departed").col("keep_until").to_owned();
        manager.create_index(purge).await?;
        let by_assignee = Index::create()
            .name(BY_ASSIGNEE)
            .table("conversation")
            .col("tenant")
            .col("assignee_id")
            .col("id")
            .to_owned();
        manager.create_index(by_assignee).await
    }

    /// What was erased stays so. The events that told of it keep their numbers, as changes of no field.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let none = match manager.get_database_backend() {
            DbBackend::Sqlite => "CAST('[]' AS BLOB)",
            _ => "convert_to('[]', 'UTF8')",
        };
        let sql = format!("UPDATE event SET kind = 2, body = {none} WHERE subject_kind = 1 AND kind = 5");
        manager.get_connection().execute_unprepared(&sql).await?;
        manager.drop_index(Index::drop().name(BY_ASSIGNEE).table("conversation").to_owned()).await?;
        for table in ["departed", "erasure"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn erasure() -> TableCreateStatement {
    Table::create()
        .table("erasure")
        .col(big_integer("tenant"))
        .col(uuid("user_id"))
        .col(big_integer("begun_at"))
        // With all that others have written in the conversations that are theirs.
        .col(boolean("whole_conversations"))
        .primary_key(Index::create().col("tenant").col("user_id"))
        .foreign_key(
            ForeignKey::create()
                .from("erasure", ("tenant", "user_id"))
                .to("user", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn departed() -> TableCreateStatement {
    Table::create()
        .table("departed")
        .col(big_integer("tenant"))
        .col(ColumnDef::new("mark").blob().not_null())
        .col(big_integer("at"))
        .col(big_integer("keep_until"))
        .primary_key(Index::create().col("tenant").col("mark"))
        .to_owned()
}
