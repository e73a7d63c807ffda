//! The schema, as dated steps. A step never changes once it is released; a change is a new step.
//!
//! Steps name their columns themselves and import no entity, so that an old step keeps meaning what it meant. Every key
//! begins with the tenant. The same steps run on SQLite and PostgreSQL.
//!
//! To add one: a new file `m<date>_<number>_<what>.rs` with `up` and `down`, a line in [`Migrator`], and the entity.

mod m20261121_000001_directory;
mod m20261121_000002_credentials;
mod m20261121_000003_chat;
mod m20261121_000004_idempotency;
mod m20261121_000005_presence;
mod m20261121_000006_external_id;
mod m20261121_000007_own_conversation;
mod m20261128_000008_event;
mod m20261129_000009_reaction;
mod m20261129_000010_message_payload;
mod m20261129_000011_participant;
mod m20261129_000012_home;
mod m20261129_000013_people;
mod m20261129_000014_erasure;
mod m20261129_000015_floor;
mod m20261129_000016_people_revision;
mod m20261129_000017_message_number;
mod m20261130_000018_ledger;
mod m20261130_000019_session;
mod m20261130_000020_visit;

use sea_orm_migration::{
    MigrationStatus,
    prelude::*,
    sea_orm::{ConnectOptions, Database, DatabaseConnection},
};

/// Why the schema could not be read or changed. Steps before the failed one stay applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        // As text: its own text has its cause's in it, and would be told again with the cause.
        Self(error.to_string())
    }
}

/// Any number; every Parlor node asks PostgreSQL for the same one, so that two that start together take turns.
const ADVISORY_LOCK: i64 = 0x7061_726c_6f72;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_directory::Migration),
            Box::new(m20261121_000002_credentials::Migration),
            Box::new(m20261121_000003_chat::Migration),
            Box::new(m20261121_000004_idempotency::Migration),
            Box::new(m20261121_000005_presence::Migration),
            Box::new(m20261121_000006_external_id::Migration),
            Box::new(m20261121_000007_own_conversation::Migration),
            Box::new(m20261128_000008_event::Migration),
            Box::new(m20261129_000009_reaction::Migration),
            Box::new(m20261129_000010_message_payload::Migration),
            Box::new(m20261129_000011_participant::Migration),
            Box::new(m20261129_000012_home::Migration),
            Box::new(m20261129_000013_people::Migration),
            Box::new(m20261129_000014_erasure::Migration),
            Box::new(m20261129_000015_floor::Migration),
            Box::new(m20261129_000016_people_revision::Migration),
            Box::new(m20261129_000017_message_number::Migration),
            Box::new(m20261130_000018_ledger::Migration),
            Box::new(m20261130_000019_session::Migration),
            Box::new(m20261130_000020_visit::Migration),
        ]
    }
}

/// Applies every step that is not applied yet. A missing SQLite file is created.
pub async fn up(url: &str) -> Result<(), Error> {
    let turn = Turn::take(url).await?;
    Migrator::up(&turn.database, None).await?;
    turn.end().await
}

/// Takes back the last `steps` steps that are applied, and what they stored. Answers how many there were to take back.
pub async fn down(url: &str, steps: u32) -> Result<u32, Error> {
    let turn = Turn::take(url).await?;
    let known = Migrator::get_migration_with_status(&turn.database).await?;
    let applied = known.iter().filter(|step| step.status() == MigrationStatus::Applied).map(|_| 1_u32).sum();
    let steps = std::cmp::min(steps, applied);
    Migrator::down(&turn.database, Some(steps)).await?;
    turn.end().await?;
    Ok(steps)
}

/// Every step, oldest first, and whether it is applied.
pub async fn status(url: &str) -> Result<Vec<(String, bool)>, Error> {
    let turn = Turn::take(url).await?;
    let steps = Migrator::get_migration_with_status(&turn.database).await?;
    turn.end().await?;
    Ok(steps
        .iter()
        .map(|step| (step.name().to_owned(), matches!(step.status(), MigrationStatus::Applied)))
        .collect())
}

/// The names of the steps that this version knows, oldest first.
#[must_use]
pub fn steps() -> Vec<String> {
    Migrator::migrations().iter().map(|step| step.name().to_owned()).collect()
}

/// The right to change the schema: on PostgreSQL an advisory lock on a connection of its own, which ends with it.
struct Turn {
    database: DatabaseConnection,
    lock: Option<DatabaseConnection>,
}

impl Turn {
    async fn take(url: &str) -> Result<Self, Error> {
        if url.starts_with("sqlite:") {
            let create = if url.contains('?') { url.to_owned() } else { format!("{url}?mode=rwc") };
            create_private(url)?;
            return Ok(Self { database: connect(&create).await?, lock: None });
        }
        let lock = connect(url).await?;
        lock.execute_unprepared(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})")).await?;
        Ok(Self { database: connect(url).await?, lock: Some(lock) })
    }

    async fn end(self) -> Result<(), Error> {
        self.database.close().await?;
        if let Some(lock) = self.lock {
            lock.close().await?;
        }
        Ok(())
    }
}

/// Creates the file of a SQLite database for its owner alone, if it is not there. SQLite gives its other files the same mode.
fn create_private(url: &str) -> Result<(), Error> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    if path.contains('?') || path.is_empty() || path.contains(":memory:") {
        return Ok(());
    }
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error(format!("{path} cannot be created: {error}"))),
    }
}

async fn connect(url: &str) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new(url);
    // One connection: SQLite has one writer, and the advisory lock belongs to its connection.
    options.max_connections(1).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}
