//! The database of one world: a file, a database on the run's PostgreSQL, or a PostgreSQL of its own that can be stopped.

use std::{path::Path, sync::Arc};

use parlor_testdb::Cluster;

use crate::Backend;

/// Where one world keeps what it remembers.
pub struct Database {
    url: String,
    /// Dropped with the world.
    _postgres: Option<parlor_testdb::Database>,
    cluster: Option<Arc<Cluster>>,
}

impl Database {
    /// Makes an empty one.
    pub(crate) async fn create(backend: Backend, own_cluster: bool, folder: &Path) -> Self {
        match backend {
            Backend::Sqlite => {
                let url = format!("sqlite://{}", folder.join("parlor.db").display());
                Self { url, _postgres: None, cluster: None }
            }
            Backend::Postgres => {
                tokio::task::spawn_blocking(move || Self::postgres(own_cluster)).await.unwrap()
            }
        }
    }

    fn postgres(own_cluster: bool) -> Self {
        let cluster = own_cluster.then(|| Arc::new(Cluster::start()));
        let database = match &cluster {
            Some(cluster) => parlor_testdb::Database::create_on(cluster),
            None => parlor_testdb::Database::create(),
        };
        Self { url: database.url(), _postgres: Some(database), cluster }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the server under the program's feet. Only where the plan asked for a cluster of its own.
    pub fn stop(&self) {
        self.cluster.as_ref().expect("the plan asks for its own cluster").kill();
    }

    /// Starts it again.
    pub fn resume(&self) {
        self.cluster.as_ref().expect("the plan asks for its own cluster").restart();
    }
}
