//! The connections that read: so many at once, and unable to write.
//!
//! Those of SQLite are not in a pool of the driver, because that asks after each connection that it lends and that comes
//! back. Each such question is handed over to the connection's thread and back, so that a read would be three hand-overs; on a
//! machine that is busy it is the hand-overs that wait.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::connection::Connection;

#[cfg(test)]
mod plans;

/// See the module.
pub(crate) struct Readers {
    kind: Kind,
    /// What was asked, to be explained.
    #[cfg(test)]
    pub asked: Mutex<Vec<Statement>>,
}

enum Kind {
    Sqlite(Box<SqliteReaders>),
    Postgres(DatabaseConnection),
}

impl From<SqliteReaders> for Readers {
    fn from(readers: SqliteReaders) -> Self {
        Self::of(Kind::Sqlite(Box::new(readers)))
    }
}

impl From<DatabaseConnection> for Readers {
    fn from(pool: DatabaseConnection) -> Self {
        Self::of(Kind::Postgres(pool))
    }
}

impl Readers {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            #[cfg(test)]
            asked: Mutex::default(),
        }
    }

    /// Takes note of what is asked.
    fn note(&self, statement: &Statement) {
        #[cfg(test)]
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(statement.clone());
        #[cfg(not(test))]
        let _ = statement;
    }

    pub async fn ping(&self) -> Result<(), DbErr> {
        self.execute_unprepared("SELECT 1").await.map(drop)
    }

    pub async fn close(&self) -> Result<(), DbErr> {
        match &self.kind {
            Kind::Sqlite(readers) => readers.close().await.map_err(opening),
            Kind::Postgres(pool) => pool.close_by_ref().await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Readers {
    fn get_database_backend(&self) -> DbBackend {
        match &self.kind {
            Kind::Sqlite(_) => DbBackend::Sqlite,
            Kind::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.kind {
            Kind::Sqlite(readers) => {
                readers.lend().await?.ask(async |db| db.execute_raw(statement).await).await
            }
            Kind::Postgres(pool) => pool.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.kind {
            Kind::Sqlite(readers) => {
                readers.lend().await?.ask(async |db| db.execute_unprepared(sql).await).await
            }
            Kind::Postgres(pool) => pool.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.note(&statement);
        match &self.kind {
            Kind::Sqlite(readers) => {
                readers.lend().await?.ask(async |db| db.query_one_raw(statement).await).await
            }
            Kind::Postgres(pool) => pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.note(&statement);
        match &self.kind {
            Kind::Sqlite(readers) => {
                readers.lend().await?.ask(async |db| db.query_all_raw(statement).await).await
            }
            Kind::Postgres(pool) => pool.query_all_raw(statement).await,
        }
    }
}

/// Connections that are opened when they are needed, and kept.
pub(crate) struct SqliteReaders {
    options: SqliteConnectOptions,
    places: Semaphore,
    count: u32,
    /// The one that came back last goes first: what it has in memory is the freshest.
    free: Mutex<Vec<Connection>>,
    /// How long to wait for one.
    patience: Duration,
}

/// A connection that somebody has.
struct Lent<'r> {
    readers: &'r SqliteReaders,
    connection: Option<Connection>,
    _place: SemaphorePermit<'r>,
}

impl SqliteReaders {
    pub fn new(options: SqliteConnectOptions, count: u32, patience: Duration) -> Self {
        let places = Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS));
        Self { options, places, count, free: Mutex::default(), patience }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, within the patience: a free one or a new one.
    async fn lend(&self) -> Result<Lent<'_>, DbErr> {
        let lent = timeout(self.patience, async {
            let place = self.places.acquire().await;
            let place =
                place.map_err(|_closed| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
            let free = self.free().pop();
            let connection = match free {
                Some(connection) => connection,
                None => Connection::from(self.options.connect().await.map_err(opening)?),
            };
            Ok(Lent { readers: self, connection: Some(connection), _place: place })
        });
        lent.await.unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)))
    }

    /// Waits for those that are lent, and closes all.
    async fn close(&self) -> Result<(), sqlx::Error> {
        let all = self.places.acquire_many(self.count).await;
        self.places.close();
        drop(all);
        let free = std::mem::take(&mut *self.free());
        for connection in free {
            connection.close().await?;
        }
        Ok(())
    }
}

impl Lent<'_> {
    /// Asks it. A connection that failed is not lent again: it may be of no use.
    async fn ask<T>(
        mut self,
        question: impl AsyncFnOnce(&Connection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let Some(connection) = &self.connection else {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        };
        let answer = question(connection).await;
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }
}

/// What was asked and is not waited for any more has stopped when the next question comes.
impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.free().extend(self.connection.take());
    }
}

fn opening(error: sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, future::join_all};

    use super::*;

    /// Readers of an empty database, with its folder.
    fn two_readers(patience: Duration) -> (Readers, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SqliteConnectOptions::new().filename(folder.path().join("x.db")).create_if_missing(true);
        (SqliteReaders::new(options, 2, patience).into(), folder)
    }

    fn inner(readers: &Readers) -> &SqliteReaders {
        match &readers.kind {
            Kind::Sqlite(readers) => readers,
            Kind::Postgres(_) => panic!("it is SQLite"),
        }
    }

    fn one() -> Statement {
        Statement::from_string(DbBackend::Sqlite, "SELECT 1")
    }

    #[tokio::test]
    async fn many_read_through_few_connections() {
        let (readers, _folder) = two_readers(Duration::from_secs(60));
        let answers = join_all((0..50).map(|_| readers.query_all_raw(one()))).await;
        assert!(answers.iter().all(|rows| rows.as_ref().is_ok_and(|rows| rows.len() == 1)));
        assert!((1..=2).contains(&inner(&readers).free().len()));
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told() {
        let (readers, _folder) = two_readers(Duration::from_secs(60));
        let lent = [inner(&readers).lend().await.unwrap(), inner(&readers).lend().await.unwrap()];
        // From here time passes whenever nothing else can happen.
        tokio::time::pause();
        let refused = readers.query_one_raw(one()).await.unwrap_err();
        assert!(matches!(refused, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)), "{refused}");
        tokio::time::resume();
        drop(lent);
        assert!(readers.query_one_raw(one()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_fails_is_not_lent_again_and_what_is_not_waited_for_is() {
        let (readers, _folder) = two_readers(Duration::from_secs(60));
        readers.ping().await.unwrap();
        // Long enough to be still at it when the next one asks.
        let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT sum(i) FROM n";
        let asked = readers.query_one_raw(Statement::from_string(DbBackend::Sqlite, long));
        assert!(asked.now_or_never().is_none());
        assert_eq!(inner(&readers).free().len(), 1);
        assert!(readers.query_one_raw(one()).await.unwrap().is_some());
        assert!(readers.execute_unprepared("nonsense").await.is_err());
        assert_eq!(inner(&readers).free().len(), 0);
        readers.ping().await.unwrap();
    }

    #[tokio::test]
    async fn closed_they_read_nothing() {
        let (readers, _folder) = two_readers(Duration::from_secs(60));
        readers.ping().await.unwrap();
        readers.close().await.unwrap();
        assert!(readers.ping().await.is_err() && inner(&readers).free().is_empty());
    }
}
