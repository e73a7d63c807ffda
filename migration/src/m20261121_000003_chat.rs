//! Conversations, their messages, their other events, and read marks.
//!
//! Messages and other events share one sequence per conversation and one position per tenant. Messages have no foreign
//! key to their conversation: the writer reads it under the tenant's lock in the same transaction, and a check per row
//! would cost more than the row.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(conversation()).await?;
        manager.create_index(unique("conversation", &["tenant", "key"])).await?;
        manager.create_index(unique("conversation", &["tenant", "number"])).await?;
        // The list of a tenant, newest first, and the page of one owner.
        manager.create_index(index("conversation", &["tenant", "customer_active_at", "number"])).await?;
        manager.create_index(index("conversation", &["tenant", "owner_id"])).await?;
        manager.create_table(message()).await?;
        manager.create_index(unique("message", &["tenant", "position"])).await?;
        manager.create_index(unique("message", &["tenant", "number"])).await?;
        // The request first: ids that rise with time stay together, whatever the conversations of a batch.
        let request = ["tenant", "request_id", "author_key", "conversation_id"];
        manager.create_index(unique("message", &request)).await?;
        manager.create_table(conversation_event()).await?;
        manager.create_index(unique("conversation_event", &["tenant", "position"])).await?;
        manager.create_table(read_mark()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["read_mark", "conversation_event", "message", "conversation"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn conversation() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("conversation")
        .col(big_integer("tenant"))
        .col(uuid("id"))
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .col(text_null("key"))
        .col(text("kind"))
        .col(small_integer("status").check(Expr::col("status").between(1, 3)))
        .col(uuid_null("owner_id"))
        .col(uuid_null("assignee_id"))
        .col(json_binary("tags"))
        .col(boolean("waiting"))
        .col(boolean("unanswered"))
        .col(big_integer("unread_count").check(Expr::col("unread_count").gte(0)))
        .col(big_integer("staff_read_sequence"))
        .col(big_integer_null("staff_read_at"))
        .col(big_integer("last_sequence").check(Expr::col("last_sequence").gte(0)))
        .col(big_integer("last_message_sequence"))
        .col(big_integer("floor_sequence").check(Expr::col("floor_sequence").gte(1)))
        .col(big_integer("cleared_sequence"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .col(big_integer("customer_active_at"))
        .check(Expr::col("last_message_sequence").lte(Expr::col("last_sequence")))
        .check(Expr::col("staff_read_sequence").lte(Expr::col("last_sequence")))
        .check(Expr::col("cleared_sequence").lte(Expr::col("last_sequence")))
        .primary_key(Index::create().col("tenant").col("id"))
        .foreign_key(ForeignKey::create().from("conversation", "tenant").to("tenant", "id"));
    for person in ["owner_id", "assignee_id"] {
        table.foreign_key(
            ForeignKey::create()
                .name(format!("conversation_{person}_user"))
                .from("conversation", ("tenant", person))
                .to("user", ("tenant", "id")),
        );
    }
    table
}

/// The columns that every numbered event has.
fn numbered(table: &'static str) -> TableCreateStatement {
    Table::create()
        .table(table)
        .col(big_integer("tenant"))
        .col(uuid("conversation_id"))
        .col(big_integer("sequence").check(Expr::col("sequence").gt(0)))
        .col(big_integer("position").check(Expr::col("position").gt(0)))
        .col(small_integer("author_kind").check(Expr::col("author_kind").between(1, 3)))
        .col(uuid_null("author_id"))
        .col(text("author_name"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("conversation_id").col("sequence"))
        .to_owned()
}

fn message() -> TableCreateStatement {
    numbered("message")
        .col(uuid("id"))
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .col(text("author_key").check(Expr::col("author_key").ne("")))
        .col(text_null("request_id"))
        .col(text("text"))
        .to_owned()
}

fn conversation_event() -> TableCreateStatement {
    numbered("conversation_event")
        // 1: created, 2: fields changed, 3: read.
        .col(small_integer("kind").check(Expr::col("kind").between(1, 3)))
        .col(json_binary("fields"))
        .col(big_integer("through_sequence").check(Expr::col("through_sequence").gte(0)))
        .to_owned()
}

fn read_mark() -> TableCreateStatement {
    Table::create()
        .table("read_mark")
        .col(big_integer("tenant"))
        .col(uuid("conversation_id"))
        // A user's id; empty for the guest.
        .col(text("reader"))
        .col(big_integer("through_sequence").check(Expr::col("through_sequence").gt(0)))
        .col(big_integer("read_at"))
        .primary_key(Index::create().col("tenant").col("conversation_id").col("reader"))
        .foreign_key(
            ForeignKey::create()
                .from("read_mark", ("tenant", "conversation_id"))
                .to("conversation", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(format!("{table}_{}", columns.join("_"))).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(table, columns).unique().to_owned()
}
