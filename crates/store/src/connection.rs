//! The connection that writes: one, held for as long as it works.
//!
//! It is not of a pool, because a pool asks after a connection that comes back to it, and with SQLite each question is
//! handed over to a thread and back. For the same reason it takes a [`Script`]: statements that are handed over together.

use std::{mem, ops::Range};

use futures::{StreamExt as _, TryStreamExt as _};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, FromQueryResult, QueryResult, RuntimeErr, Statement,
    Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    AssertSqlSafe, Connection as _, Either, Executor as _, PgConnection, Postgres, Sqlite, SqliteConnection,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::failure::Failure;

/// See the module.
pub(crate) struct Connection {
    wire: Mutex<Wire>,
    backend: DbBackend,
    #[cfg(test)]
    statements: std::sync::atomic::AtomicUsize,
}

enum Wire {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// Values that SQLite is handed over together: what is handed over is prepared as one, and kept so, some hundred bytes a value.
/// Beyond that a hand-over is little beside what is done.
const TOGETHER_MAX: usize = 2_048;

/// Statements that are carried out in their order, up to the first that fails. For SQLite it is one hand-over for all, if
/// they are not large, and their parameters are counted through: in a script they are `?` there, never `$1`.
#[derive(Default)]
pub(crate) struct Script(Vec<Statement>);

/// The rows that each statement of a script gave.
pub(crate) struct Gave(Vec<Vec<QueryResult>>);

impl Gave {
    /// The rows of these statements, as what they are.
    pub fn rows<M: FromQueryResult>(&self, statements: Range<usize>) -> Result<Vec<M>, Failure> {
        let rows = self.0[statements].iter().flatten();
        Ok(rows.map(|row| M::from_query_result(row, "")).collect::<Result<_, _>>()?)
    }
}

/// What stopped a script.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// The place of the statement that failed.
    pub at: usize,
    pub failure: Failure,
}

impl Script {
    pub fn add(&mut self, statement: Statement) {
        self.0.push(statement);
    }

