//! One transaction of the writer: the locked counters, the events so far, and savepoints over all of it.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Statement,
};

use crate::{
    Error, Millis, Result, StoredEvent, TenantId, What, bulk,
    connection::{Connection, Gave, Script},
    entity::tenant_counter,
    failure::Failure,
};

/// Makes a change inside a transaction. Run again if the transaction has to be; so it keeps what it was given.
pub(crate) trait Change<T>: Send + Sync {
    fn make<'t>(&'t self, tx: &'t mut Tx) -> BoxFuture<'t, Result<T, Failure>>;
}

/// A transaction that is going on.
pub(crate) struct Tx {
    db: Arc<Connection>,
    /// What is to be written and nobody in this transaction reads: it goes to the database with what ends it.
    unwritten: Script,
    /// The counters of every locked tenant: as they were, and as they will be.
    counters: BTreeMap<TenantId, Locked>,
    events: Vec<Arc<StoredEvent>>,
    purge_at: Option<Millis>,
    /// A life of a node, by node and epoch, that was found to go on.
    living: Option<(String, String)>,
}

#[derive(Clone)]
struct Locked {
    stored: tenant_counter::Model,
    now: tenant_counter::Model,
}

/// A point to come back to.
pub(crate) struct Mark {
    counters: BTreeMap<TenantId, Locked>,
    events: usize,
}

/// A transaction that did not begin.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// There is none: its connection is of no use.
    Nothing(Failure),
    /// It was begun, and has been taken back.
    TakenBack(Failure),
}

impl Tx {
    /// Begins, and locks these tenants; one that is not there is left out.
    pub(crate) async fn begin(
        connection: &Arc<Connection>,
        tenants: impl IntoIterator<Item = TenantId>,
    ) -> Result<Self, NotBegun> {
        let mut tx = Self {
            db: Arc::clone(connection),
            unwritten: Script::default(),
            counters: BTreeMap::new(),
            events: Vec::new(),
            purge_at: None,
            living: None,
        };
        let backend = tx.db.get_database_backend();
        let begin = match backend {
            // It takes SQLite's one write lock at once; a lock taken later could fail when it is too late to wait.
            DbBackend::Sqlite => "BEGIN IMMEDIATE",
            _ => "BEGIN",
        };
        let mut script = Script::default();
        script.add(Statement::from_string(backend, begin));
        let tenants = tenants.into_iter().map(|tenant| tenant.0).collect();
        let counters = script.read(vec![locking(backend, tenants)]);
        match tx.db.run(script).await {
            Ok(gave) => match gave.rows(counters) {
                Ok(rows) => {
                    tx.locked(rows);
                    Ok(tx)
                }
                Err(failure) => Err(NotBegun::TakenBack(tx.roll_back().await.err().unwrap_or(failure))),
            },
            Err(stopped) if stopped.at == 0 => Err(NotBegun::Nothing(stopped.failure)),
            Err(stopped) => Err(NotBegun::TakenBack(tx.roll_back().await.err().unwrap_or(stopped.failure))),
        }
    }

    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    /// Writes this at the end, when whatever else the transaction does has been done.
    pub(crate) fn later(&mut self, statements: impl IntoIterator<Item = Statement>) {
        statements.into_iter().for_each(|statement| self.unwritten.add(statement));
    }

    /// Writes what was to be written later.
    pub(crate) async fn write(&mut self) -> Result<(), Failure> {
        if !self.unwritten.is_empty() {
            let unwritten = std::mem::take(&mut self.unwritten);
            self.db.run(unwritten).await.map_err(|stopped| stopped.failure)?;
        }
        Ok(())
    }

    /// Locks tenants to the end of the transaction, and reads their counters. A tenant that is not there is left out.
    pub(crate) async fn lock(&mut self, tenants: impl IntoIterator<Item = TenantId>) -> Result<(), Failure> {
        let wanted: Vec<i64> = tenants
            .into_iter()
            .filter(|tenant| !self.counters.contains_key(tenant))
            .map(|tenant| tenant.0)
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let locking = locking(self.db.get_database_backend(), wanted);
        let rows = tenant_counter::Model::find_by_statement(locking).all(self.db()).await?;
        self.locked(rows);
        Ok(())
    }

