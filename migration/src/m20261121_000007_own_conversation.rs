//! A customer's own conversation of a kind, of which there is one at a time; lists by update, and people by e-mail address.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The owner, while it is open or pending and the one that is meant; there may be others of the same owner and kind.
        let current = Table::alter().table("conversation").add_column(uuid_null("current_owner")).to_owned();
        manager.alter_table(current).await?;
        for index in indices() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in INDICES {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        let current = Table::alter().table("conversation").drop_column("current_owner").to_owned();
        manager.alter_table(current).await
    }
}

const OWN: &str = "conversation_tenant_current_owner_kind";

const INDICES: [(&str, &str, &[&str]); 3] = [
    (OWN, "conversation", &["tenant", "current_owner", "kind"]),
    ("conversation_tenant_updated_at_number", "conversation", &["tenant", "updated_at", "number"]),
    ("user_tenant_email", "user", &["tenant", "email"]),
];

fn indices() -> impl Iterator<Item = IndexCreateStatement> {
    INDICES.iter().map(|(name, table, columns)| {
        let mut index = Index::create();
        index.name(*name).table(*table);
        for column in *columns {
            index.col(*column);
        }
        if *name == OWN {
            index.unique();
        }
        index
    })
}
