//! Sessions: what was asked of whom and what became of it, who is reserved, who can be asked, and what a tenant wants of it.
//!
//! Three things are the schema's: a person is in one exclusive session at most, two people have one live session at most,
//! and a catalogue's id names one provider.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEXES: [&str; 11] = [
    "CREATE UNIQUE INDEX session_tenant_number ON session (tenant, number)",
    // Pending or active.
    "CREATE UNIQUE INDEX session_live_pair ON session (tenant, payer_id, provider_id) WHERE state <= 2",
    "CREATE INDEX session_live_provider ON session (tenant, provider_id, number) WHERE state <= 2",
    "CREATE INDEX session_tenant_payer ON session (tenant, payer_id, number)",
    "CREATE INDEX session_tenant_provider ON session (tenant, provider_id, number)",
    "CREATE INDEX session_tenant_payer_position ON session (tenant, payer_id, last_position)",
    "CREATE INDEX session_tenant_provider_position ON session (tenant, provider_id, last_position)",
    "CREATE INDEX session_pending ON session (expires_at) WHERE state = 1",
    // Active, and charged.
    "CREATE INDEX session_metered ON session (meter_at) WHERE state = 2 AND meter_at IS NOT NULL",
    "CREATE INDEX reservation_session ON reservation (tenant, session_id)",
    "CREATE UNIQUE INDEX provider_catalogue ON provider (tenant, catalogue_id) WHERE catalogue_id IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [session(), reservation(), provider(), policy()] {
            manager.create_table(table).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        let number = big_integer("session_number").default(0).to_owned();
        manager.alter_table(Table::alter().table("tenant_counter").add_column(number).to_owned()).await
    }

    /// Positions that were given to events of sessions stay given out: they are told as of an unknown kind.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let number = Table::alter().table("tenant_counter").drop_column("session_number").to_owned();
        manager.alter_table(number).await?;
        for table in ["session_policy", "provider", "reservation", "session"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn session() -> TableCreateStatement {
    let person = |name: &'static str, column: &'static str| {
        ForeignKey::create()
            .name(name)
            .from("session", ("tenant", column))
            .to("user", ("tenant", "id"))
            .to_owned()
    };
    Table::create()
        .table("session")
        .col(big_integer("tenant"))
        .col(uuid("id"))
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        // 1: chat, 2: audio, 3: video, 4: invitation.
        .col(small_integer("kind").check(Expr::col("kind").between(1, 4)))
        // 1: pending, 2: active, 3: ended, 4: declined, 5: cancelled, 6: expired.
        .col(small_integer("state").check(Expr::col("state").between(1, 6)))
        // Null once they are erased.
        .col(uuid_null("payer_id"))
        .col(uuid_null("provider_id"))
        .col(boolean("offered"))
        .col(big_integer("rate").check(Expr::col("rate").gte(0)))
        // The version of the tenant's rules of billing that it is charged by; 0 if it is not charged.
        .col(big_integer("billing_version").check(Expr::col("billing_version").gte(0)))
        .col(big_integer("charged").check(Expr::col("charged").gte(0)))
        // While it is active and charged: until when it is paid for, when the clock looks again, and that there is no more.
        .col(big_integer_null("paid_until"))
        .col(big_integer_null("meter_at"))
        .col(boolean("runs_out"))
        .col(text("topic"))
        .col(text("intake"))
        .col(big_integer("requested_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("accepted_at"))
        .col(big_integer_null("ended_at"))
        .col(uuid_null("ended_by"))
        // 1: a party, 2: the staff, 3: a party was erased, 4: nobody paid for more.
        .col(small_integer_null("end_reason").check(Expr::col("end_reason").between(1, 4)))
        .col(text("note"))
        .col(uuid_null("conversation_id"))
        .col(big_integer("last_sequence").check(Expr::col("last_sequence").gte(0)))
        .col(big_integer("last_position").check(Expr::col("last_position").gte(0)))
        .primary_key(Index::create().col("tenant").col("id"))
        .foreign_key(&mut person("session_payer_user", "payer_id"))
        .foreign_key(&mut person("session_provider_user", "provider_id"))
        .to_owned()
}

fn reservation() -> TableCreateStatement {
    Table::create()
        .table("reservation")
        .col(big_integer("tenant"))
        .col(uuid("person_id"))
        .col(uuid("session_id"))
        .primary_key(Index::create().col("tenant").col("person_id"))
        .foreign_key(
            ForeignKey::create()
                .name("reservation_session_session")
                .from("reservation", ("tenant", "session_id"))
                .to("session", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn provider() -> TableCreateStatement {
    let rate = |column: &'static str| big_integer_null(column).check(Expr::col(column).gte(0)).to_owned();
    Table::create()
        .table("provider")
        .col(big_integer("tenant"))
        .col(uuid("user_id"))
        .col(string_null("catalogue_id"))
        .col(text("headline"))
        .col(text("catalogue"))
        // In minor units for each minute; null where the kind is not offered.
        .col(rate("rate_chat"))
        .col(rate("rate_audio"))
        .col(rate("rate_video"))
        .col(boolean("accepts_requests"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("tenant").col("user_id"))
        .foreign_key(
            ForeignKey::create()
                .name("provider_user_user")
                .from("provider", ("tenant", "user_id"))
                .to("user", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn policy() -> TableCreateStatement {
    Table::create()
        .table("session_policy")
        .col(big_integer("tenant"))
        .col(big_integer("request_lifetime_ms").check(Expr::col("request_lifetime_ms").gt(0)))
        .col(boolean("payers_exclusive"))
        .primary_key(Index::create().col("tenant"))
        .to_owned()
}
