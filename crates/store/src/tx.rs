//! One transaction of the writer: the locked counters, the events so far, and savepoints over all of it.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use crate::{
    Error, Millis, Result, StoredEvent, TenantId, What, bulk, entity::tenant_counter, failure::Failure,
};

/// Makes a change inside a transaction. Run again if the transaction has to be; so it keeps what it was given.
pub(crate) trait Change<T>: Send + Sync {
    fn make<'t>(&'t self, tx: &'t mut Tx) -> BoxFuture<'t, Result<T, Failure>>;
}

/// A transaction that is going on.
pub(crate) struct Tx {
    db: DatabaseTransaction,
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

impl Tx {
    pub(crate) async fn begin(connection: &DatabaseConnection) -> Result<Self, Failure> {
        // SQLite takes its one write lock at once; a lock taken later could fail when it is too late to wait.
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let db = connection.begin_with_options(immediate).await?;
        Ok(Self { db, counters: BTreeMap::new(), events: Vec::new(), purge_at: None, living: None })
    }

    pub(crate) fn db(&self) -> &DatabaseTransaction {
        &self.db
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
        let rows = tenant_counter::Entity::find()
            .filter(tenant_counter::Column::Tenant.is_in(bulk::padded(wanted)))
            .order_by_asc(tenant_counter::Column::Tenant)
            .lock_exclusive()
            .all(&self.db)
            .await?;
        for row in rows {
            self.counters.insert(TenantId(row.tenant), Locked { stored: row.clone(), now: row });
        }
        Ok(())
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

    pub(crate) async fn mark(&self) -> Result<Mark, Failure> {
        self.savepoint("SAVEPOINT piece").await?;
        Ok(Mark { counters: self.counters.clone(), events: self.events.len() })
    }

    #[allow(clippy::needless_pass_by_value, reason = "a mark is used once")]
    pub(crate) async fn keep(&self, _mark: Mark) -> Result<(), Failure> {
        self.savepoint("RELEASE SAVEPOINT piece").await
    }

    pub(crate) async fn take_back(&mut self, mark: Mark) -> Result<(), Failure> {
        self.savepoint("ROLLBACK TO SAVEPOINT piece").await?;
        self.savepoint("RELEASE SAVEPOINT piece").await?;
        self.counters = mark.counters;
        self.events.truncate(mark.events);
        Ok(())
    }

    /// Makes it durable, and gives back what is to be told, in the order of positions.
    pub(crate) async fn commit(self) -> Result<Vec<Arc<StoredEvent>>, Failure> {
        let changed: Vec<_> = self
            .counters
            .into_values()
            .filter(|locked| locked.now != locked.stored)
            .map(|locked| locked.now)
            .collect();
        bulk::update_counters(&self.db, &changed).await?;
        self.db.commit().await.map_err(|error| Failure::from(error).of_transaction())?;
        Ok(self.events)
    }

    pub(crate) async fn roll_back(self) -> Result<(), Failure> {
        self.db.rollback().await.map_err(|error| Failure::from(error).of_transaction())
    }

    async fn savepoint(&self, sql: &str) -> Result<(), Failure> {
        let done = self.db.execute_unprepared(sql).await;
        done.map(|_| ()).map_err(|error| Failure::from(error).of_transaction())
    }
}
