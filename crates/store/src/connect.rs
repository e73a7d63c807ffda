//! Connections: one that writes, and some that read.
//!
//! What is acknowledged is durable, so the writing connection asks for it itself and does not rely on the server's
//! configuration: SQLite in WAL mode with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on`.

use std::time::Duration;

use sea_orm::SqlxPostgresConnector;
use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use tokio::time::timeout;

use crate::{
    Error,
    connection::Connection,
    failure::Failure,
    readers::{Readers, SqliteReaders},
    scrub::{Scrubbed, scrub},
};

/// How long to wait for a connection, new or free. Longer than a restart of a local PostgreSQL, shorter than a caller's
/// patience.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long SQLite waits for a lock that another process holds, such as a backup.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a scrub waits for others.
const SCRUB_BUSY_TIMEOUT: Duration = Duration::from_millis(50);
/// Pages SQLite keeps in memory for each connection: 16 MiB (negative is KiB).
const SQLITE_CACHE_SIZE: &str = "-16384";
/// Pages of write-ahead log between checkpoints: 16 MiB. A batch dirties a hundred or two, and each checkpoint flushes the
/// database file too; recovery after a crash reads at most about this much.
const SQLITE_CHECKPOINT_PAGES: &str = "4096";
/// Distinct statements kept prepared on a connection, the least lately used of which go. Sizes are powers of two, so the
/// commonest are some dozens; to SQLite a script is one of them.
const STATEMENT_CACHE: usize = 256;

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

/// Whatever is read is read by a key or in the order of an index. A plan that was made while a table was small, and is kept
/// for the prepared statement, must not scan it when it is large.
const BY_KEY: [(&str, &str); 3] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];

impl Target {
    /// Reads `sqlite://PATH` or `postgres://…`.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let unreadable = |error: sqlx::Error| Error::Defect(format!("database url: {error}"));
        if url.starts_with("sqlite:") {
            let options: SqliteConnectOptions = url.parse().map_err(unreadable)?;
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
                .foreign_keys(true)
                .pragma("cache_size", SQLITE_CACHE_SIZE)
                // What is erased is overwritten, also in pages that are free.
                .pragma("secure_delete", "ON")
                .pragma("wal_autocheckpoint", SQLITE_CHECKPOINT_PAGES)
                // Statements over many rows sort and join in small temporary tables.
                .pragma("temp_store", "MEMORY")
                .statement_cache_capacity(STATEMENT_CACHE)
                .disable_statement_logging();
            Ok(Self::Sqlite(Box::new(options)))
        } else {
            let options: PgConnectOptions = url.parse().map_err(unreadable)?;
            let options = options
                .application_name("parlor")
                .statement_cache_capacity(STATEMENT_CACHE)
                .disable_statement_logging();
            Ok(Self::Postgres(Box::new(options)))
        }
    }

    /// The connection that writes.
    pub(crate) async fn writer(&self) -> Result<Connection, Failure> {
        let connecting = async {
            match self {
                Self::Sqlite(options) => Ok(Connection::from(options.connect().await?)),
                Self::Postgres(options) => {
                    // READ COMMITTED: after a wait for the tenant's row, the statements that follow see what the holder did.
                    let durable = options.as_ref().clone().options(BY_KEY).options([
                        ("synchronous_commit", "on"),
                        ("default_transaction_isolation", "read committed"),
                    ]);
                    Ok(Connection::from(durable.connect().await?))
                }
            }
        };
        let connected = timeout(ACQUIRE_TIMEOUT, connecting).await;
        connected.unwrap_or_else(|_| Err(Failure::Lost("the database does not answer".to_owned())))
    }

    /// Leaves nothing in SQLite's files of what was removed or changed, as far as can be done without holding anybody up:
    /// the log is brought into the database and emptied, and where `compacts`, a small database is written anew, because the
    /// unused space of pages holds copies of what was moved between them. It waits for no reader, since whoever writes
    /// would wait with it.
    pub(crate) async fn scrub(&self, compacts: bool) -> Result<Scrubbed, Failure> {
        let Self::Sqlite(options) = self else { return Ok(Scrubbed::Clean) };
        let options = options.as_ref().clone().busy_timeout(SCRUB_BUSY_TIMEOUT);
        let mut connection = options.connect().await?;
        let scrubbed = scrub(&mut connection, compacts).await;
        connection.close().await?;
        scrubbed
    }

    /// The connections that read; opened when they are needed, and unable to write.
    pub(crate) fn readers(&self, connections: u32) -> Readers {
        let connections = connections.max(1);
        match self {
            Self::Sqlite(options) => {
                let read_only = options.as_ref().clone().pragma("query_only", "ON");
                SqliteReaders::new(read_only, connections, ACQUIRE_TIMEOUT).into()
            }
            Self::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
                let read_only = options
                    .as_ref()
                    .clone()
                    .options(BY_KEY)
                    .options([("default_transaction_read_only", "on")]);
                let pool = pool.connect_lazy_with(read_only);
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool).into()
            }
        }
    }
}

/// Where a PostgreSQL database is and who opens it, without what proves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPlace {
    /// A name or an address, or the folder of a socket.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
}

impl PostgresPlace {
    /// Of a database's URL; `None` for one of SQLite.
    pub fn of(url: &str) -> Result<Option<Self>, Error> {
        let Target::Postgres(options) = Target::parse(url)? else { return Ok(None) };
        let socket = options.get_socket().map(|folder| folder.display().to_string());
        let user = options.get_username().to_owned();
        Ok(Some(Self {
            host: socket.unwrap_or_else(|| options.get_host().to_owned()),
            port: options.get_port(),
            database: options.get_database().unwrap_or(&user).to_owned(),
            user,
        }))
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, Statement};

    use super::*;

    #[tokio::test]
    async fn neither_who_writes_nor_who_reads_keeps_a_plan_that_scans() {
        let database = parlor_testdb::Database::create();
        let target = Target::parse(&database.url()).unwrap();
        let (writer, readers) = (target.writer().await.unwrap(), target.readers(1));
        scans_nothing(&writer).await;
        scans_nothing(&readers).await;
        writer.close().await.unwrap();
        readers.close().await.unwrap();
    }

    async fn scans_nothing(connection: &impl sea_orm::ConnectionTrait) {
        for (name, expected) in BY_KEY {
            let show = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
            let shown = connection.query_one_raw(show).await.unwrap().unwrap();
            assert_eq!(shown.try_get_by_index::<String>(0).unwrap(), expected, "{name}");
        }
    }
}
