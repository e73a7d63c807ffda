//! One table for every numbered event that is no message, whatever it happened to; and a counter of what changes
//! conversations alone.
//!
//! The table of conversations' events becomes the table of all. What an event says is bytes in the words of its subject:
//! for conversations (subject kind 1) JSON, a list of the changed fields, or the sequence up to which was read.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(event()).await?;
        manager.create_index(by_position("event")).await?;
        let (fields, through, strings) = match manager.get_database_backend() {
            DbBackend::Sqlite => (
                "CAST(fields AS BLOB)",
                "CAST(CAST(through_sequence AS TEXT) AS BLOB)",
                "SELECT value FROM json_each(conversation_event.fields)",
            ),
            _ => (
                // In the form that the store writes: no name of a field has a comma.
                "convert_to(replace(fields::text, ', ', ','), 'UTF8')",
                "convert_to(through_sequence::text, 'UTF8')",
                "SELECT value FROM jsonb_array_elements_text(conversation_event.fields)",
            ),
        };
        // What only changed tags and the kind was shown to the staff alone.
        let sql = format!(
            "INSERT INTO event (tenant, subject_kind, subject_id, sequence, position, author_kind, author_id, \
             author_name, created_at, kind, shown, body) \
             SELECT tenant, 1, conversation_id, sequence, position, author_kind, author_id, author_name, created_at, kind, \
             CASE WHEN kind = 2 AND EXISTS ({strings}) \
             AND NOT EXISTS (SELECT 1 FROM ({strings}) AS field WHERE field.value NOT IN ('tags', 'kind')) \
             THEN 2 ELSE 1 END, \
             CASE kind WHEN 2 THEN {fields} WHEN 3 THEN {through} ELSE {empty} END FROM conversation_event",
            empty = empty(manager),
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        manager.drop_table(Table::drop().table("conversation_event").to_owned()).await?;
        let revision = big_integer("conversation_revision").default(0).to_owned();
        manager.alter_table(Table::alter().table("tenant_counter").add_column(revision).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let revision = Table::alter().table("tenant_counter").drop_column("conversation_revision").to_owned();
        manager.alter_table(revision).await?;
        manager.create_table(conversation_event()).await?;
        manager.create_index(by_position("conversation_event")).await?;
        let (fields, none, through) = match manager.get_database_backend() {
            DbBackend::Sqlite => ("CAST(body AS TEXT)", "'[]'", "CAST(CAST(body AS TEXT) AS INTEGER)"),
            _ => ("convert_from(body, 'UTF8')::jsonb", "'[]'::jsonb", "convert_from(body, 'UTF8')::bigint"),
        };
        let sql = format!(
            "INSERT INTO conversation_event (tenant, conversation_id, sequence, position, author_kind, author_id, \
             author_name, created_at, kind, fields, through_sequence) \
             SELECT tenant, subject_id, sequence, position, author_kind, author_id, author_name, created_at, kind, \
             CASE kind WHEN 2 THEN {fields} ELSE {none} END, CASE kind WHEN 3 THEN {through} ELSE 0 END \
             FROM event WHERE subject_kind = 1"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        manager.drop_table(Table::drop().table("event").to_owned()).await
    }
}

fn empty(manager: &SchemaManager) -> &'static str {
    match manager.get_database_backend() {
        DbBackend::Sqlite => "X''",
        _ => "''::bytea",
    }
}

fn event() -> TableCreateStatement {
    Table::create()
        .table("event")
        .col(big_integer("tenant"))
        .col(small_integer("subject_kind").check(Expr::col("subject_kind").gt(0)))
        .col(uuid("subject_id"))
        .col(big_integer("sequence").check(Expr::col("sequence").gt(0)))
        .col(big_integer("position").check(Expr::col("position").gt(0)))
        .col(small_integer("author_kind").check(Expr::col("author_kind").between(1, 3)))
        .col(uuid_null("author_id"))
        .col(text("author_name"))
        .col(big_integer("created_at"))
        // The subject's service numbers its kinds itself.
        .col(small_integer("kind").check(Expr::col("kind").gt(0)))
        // 1: all who take part, 2: staff.
        .col(small_integer("shown").check(Expr::col("shown").between(1, 2)))
        .col(ColumnDef::new("body").blob().not_null())
        .primary_key(Index::create().col("tenant").col("subject_kind").col("subject_id").col("sequence"))
        .to_owned()
}

/// As it was.
fn conversation_event() -> TableCreateStatement {
    Table::create()
        .table("conversation_event")
        .col(big_integer("tenant"))
        .col(uuid("conversation_id"))
        .col(big_integer("sequence").check(Expr::col("sequence").gt(0)))
        .col(big_integer("position").check(Expr::col("position").gt(0)))
        .col(small_integer("author_kind").check(Expr::col("author_kind").between(1, 3)))
        .col(uuid_null("author_id"))
        .col(text("author_name"))
        .col(big_integer("created_at"))
        .col(small_integer("kind").check(Expr::col("kind").between(1, 3)))
        .col(json_binary("fields"))
        .col(big_integer("through_sequence").check(Expr::col("through_sequence").gte(0)))
        .primary_key(Index::create().col("tenant").col("conversation_id").col("sequence"))
        .to_owned()
}

fn by_position(table: &'static str) -> IndexCreateStatement {
    let name = format!("{table}_tenant_position");
    Index::create().name(name).table(table).col("tenant").col("position").unique().to_owned()
}
