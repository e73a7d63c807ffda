//! Visits of a site, with the last of their pages and actions; and people may choose to be shown as away.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let number = big_integer("visit_number").default(0).to_owned();
        manager.alter_table(Table::alter().table("tenant_counter").add_column(number).to_owned()).await?;
        choices(manager, 4).await?;
        manager.create_table(visit()).await?;
        for (name, columns, is_unique) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table("visit");
            columns.iter().for_each(|column| {
                index.col(*column);
            });
            if *is_unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        manager
            .create_table(of_visit("visit_page", &["page"]).col(big_integer("spent_ms")).to_owned())
            .await?;
        manager.create_table(of_visit("visit_action", &["action", "element"])).await
    }

    /// Who was away is available again.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["visit_action", "visit_page", "visit"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        let sql = "UPDATE presence SET availability = 1 WHERE availability = 4";
        manager.get_connection().execute_unprepared(sql).await?;
        choices(manager, 3).await?;
        manager
            .alter_table(Table::alter().table("tenant_counter").drop_column("visit_number").to_owned())
            .await
    }
}

/// By name: what is looked for in it, and whether it is there once.
const INDEXES: &[(&str, &[&str], bool)] = &[
    ("visit_id", &["tenant", "id"], true),
    ("visit_key", &["tenant", "key"], true),
    // What is listed, in its order; and what retention takes.
    ("visit_seen", &["tenant", "present", "last_seen", "number"], false),
    // Who was left over by a core that is no more, and who has been silent, in all tenants.
    ("visit_connected", &["present", "connected", "last_seen"], false),
    ("visit_person", &["tenant", "person_id", "number"], false),
];

/// How many choices there are: SQLite cannot change a check, so the column is made anew.
async fn choices(manager: &SchemaManager<'_>, many: i16) -> Result<(), DbErr> {
    let alter = || Table::alter().table("presence").to_owned();
    let anew = small_integer("chosen").default(1).check(Expr::col("chosen").between(1, many)).to_owned();
    manager.alter_table(alter().add_column(anew).to_owned()).await?;
    let copy = "UPDATE presence SET chosen = availability";
    manager.get_connection().execute_unprepared(copy).await?;
    manager.alter_table(alter().drop_column("availability").to_owned()).await?;
    manager.alter_table(alter().rename_column("chosen", "availability").to_owned()).await
}

fn visit() -> TableCreateStatement {
    let mut table = Table::create()
        .table("visit")
        .col(big_integer("tenant"))
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .col(uuid("id"))
        .col(text("key").check(Expr::col("key").ne("")))
        .col(text("visitor_key"))
        .col(uuid_null("person_id"))
        .col(small_integer("state").check(Expr::col("state").between(1, 3)))
        // The state is not that it was left.
        .col(boolean("present"))
        // A connection of the life lives, or lingers.
        .col(boolean("connected"))
        // The life of a core that has written the state last, and the turn at which it decided so.
        .col(text("epoch"))
        .col(big_integer("turn"))
        .col(big_integer("first_seen"))
        .col(big_integer("last_seen"))
        .to_owned();
    for column in PROFILE {
        table.col(text(*column));
    }
    table
        .col(text("current_page"))
        .col(big_integer("page_at"))
        .col(big_integer("page_spent_ms"))
        .col(big_integer("page_count"))
        .col(big_integer("action_count"))
        .col(big_integer("spent_ms"))
        .primary_key(Index::create().col("tenant").col("number"))
        .foreign_key(
            ForeignKey::create()
                .from("visit", ("tenant", "person_id"))
                .to("user", ("tenant", "id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

const PROFILE: &[&str] =
    &["landing_page", "referrer", "device", "browser", "os", "ip_address", "country", "city"];

/// What happened in visits, numbered in each.
fn of_visit(name: &'static str, texts: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create()
        .table(name)
        .col(big_integer("tenant"))
        .col(big_integer("visit_number"))
        .col(big_integer("number"))
        .to_owned();
    for column in texts {
        table.col(text(*column));
    }
    table
        .col(big_integer("at"))
        .primary_key(Index::create().col("tenant").col("visit_number").col("number"))
        .foreign_key(
            ForeignKey::create()
                .from(name, ("tenant", "visit_number"))
                .to("visit", ("tenant", "number"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
