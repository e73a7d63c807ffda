//! Leaves nothing in SQLite's files of what was removed or changed.

use sqlx::SqliteConnection;

use crate::failure::Failure;

/// A database up to this size is written anew while others wait to write: some tenths of a second.
const COMPACT_BYTES_MAX: i64 = 32 * 1024 * 1024;
/// <https://sqlite.org/rescode.html>
const SQLITE_BUSY: &str = "5";

/// What a scrub has left in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    /// Nothing of what is gone. PostgreSQL keeps it until it is vacuumed.
    Clean,
    /// The database is too large to be written anew beside others: unused space of its pages may hold copies.
    Large,
    /// Somebody reads or writes: it is to be tried again.
    Busy,
}

/// See [`crate::connect::Target::scrub`].
pub(crate) async fn scrub(connection: &mut SqliteConnection, compacts: bool) -> Result<Scrubbed, Failure> {
    let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(&mut *connection).await?;
    let (page_size,): (i64,) = sqlx::query_as("PRAGMA page_size").fetch_one(&mut *connection).await?;
    let is_small = pages.saturating_mul(page_size) <= COMPACT_BYTES_MAX;
    if compacts && is_small {
        match sqlx::query("VACUUM").execute(&mut *connection).await {
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(SQLITE_BUSY) => {
                return Ok(Scrubbed::Busy);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let (busy, ..): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
    Ok(match busy {
        0 if compacts && !is_small => Scrubbed::Large,
        0 => Scrubbed::Clean,
        _ => Scrubbed::Busy,
    })
}
