//! Money: accounts, what was booked on them, what is held, and by which rules.
//!
//! The schema holds what must never fail: nobody's money is below zero, a key is booked once, a transaction is taken back
//! once, and what is booked is never changed. That the entries of a transaction sum to zero is the posting's own rule, and
//! `VerifyLedger` proves it.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [account(), transaction(), entry(), hold(), policy()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        for sql in seal(manager.get_database_backend()) {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    /// The numbers of the events that told of wallets are given out, so they stay, as events of a kind that nobody knows.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["billing_policy", "ledger_hold", "ledger_entry", "ledger_transaction", "ledger_account"]
        {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared("DROP FUNCTION ledger_entry_is_final").await?;
        }
        Ok(())
    }
}

/// What is booked is final.
fn seal(backend: DbBackend) -> &'static [&'static str] {
    if backend == DbBackend::Sqlite {
        &[
            "CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry \
             BEGIN SELECT RAISE(ABORT, 'what is booked is final'); END",
            "CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry \
             BEGIN SELECT RAISE(ABORT, 'what is booked is final'); END",
        ]
    } else {
        &[
            "CREATE FUNCTION ledger_entry_is_final() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'what is booked is final'; END $$",
            "CREATE TRIGGER ledger_entry_no_change BEFORE UPDATE OR DELETE ON ledger_entry \
             FOR EACH ROW EXECUTE FUNCTION ledger_entry_is_final()",
        ]
    }
}

fn indexes() -> [IndexCreateStatement; 6] {
    let on = |name: &str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table(table);
        for column in columns {
            index.col(*column);
        }
        index
    };
    [
        on("ledger_account_tenant_owner", "ledger_account", &["tenant", "owner"]),
        on("ledger_account_tenant_wallet", "ledger_account", &["tenant", "wallet"]),
        on("ledger_transaction_tenant_key", "ledger_transaction", &["tenant", "key"]).unique().to_owned(),
        on("ledger_transaction_tenant_id", "ledger_transaction", &["tenant", "id"]).unique().to_owned(),
        on("ledger_transaction_tenant_refunds", "ledger_transaction", &["tenant", "refunds"])
            .unique()
            .to_owned(),
        on("ledger_entry_tenant_wallet", "ledger_entry", &["tenant", "wallet", "number", "line"]),
    ]
}

fn account() -> TableCreateStatement {
    Table::create()
        .table("ledger_account")
        .col(big_integer("tenant"))
        .col(uuid("id"))
        // 1: available, 2: held, 3: earnings, of a person; 4: issued, 5: revenue, of the tenant.
        .col(small_integer("kind").check(Expr::col("kind").between(1, 5)))
        // Whose it is; nobody's if it is the tenant's, or if whoever had it was erased.
        .col(uuid_null("owner"))
        // What belongs together of one person and unit; none for the tenant's own.
        .col(uuid_null("wallet"))
        .col(text("unit"))
        .col(big_integer("balance"))
        // The sequence of the account's last entry.
        .col(big_integer("last_sequence"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .check(Expr::col("balance").gte(0).or(Expr::col("kind").gt(3)))
        .to_owned()
}

fn transaction() -> TableCreateStatement {
    Table::create()
        .table("ledger_transaction")
        .col(big_integer("tenant"))
        // Gapless in the tenant.
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .col(uuid("id"))
        .col(small_integer("kind").check(Expr::col("kind").between(1, 7)))
        .col(text("key"))
        .col(text("unit"))
        .col(big_integer("amount").check(Expr::col("amount").gt(0)))
        // What it is about.
        .col(small_integer_null("subject_kind"))
        .col(uuid_null("subject_id"))
        // The transaction that it takes back.
        .col(uuid_null("refunds"))
        .col(text("note"))
        .col(text("made_by"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("number"))
        .to_owned()
}

fn entry() -> TableCreateStatement {
    Table::create()
        .table("ledger_entry")
        .col(big_integer("tenant"))
        .col(big_integer("number"))
        .col(small_integer("line"))
        .col(uuid("account"))
        .col(small_integer("account_kind"))
        .col(uuid_null("wallet"))
        // Gapless in the account.
        .col(big_integer("sequence").check(Expr::col("sequence").gt(0)))
        .col(big_integer("amount").check(Expr::col("amount").ne(0)))
        // Of the account after it.
        .col(big_integer("balance"))
        // The transaction's.
        .col(small_integer("kind"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("number").col("line"))
        .index(
            Index::create()
                .name("ledger_entry_tenant_account_sequence")
                .unique()
                .col("tenant")
                .col("account")
                .col("sequence"),
        )
        .to_owned()
}

fn hold() -> TableCreateStatement {
    Table::create()
        .table("ledger_hold")
        .col(big_integer("tenant"))
        .col(small_integer("subject_kind"))
        .col(uuid("subject_id"))
        // The account that it is held on.
        .col(uuid("account"))
        .col(text("unit"))
        .col(big_integer("remaining").check(Expr::col("remaining").gte(0)))
        .col(big_integer("charged").check(Expr::col("charged").gte(0)))
        .col(big_integer("released").check(Expr::col("released").gte(0)))
        .col(big_integer("created_at"))
        // By which order it was begun, and by which it was ended and when.
        .col(text("begun_by"))
        .col(text_null("ended_by"))
        .col(big_integer_null("ended_at"))
        .primary_key(Index::create().col("tenant").col("subject_kind").col("subject_id"))
        .check(Expr::col("ended_at").is_null().or(Expr::col("remaining").eq(0)))
        .to_owned()
}

fn policy() -> TableCreateStatement {
    Table::create()
        .table("billing_policy")
        .col(big_integer("tenant"))
        .col(big_integer("version").check(Expr::col("version").gt(0)))
        .col(text("unit"))
        // 1: per second, 2: per started minute.
        .col(small_integer("rounding").check(Expr::col("rounding").between(1, 2)))
        .col(big_integer("minimum_amount").check(Expr::col("minimum_amount").gte(0)))
        .col(big_integer("free_seconds").check(Expr::col("free_seconds").gte(0)))
        .col(big_integer("warn_seconds").check(Expr::col("warn_seconds").gte(0)))
        .col(big_integer("hold_seconds").check(Expr::col("hold_seconds").gt(0)))
        .col(big_integer("commission").check(Expr::col("commission").between(0, 10_000)))
        .col(big_integer("welcome_bonus").check(Expr::col("welcome_bonus").gte(0)))
        .col(text("note"))
        .col(text("made_by"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("version"))
        .to_owned()
}
