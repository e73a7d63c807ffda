//! A SQLite database as one file: copied while it is in use, looked through, made ready to be served from.
//!
//! A copy is made by `VACUUM INTO`, on a connection of its own that can only read: it is one snapshot, taken between two
//! commits, and in WAL mode a reader holds up no writer. The backup API would begin anew whenever another process writes, and
//! so never end beside a busy server. SQLite does not flush what `VACUUM INTO` writes; whoever asks for it does.

use std::{path::Path, str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

/// How long to wait for a lock that another process holds: a checkpoint's is a matter of milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Whoever has a database open has it open for longer than this, but for a command that looks and is gone.
const ALONE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a file could not be copied, read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What is in it is no database, or not a whole one, or not one of Parlor.
    #[error("{0}")]
    Damaged(String),
    /// Another process has it open.
    #[error("another process has it open")]
    InUse,
    #[error("{0}")]
    Failed(String),
}

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The steps of the schema that are applied, oldest first.
    pub steps: Vec<String>,
    pub tenants: Vec<HeldOfTenant>,
}

/// What a database holds of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOfTenant {
    pub slug: String,
    pub people: i64,
    pub conversations: i64,
    pub messages: i64,
    /// The place of its newest event in its order.
    pub position: i64,
}

/// Copies the database of a URL into a file, which is not there yet or is empty.
pub async fn copy(url: &str, into: &Path) -> Result<(), Error> {
    let into = into.to_str().ok_or_else(|| Error::Failed("the file's name is not UTF-8".to_owned()))?;
    let options = SqliteConnectOptions::from_str(url)?.read_only(true).create_if_missing(false);
    let mut connection = connect(options.busy_timeout(BUSY_TIMEOUT)).await?;
    sqlx::query("VACUUM INTO ?").bind(into).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Reads all of a file that nobody writes to, and says what it holds. A log beside it is not looked at.
pub async fn look(file: &Path) -> Result<Held, Error> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
    let mut connection = connect(options).await?;
    let held = held(&mut connection, file).await;
    connection.close().await?;
    held
}

/// Makes a copy what a database is when its last core has ended well, each life at its last renewal: the next core takes
/// over at once whom they left online, and waits for none of them. Answers how many lives had not ended.
pub async fn settle(file: &Path) -> Result<u64, Error> {
    let mut connection = connect(alone(file)).await?;
    let known = "SELECT count(*) FROM sqlite_master WHERE name = 'node_epoch'";
    let mut ended = 0;
    if sqlx::query(known).fetch_one(&mut connection).await?.try_get::<i64, _>(0)? > 0 {
        let end = "UPDATE node_epoch SET ended_at = renewed_at WHERE ended_at IS NULL";
        ended = sqlx::query(end).execute(&mut connection).await?.rows_affected();
    }
    connection.close().await?;
    Ok(ended)
}

/// Brings all that is in a database's log into its file. Fails if another process has it open, as long as that does.
pub async fn close(file: &Path) -> Result<(), Error> {
    connect(alone(file)).await?.close().await?;
    Ok(())
}

/// Without a log of its own beside the file, which nobody can have who is not alone with it.
fn alone(file: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Delete);
    options.busy_timeout(ALONE_TIMEOUT)
}

async fn connect(options: SqliteConnectOptions) -> Result<SqliteConnection, Error> {
    Ok(options.disable_statement_logging().connect().await?)
}

/// Fails if a file is shorter than its pages: SQLite reads what is cut off the last one as zeros.
async fn require_all_pages(connection: &mut SqliteConnection, file: &Path) -> Result<(), Error> {
    let mut bytes = 1;
    for factor in ["PRAGMA page_count", "PRAGMA page_size"] {
        bytes *= sqlx::query(factor).fetch_one(&mut *connection).await?.try_get::<i64, _>(0)?;
    }
    let length = std::fs::metadata(file).map_err(|error| Error::Failed(error.to_string()))?.len();
    if i64::try_from(length).is_ok_and(|length| length < bytes) {
        return Err(Error::Damaged(format!("it is cut off: of {bytes} bytes {length} are there")));
    }
    Ok(())
}

async fn held(connection: &mut SqliteConnection, file: &Path) -> Result<Held, Error> {
    require_all_pages(connection, file).await?;
    let row = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *connection).await?;
    let found: String = row.try_get(0)?;
    if found != "ok" {
        return Err(Error::Damaged(found.replace('\n', " ")));
    }
    let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('seaql_migrations', 'tenant', 'message')";
    if sqlx::query(tables).fetch_one(&mut *connection).await?.try_get::<i64, _>(0)? < 3 {
        return Err(Error::Damaged("it has no tables of Parlor".to_owned()));
    }
    if sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut *connection).await?.is_some() {
        return Err(Error::Damaged("it has rows of something that is not there".to_owned()));
    }
    let steps = sqlx::query("SELECT version FROM seaql_migrations ORDER BY version");
    let steps = steps.fetch_all(&mut *connection).await?;
    let steps = steps.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let of_tenants = "SELECT slug, \
                      (SELECT count(*) FROM \"user\" AS u WHERE u.tenant = tenant.id), \
                      (SELECT count(*) FROM conversation AS c WHERE c.tenant = tenant.id), \
                      (SELECT count(*) FROM message AS m WHERE m.tenant = tenant.id), \
                      (SELECT position FROM tenant_counter AS n WHERE n.tenant = tenant.id) \
                      FROM tenant ORDER BY slug";
    let mut tenants = Vec::new();
    for row in sqlx::query(of_tenants).fetch_all(connection).await? {
        tenants.push(HeldOfTenant {
            slug: row.try_get(0)?,
            people: row.try_get(1)?,
            conversations: row.try_get(2)?,
            messages: row.try_get(3)?,
            position: row.try_get(4)?,
        });
    }
    Ok(Held { steps, tenants })
}

/// <https://sqlite.org/rescode.html>; the primary code is the low byte.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        const BUSY: i32 = 5;
        const CORRUPT: i32 = 11;
        const NOTADB: i32 = 26;
        let sqlx::Error::Database(cause) = &error else { return Self::Failed(error.to_string()) };
        let code = cause.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
        match code & 0xff {
            BUSY => Self::InUse,
            CORRUPT | NOTADB => Self::Damaged(cause.message().to_owned()),
            _ => Self::Failed(cause.message().to_owned()),
        }
    }
}
