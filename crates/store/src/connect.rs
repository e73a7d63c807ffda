//! Connections: one that writes, and a pool that reads.
//!
//! What is acknowledged is durable, so the writing connection asks for it itself and does not rely on the server's
//! configuration: SQLite in WAL mode with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on`.

use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions as _,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, failure::Failure};

/// How long to wait for a connection, new or free. Longer than a restart of a local PostgreSQL, shorter than a caller's
/// patience.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long SQLite waits for a lock that another process holds, such as a backup.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages SQLite keeps in memory for each connection: 16 MiB (negative is KiB).
const SQLITE_CACHE_SIZE: &str = "-16384";
/// Pages of write-ahead log between checkpoints: 16 MiB. A batch dirties a hundred or two, and each checkpoint flushes the
/// database file too; recovery after a crash reads at most about this much.
const SQLITE_CHECKPOINT_PAGES: &str = "4096";
/// Distinct statements kept prepared on a connection: about 60 shapes of the writer, most of them batch sizes, and reads.
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

    /// The connection that writes. A pool of one, because that is what begins transactions.
    pub(crate) async fn writer(&self) -> Result<DatabaseConnection, Failure> {
        match self {
            Self::Sqlite(options) => {
                let pool = kept(SqlitePoolOptions::new()).connect_with(options.as_ref().clone()).await?;
                Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
            }
            Self::Postgres(options) => {
                // READ COMMITTED: after a wait for the tenant's row, the statements that follow see what the holder did.
                let durable = options.as_ref().clone().options(BY_KEY).options([
                    ("synchronous_commit", "on"),
                    ("default_transaction_isolation", "read committed"),
                ]);
                let pool = kept(PgPoolOptions::new()).connect_with(durable).await?;
                Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
            }
        }
    }

    /// The connections that read; opened when they are needed, and unable to write.
    pub(crate) fn readers(&self, connections: u32) -> DatabaseConnection {
        let connections = connections.max(1);
        match self {
            Self::Sqlite(options) => {
                let pool =
                    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
                let read_only = options.as_ref().clone().pragma("query_only", "ON");
                SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_lazy_with(read_only))
            }
            Self::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
                let read_only = options
                    .as_ref()
                    .clone()
                    .options(BY_KEY)
                    .options([("default_transaction_read_only", "on")]);
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(read_only))
            }
        }
    }
}

/// A pool of one connection, which is kept for as long as it works.
fn kept<D: sqlx::Database>(pool: PoolOptions<D>) -> PoolOptions<D> {
    pool.max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

    use super::*;

    #[tokio::test]
    async fn neither_who_writes_nor_who_reads_keeps_a_plan_that_scans() {
        let database = parlor_testdb::Database::create();
        let target = Target::parse(&database.url()).unwrap();
        for connection in [target.writer().await.unwrap(), target.readers(1)] {
            for (name, expected) in BY_KEY {
                let show = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
                let shown = connection.query_one_raw(show).await.unwrap().unwrap();
                assert_eq!(shown.try_get_by_index::<String>(0).unwrap(), expected, "{name}");
            }
            connection.close().await.unwrap();
        }
    }
}