    /// Adds statements that read, and gives their places.
    pub fn read(&mut self, statements: Vec<Statement>) -> Range<usize> {
        let from = self.0.len();
        self.0.extend(statements);
        from..self.0.len()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<SqliteConnection> for Connection {
    fn from(wire: SqliteConnection) -> Self {
        Self::over(Wire::Sqlite(Box::new(wire)), DbBackend::Sqlite)
    }
}

impl From<PgConnection> for Connection {
    fn from(wire: PgConnection) -> Self {
        Self::over(Wire::Postgres(Box::new(wire)), DbBackend::Postgres)
    }
}

impl Connection {
    fn over(wire: Wire, backend: DbBackend) -> Self {
        Self {
            wire: Mutex::new(wire),
            backend,
            #[cfg(test)]
            statements: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// How many statements it has carried out.
    #[cfg(test)]
    pub fn statements(&self) -> usize {
        self.statements.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The wire, for so many statements.
    async fn wire(&self, statements: usize) -> MutexGuard<'_, Wire> {
        #[cfg(test)]
        self.statements.fetch_add(statements, std::sync::atomic::Ordering::Relaxed);
        #[cfg(not(test))]
        let _ = statements;
        self.wire.lock().await
    }

    /// Carries the statements out; gives their rows.
    pub async fn run(&self, Script(statements): Script) -> Result<Gave, Stopped> {
        if statements.is_empty() {
            return Ok(Gave(Vec::new()));
        }
        match &mut *self.wire(statements.len()).await {
            Wire::Sqlite(wire) => in_groups(wire, statements).await,
            Wire::Postgres(wire) => one_by_one(wire, statements).await,
        }
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self.wire.into_inner() {
            Wire::Sqlite(wire) => wire.close().await,
            Wire::Postgres(wire) => wire.close().await,
        }
    }
}

async fn in_groups(wire: &mut SqliteConnection, statements: Vec<Statement>) -> Result<Gave, Stopped> {
    let mut gave = Vec::with_capacity(statements.len());
    let (mut group, mut size) = (Vec::new(), 0);
    for statement in statements {
        let more = statement.values.as_ref().map_or(0, |values| values.0.len());
        if size > 0 && size + more > TOGETHER_MAX {
            together(wire, mem::take(&mut group), &mut gave).await?;
            size = 0;
        }
        size += more;
        group.push(statement);
    }
    together(wire, group, &mut gave).await?;
    Ok(Gave(gave))
}

/// SQLite takes several statements as one, with their parameters one after the other.
async fn together(
    wire: &mut SqliteConnection,
    statements: Vec<Statement>,
    gave: &mut Vec<Vec<QueryResult>>,
) -> Result<(), Stopped> {
    let mut sql = String::with_capacity(statements.iter().map(|statement| statement.sql.len() + 1).sum());
    let mut values = Vec::new();
    for statement in statements {
        sql.push_str(&statement.sql);
        sql.push(';');
        values.extend(statement.values.into_iter().flat_map(|values| values.0));
    }
    let mut rows = Vec::new();
    let query = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql), SqlxValues(Values(values)));
    let mut results = wire.fetch_many(query);
    while let Some(result) = results.next().await {
        match result {
            Ok(Either::Left(_done)) => gave.push(mem::take(&mut rows)),
            Ok(Either::Right(row)) => rows.push(row.into()),
            Err(error) => return Err(Stopped { at: gave.len(), failure: error.into() }),
        }
    }
    Ok(())
}

async fn one_by_one(wire: &mut PgConnection, statements: Vec<Statement>) -> Result<Gave, Stopped> {
    let mut gave = Vec::with_capacity(statements.len());
    for statement in statements {
        let at = gave.len();
        let rows: Result<Vec<_>, sqlx::Error> = match statement.values {
            Some(values) => {
                wire.fetch_all(sqlx::query_with::<Postgres, _>(
                    AssertSqlSafe(statement.sql),
                    SqlxValues(values),
                ))
                .await
            }
            // It is about the transaction: not worth preparing.
            None => wire.fetch_all(sqlx::raw_sql(AssertSqlSafe(statement.sql))).await,
        };
        match rows {
            Ok(rows) => gave.push(rows.into_iter().map(QueryResult::from).collect()),
            Err(error) => return Err(Stopped { at, failure: error.into() }),
        }
    }
    Ok(Gave(gave))
}

#[async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let (sql, values) = parts(statement);
        let done = match &mut *self.wire(1).await {
            Wire::Sqlite(wire) => {
                wire.execute(sqlx::query_with::<Sqlite, _>(sql, values)).await.map(ExecResult::from)
            }
            Wire::Postgres(wire) => {
                wire.execute(sqlx::query_with::<Postgres, _>(sql, values)).await.map(ExecResult::from)
            }
        };
        done.map_err(executing)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = match &mut *self.wire(1).await {
            Wire::Sqlite(wire) => wire.execute(sql).await.map(ExecResult::from),
            Wire::Postgres(wire) => wire.execute(sql).await.map(ExecResult::from),
        };
        done.map_err(executing)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (sql, values) = parts(statement);
        let row = match &mut *self.wire(1).await {
            Wire::Sqlite(wire) => {
                let row = wire.fetch_optional(sqlx::query_with::<Sqlite, _>(sql, values)).await;
                row.map(|row| row.map(QueryResult::from))
            }
            Wire::Postgres(wire) => {
                let row = wire.fetch_optional(sqlx::query_with::<Postgres, _>(sql, values)).await;
                row.map(|row| row.map(QueryResult::from))
            }
        };
        row.map_err(querying)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (sql, values) = parts(statement);
        let rows = match &mut *self.wire(1).await {
            Wire::Sqlite(wire) => {
                let rows = wire.fetch(sqlx::query_with::<Sqlite, _>(sql, values));
                rows.map_ok(QueryResult::from).try_collect().await
            }
            Wire::Postgres(wire) => {
                let rows = wire.fetch(sqlx::query_with::<Postgres, _>(sql, values));
                rows.map_ok(QueryResult::from).try_collect().await
            }
        };
        rows.map_err(querying)
    }
}

fn parts(Statement { sql, values, .. }: Statement) -> (AssertSqlSafe<String>, SqlxValues) {
    (AssertSqlSafe(sql), SqlxValues(values.unwrap_or(Values(Vec::new()))))
}

fn executing(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn querying(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
