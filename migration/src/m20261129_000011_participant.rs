//! Who takes part in a conversation, and who else sees it.
//!
//! An owner takes part from the beginning. All conversations so far are seen by the staff of their tenant too.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

const BY_PERSON: &str = "participant_tenant_person_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(participant()).await?;
        let by_person = Index::create()
            .name(BY_PERSON)
            .table("participant")
            .col("tenant")
            .col("person_id")
            .col("conversation_id")
            .to_owned();
        manager.create_index(by_person).await?;
        let owners = "INSERT INTO participant (tenant, conversation_id, person_id, role, since_sequence) \
                      SELECT tenant, id, owner_id, 1, 1 FROM conversation WHERE owner_id IS NOT NULL";
        manager.get_connection().execute_unprepared(owners).await?;
        // 1: the staff of the tenant, 2: nobody.
        let seen_by =
            small_integer("seen_by").default(1).check(Expr::col("seen_by").between(1, 2)).to_owned();
        manager.alter_table(Table::alter().table("conversation").add_column(seen_by).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let seen_by = Table::alter().table("conversation").drop_column("seen_by").to_owned();
        manager.alter_table(seen_by).await?;
        manager.drop_table(Table::drop().table("participant").to_owned()).await
    }
}

fn participant() -> TableCreateStatement {
    Table::create()
        .table("participant")
        .col(big_integer("tenant"))
        .col(uuid("conversation_id"))
        .col(uuid("person_id"))
        // 1: owner, 2: member.
        .col(small_integer("role").check(Expr::col("role").between(1, 2)))
        .col(big_integer("since_sequence").check(Expr::col("since_sequence").gt(0)))
        .col(big_integer_null("until"))
        .primary_key(Index::create().col("tenant").col("conversation_id").col("person_id"))
        .foreign_key(
            ForeignKey::create()
                .from("participant", ("tenant", "conversation_id"))
                .to("conversation", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("participant_person_user")
                .from("participant", ("tenant", "person_id"))
                .to("user", ("tenant", "id")),
        )
        .to_owned()
}
