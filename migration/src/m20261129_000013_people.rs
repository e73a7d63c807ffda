//! People may be disabled, keys know which key made them, and e-mail addresses are written one way.
//!
//! Where an address would become somebody else's too, it stays as it is: whoever signs in by it goes on to. That is told.

use std::collections::{HashMap, HashSet};

use sea_orm_migration::{
    prelude::*,
    schema::*,
    sea_orm::{FromQueryResult, Statement},
};
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(FromQueryResult)]
struct Person {
    tenant: i64,
    id: Uuid,
    username: Option<String>,
    email: String,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let disabled = boolean("disabled").default(false).to_owned();
        manager.alter_table(Table::alter().table("user").add_column(disabled).to_owned()).await?;
        let made_by = uuid_null("made_by");
        manager.alter_table(Table::alter().table("api_key").add_column(made_by).to_owned()).await?;
        write_one_way(manager.get_connection()).await
    }

    /// Addresses stay as they are written now.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [("api_key", "made_by"), ("user", "disabled")] {
            manager.alter_table(Table::alter().table(table).drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}

async fn write_one_way(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let sql = r#"SELECT tenant, id, username, email FROM "user" ORDER BY tenant, number"#;
    let people = Person::find_by_statement(Statement::from_string(backend, sql)).all(db).await?;
    // What somebody is written by already stays theirs.
    let mut taken: HashSet<(i64, String)> = HashSet::new();
    for person in &people {
        let written = person.username.iter().chain([&person.email]).filter(|name| is_written(name));
        taken.extend(written.map(|name| (person.tenant, name.clone())));
    }
    let mut left: HashMap<i64, usize> = HashMap::new();
    for person in people {
        let names = person.username.iter().chain([&person.email]);
        let mut own: HashSet<String> = names.filter(|name| is_written(name)).cloned().collect();
        let mut change = |name: &str| {
            let name = written(name);
            let free = own.contains(&name) || taken.insert((person.tenant, name.clone()));
            free.then(|| {
                own.insert(name.clone());
                name
            })
        };
        let named = person.username.as_deref().filter(|name| name.contains('@') && !is_written(name));
        let addressed = Some(person.email.as_str()).filter(|email| !is_written(email));
        for (column, name) in [("email", addressed), ("username", named)] {
            let Some(name) = name else { continue };
            let Some(name) = change(name) else {
                *left.entry(person.tenant).or_default() += 1;
                continue;
            };
            let sql = format!(r#"UPDATE "user" SET {column} = $1 WHERE tenant = $2 AND id = $3"#);
            let values = [name.into(), person.tenant.into(), person.id.into()];
            db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
        }
    }
    for (tenant, count) in left {
        tracing::warn!(
            tenant,
            count,
            "e-mail addresses differ from another person's by case or spaces alone, and stay as they are; \
             `parlor user list` shows them"
        );
    }
    Ok(())
}

/// RFC 6532 wants NFC; case tells no two mailboxes apart anywhere.
fn written(address: &str) -> String {
    address.trim().nfc().collect::<String>().to_lowercase()
}

fn is_written(name: &str) -> bool {
    written(name) == name
}