    fn locked(&mut self, rows: Vec<tenant_counter::Model>) {
        for row in rows {
            self.counters.insert(TenantId(row.tenant), Locked { stored: row.clone(), now: row });
        }
    }

    /// Reads several things at once.
    pub(crate) async fn read(&self, script: Script) -> Result<Gave, Failure> {
        self.db.run(script).await.map_err(|stopped| stopped.failure)
    }

    /// The counters of a locked tenant. What is changed here is written before the commit.
    pub(crate) fn counters(&mut self, tenant: TenantId) -> Result<&mut tenant_counter::Model, Failure> {
        let locked = self.counters.get_mut(&tenant).ok_or(Error::NotFound(What::Tenant))?;
        Ok(&mut locked.now)
    }

    /// The position of a locked tenant's newest event; 0 if it is not there.
    pub(crate) fn position(&self, tenant: TenantId) -> i64 {
        self.counters.get(&tenant).map_or(0, |locked| locked.now.position)
    }

    /// Tells of an event after the commit.
    pub(crate) fn announce(&mut self, event: StoredEvent) {
        self.events.push(Arc::new(event));
    }

    /// Says what time it is, and that expired answers may be removed.
    pub(crate) fn purge_at(&mut self, at: Millis) {
        self.purge_at = self.purge_at.max(Some(at));
    }

    /// The time from which on answers have expired, if they may be removed.
    pub(crate) fn purges_at(&self) -> Option<Millis> {
        self.purge_at
    }

    /// Keeps that a node's life goes on; `None` when some life begins or ends.
    pub(crate) fn lives(&mut self, life: Option<(String, String)>) {
        self.living = life;
    }

    pub(crate) fn is_known_to_live(&self, life: &(String, String)) -> bool {
        self.living.as_ref() == Some(life)
    }

    pub(crate) async fn mark(&mut self) -> Result<Mark, Failure> {
        self.write().await?;
        self.say("SAVEPOINT piece").await?;
        Ok(Mark { counters: self.counters.clone(), events: self.events.len() })
    }

    #[allow(clippy::needless_pass_by_value, reason = "a mark is used once")]
    pub(crate) async fn keep(&self, _mark: Mark) -> Result<(), Failure> {
        self.say("RELEASE SAVEPOINT piece").await
    }

    pub(crate) async fn take_back(&mut self, mark: Mark) -> Result<(), Failure> {
        self.unwritten = Script::default();
        self.say("ROLLBACK TO SAVEPOINT piece").await?;
        self.say("RELEASE SAVEPOINT piece").await?;
        self.counters = mark.counters;
        self.events.truncate(mark.events);
        Ok(())
    }

    /// Makes it durable, and gives back what is to be told, in the order of positions. If something was still to be
    /// written and was refused, all has been taken back.
    pub(crate) async fn commit(mut self) -> Result<Vec<Arc<StoredEvent>>, Failure> {
        let changed: Vec<_> = std::mem::take(&mut self.counters)
            .into_values()
            .filter(|locked| locked.now != locked.stored)
            .map(|locked| locked.now)
            .collect();
        let backend = self.db.get_database_backend();
        self.later(bulk::update_counters(backend, &changed));
        let mut script = std::mem::take(&mut self.unwritten);
        let last = script.len();
        script.add(Statement::from_string(backend, "COMMIT"));
        match self.db.run(script).await {
            Ok(_) => Ok(self.events),
            Err(stopped) if stopped.at == last => Err(stopped.failure.of_transaction()),
            Err(stopped) => Err(self.roll_back().await.err().unwrap_or(stopped.failure)),
        }
    }

    pub(crate) async fn roll_back(self) -> Result<(), Failure> {
        self.say("ROLLBACK").await
    }

    /// Says something of the transaction itself.
    async fn say(&self, sql: &str) -> Result<(), Failure> {
        let done = self.db.execute_unprepared(sql).await;
        done.map(|_| ()).map_err(|error| Failure::from(error).of_transaction())
    }
}

/// Reads the counters of tenants for whoever will change them.
fn locking(backend: DbBackend, tenants: Vec<i64>) -> Statement {
    tenant_counter::Entity::find()
        .filter(tenant_counter::Column::Tenant.is_in(bulk::padded(tenants)))
        .order_by_asc(tenant_counter::Column::Tenant)
        .lock_exclusive()
        .build(backend)
}
