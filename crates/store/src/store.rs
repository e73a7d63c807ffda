//! The handle to everything stored, a part for each service. Reads go to connections that read, changes to the writer.

#[cfg(test)]
mod disk_full;

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::{
    Mutation, OnCommit, Once, RequestKey, Result, TenantId,
    connect::Target,
    database::Database,
    failure::Failure,
    query::{
        billing::Billing, chat::Chat, directory::Directory, event::Log, idempotency, person::Persons,
        presence::Presence, session::Sessions, token::Tokens, visit::Visits,
    },
    scrub::Scrubbed,
    tx::Tx,
    writer::Writer,
};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://PATH` or `postgres://…`. The schema must be up to date (`parlor_migration::up`).
    pub url: String,
    /// How many reads run at once; at least 1.
    pub read_connections: u32,
}

/// The one handle to everything stored. Cloning is cheap.
#[derive(Clone)]
pub struct Store {
    pub chat: Chat,
    pub log: Log,
    pub directory: Directory,
    pub tokens: Tokens,
    pub persons: Persons,
    pub presence: Presence,
    pub sessions: Sessions,
    pub billing: Billing,
    pub visits: Visits,
    pub(crate) db: Arc<Database>,
}

impl Store {
    /// Connects, and starts the writer. Fails if the database does not answer.
    pub async fn open(options: Options, on_commit: OnCommit) -> Result<Self> {
        let target = Target::parse(&options.url)?;
        let writer = Writer::start(target.clone(), on_commit).await?;
        let db = Arc::new(Database { readers: target.readers(options.read_connections), writer, target });
        Ok(Self {
            chat: Chat { db: Arc::clone(&db) },
            log: Log { db: Arc::clone(&db) },
            directory: Directory { db: Arc::clone(&db) },
            tokens: Tokens { db: Arc::clone(&db) },
            persons: Persons { db: Arc::clone(&db) },
            presence: Presence { db: Arc::clone(&db) },
            sessions: Sessions { db: Arc::clone(&db) },
            billing: Billing { db: Arc::clone(&db) },
            visits: Visits { db: Arc::clone(&db) },
            db,
        })
    }

    /// Makes a change, and answers when it is durable.
    pub async fn apply<T: Send + 'static>(&self, mutation: Mutation<T>) -> Result<T> {
        self.db.apply(mutation).await
    }

    /// [`Mutation::once`], applied.
    pub async fn apply_once<T: Send + 'static>(
        &self,
        key: RequestKey,
        mutation: Mutation<T>,
        encode: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Once> {
        self.db.apply(mutation.once(key, encode)).await
    }

    /// The first answer to a request, if there was one; for callers that can spare themselves the work before a change.
    pub async fn replay(&self, key: &RequestKey) -> Result<Option<Vec<u8>>> {
        Ok(idempotency::first_answer(&self.db.readers, key).await?)
    }

    /// Takes no more work, finishes what is queued, and closes the connections.
    pub async fn close(&self) {
        self.db.writer.close().await;
        if let Err(error) = self.db.readers.close().await {
            tracing::warn!(%error, "read connections did not close");
        }
    }

    /// Leaves nothing in the files of what was removed or changed, as far as it can be done beside others; where `compacts`,
    /// also in the unused space of a database that is small.
    pub async fn scrub(&self, compacts: bool) -> Result<Scrubbed> {
        Ok(self.db.target.scrub(compacts).await?)
    }

    /// A read and a write that change nothing both succeed.
    pub async fn ping(&self) -> Result<()> {
        self.db.readers.ping().await?;
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
