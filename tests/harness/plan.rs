//! What kind of world a test wants.

use toml::{Table, Value};

use crate::World;

/// How the program is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Core and gateway in one server.
    Local,
    /// Two servers, with a [`crate::Link`] between them that can be cut and paused.
    Split,
}

/// Which database it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A world to be: its layout, its database, and every setting that differs from the defaults.
#[derive(Clone, Debug)]
pub struct Plan {
    pub topology: Topology,
    pub backend: Backend,
    pub(crate) settings: Table,
    pub(crate) mount: Table,
    pub(crate) support: Table,
    pub(crate) own_cluster: bool,
    pub(crate) tenant: bool,
}

impl Plan {
    #[must_use]
    pub fn new(topology: Topology, backend: Backend) -> Self {
        Self {
            topology,
            backend,
            settings: Table::new(),
            mount: Table::new(),
            support: Table::new(),
            own_cluster: false,
            tenant: true,
        }
    }

    /// Sets a key of the configuration, such as `gateway.outbox_bytes`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        put(&mut self.settings, key, value.into());
        self
    }

    /// Sets a key of the world's staff mount, such as `linger_ms`.
    #[must_use]
    pub fn set_mount(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.mount.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a key of the world's support mounts, such as `rate_burst`.
    #[must_use]
    pub fn set_support(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.support.insert(key.to_owned(), value.into());
        self
    }

    /// Gives the world a PostgreSQL server of its own, for tests that stop it.
    #[must_use]
    pub fn with_own_cluster(mut self) -> Self {
        self.own_cluster = true;
        self
    }

    /// Leaves the tenant to be created by the test, where the harness's own client cannot connect.
    #[must_use]
    pub fn without_tenant(mut self) -> Self {
        self.tenant = false;
        self
    }

    /// Starts the world.
    pub async fn start(self) -> World {
        World::start(self).await
    }
}

/// Puts a value where a dotted key says.
pub(crate) fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            put(inner.as_table_mut().expect("the key's head is a table"), rest, value);
        }
    }
}
