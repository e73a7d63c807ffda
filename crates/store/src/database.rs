//! The two ways into the database: connections that read, and the writer.

use crate::{Mutation, Result, connect::Target, readers::Readers, writer::Writer};

/// What every part of the store goes through.
pub(crate) struct Database {
    pub readers: Readers,
    pub writer: Writer,
    pub target: Target,
}

impl Database {
    /// Makes a change, and answers when it is durable.
    pub async fn apply<T: Send + 'static>(&self, mutation: Mutation<T>) -> Result<T> {
        self.writer.change(mutation).await
    }
}
