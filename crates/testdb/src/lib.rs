//! PostgreSQL databases for tests: each one new, each one gone afterwards.
//!
//! `TEST_POSTGRES_URL` names a server on which databases may be created. Without it a throw-away cluster is started, one
//! for all databases that a process holds at a time, and it ends with the last of them. Its programs are looked for in
//! `/usr/lib/postgresql/*/bin` and in `PATH`. Nothing here is skipped: what is missing is a panic that says so.

mod cluster;
mod program;

use std::{
    process::Command,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

pub use cluster::Cluster;
use program::program;

/// Names a server to use instead of a throw-away one.
pub const SERVER_VARIABLE: &str = "TEST_POSTGRES_URL";

/// The cluster of this process, while somebody holds it.
static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

/// An empty database, dropped with this value.
pub struct Database {
    server: Server,
    name: String,
}

enum Server {
    Given(String),
    Own(Arc<Cluster>),
}

impl Database {
    /// A new database on the given server, or on this process's cluster.
    ///
    /// # Panics
    /// If there is no server and none can be started.
    #[must_use]
    pub fn create() -> Self {
        let server = match std::env::var(SERVER_VARIABLE) {
            Ok(url) => Server::Given(url),
            Err(_) => Server::Own(shared_cluster()),
        };
        Self::on(server)
    }

    /// A new database on a cluster of the caller's own, which can be stopped without harm to other tests.
    ///
    /// # Panics
    /// If the cluster does not answer.
    #[must_use]
    pub fn create_on(cluster: &Arc<Cluster>) -> Self {
        Self::on(Server::Own(Arc::clone(cluster)))
    }

    fn on(server: Server) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("parlor_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        database.administer(&format!("CREATE DATABASE {}", database.name)).expect("a new database");
        database
    }

    /// Where it is, for a client.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.server {
            Server::Own(cluster) => cluster.url(&self.name),
            Server::Given(url) => {
                let (address, query) = url.split_once('?').unwrap_or((url, ""));
                let after_scheme = address.find("://").map_or(0, |at| at + 3);
                let path = address[after_scheme..].find('/').map_or(address.len(), |at| after_scheme + at);
                let query = if query.is_empty() { String::new() } else { format!("?{query}") };
                format!("{}/{}{query}", &address[..path], self.name)
            }
        }
    }

    fn administer(&self, sql: &str) -> Result<(), String> {
        let url = match &self.server {
            Server::Own(cluster) => cluster.url("postgres"),
            Server::Given(url) => url.clone(),
        };
        psql(sql, &url).map(drop)
    }

    /// What a query finds: a line for each row, its columns with '|' between them.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let said = psql(sql, &self.url()).expect("an answer");
        said.lines().map(str::to_owned).collect()
    }
}

fn psql(sql: &str, url: &str) -> Result<String, String> {
    let done = Command::new(program("psql"))
        .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"])
        .args(["--command", sql, url])
        .output()
        .map_err(|error| format!("psql: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(said(&done.stdout)) } else { Err(said(&done.stderr)) }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A cluster of our own goes as a whole.
        if matches!(self.server, Server::Given(_)) {
            let dropped = self.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
            if let Err(error) = dropped {
                eprintln!("test database {} stays behind: {error}", self.name);
            }
        }
    }
}

fn shared_cluster() -> Arc<Cluster> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}

/// Whether the programs a cluster needs are on this machine.
#[must_use]
pub fn is_installed() -> bool {
    let in_path = |path: &std::path::Path| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(path).is_file())
    };
    ["initdb", "postgres", "psql"].iter().all(|name| {
        let path = program(name);
        path.is_absolute() || in_path(&path)
    })
}
