//! The handle to everything stored. Reads go to the pool, changes to the writer.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{
    Mutation, Result, StoredEvent, TenantId, connect::Target, failure::Failure, tx::Tx, writer::Writer,
};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://PATH` or `postgres://…`. The schema must be up to date (`parlor_migration::up`).
    pub url: String,
    /// How many reads run at once; at least 1.
    pub read_connections: u32,
}

/// Called by the writer in commit order, after each commit and before its acknowledgements. Must not block.
pub type OnCommit = Box<dyn Fn(Vec<Arc<StoredEvent>>) + Send + Sync>;

/// The one handle to everything stored. Cloning is cheap.
#[derive(Clone)]
pub struct Store {
    pub(crate) readers: DatabaseConnection,
    pub(crate) writer: Writer,
}

impl Store {
    /// Connects, and starts the writer. Fails if the database does not answer.
    pub async fn open(options: Options, on_commit: OnCommit) -> Result<Self> {
        let target = Target::parse(&options.url)?;
        let writer = Writer::start(target.clone(), on_commit).await?;
        Ok(Self { readers: target.readers(options.read_connections), writer })
    }

    /// Takes no more work, finishes what is queued, and closes the connections.
    pub async fn close(&self) {
        self.writer.close().await;
        if let Err(error) = self.readers.clone().close().await {
            tracing::warn!(%error, "read connections did not close");
        }
    }

    /// A read and a write that change nothing both succeed.
    pub async fn ping(&self) -> Result<()> {
        self.readers.ping().await.map_err(Failure::from)?;
        let nothing = Mutation::new(TenantId::INSTALLATION, (), |(), tx| {
            Box::pin(async move {
                tx.db()
                    .execute_unprepared("UPDATE tenant_counter SET position = position WHERE tenant = 0")
                    .await?;
                Ok(())
            })
        });
        self.apply(nothing).await
    }

    /// Effective durability settings, by name, as the database reports them on the writer's connection.
    pub async fn durability(&self) -> Result<Vec<(String, String)>> {
        self.apply(Mutation::new(TenantId::INSTALLATION, (), |(), tx| Box::pin(durability(tx)))).await
    }
}

async fn durability(tx: &mut Tx) -> Result<Vec<(String, String)>, Failure> {
    let backend = tx.db().get_database_backend();
    let (ask, names): (_, &[&str]) = match backend {
        DbBackend::Sqlite => ("PRAGMA", &["journal_mode", "synchronous", "foreign_keys"]),
        _ => ("SHOW", &["synchronous_commit", "fsync", "full_page_writes"]),
    };
    let mut settings = Vec::new();
    for name in names {
        let row = tx.db().query_one_raw(Statement::from_string(backend, format!("{ask} {name}"))).await?;
        let Some(row) = row else { continue };
        // SQLite answers numbers, PostgreSQL text.
        let value = match row.try_get_by_index::<String>(0) {
            Ok(text) => text,
            Err(_) => row.try_get_by_index::<i64>(0)?.to_string(),
        };
        settings.push(((*name).to_owned(), value));
    }
    Ok(settings)
}
