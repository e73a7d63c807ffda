//! The two ways into the database: a pool that reads, and the writer.

use sea_orm::DatabaseConnection;

use crate::{Mutation, Result, writer::Writer};

/// What every part of the store goes through.
pub(crate) struct Database {
    pub readers: DatabaseConnection,
    pub writer: Writer,
}

impl Database {
    /// Makes a change, and answers when it is durable.
    pub async fn apply<T: Send + 'static>(&self, mutation: Mutation<T>) -> Result<T> {
        self.writer.change(mutation).await
    }
}
