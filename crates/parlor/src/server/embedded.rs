//! A core in this process, over its database: part of a server, or as long as one command takes.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use parlor_core::{Core, NotStarted, Occupied, clock::Clock};

use super::options;
use crate::{
    config::{BusKind, Config},
    contract::Service,
    data_dir::DataDir,
};

/// What to do if the database cannot be asked; its own words follow.
pub const UNREACHED: &str = "cannot read or change the database's tables; see that it runs, that database.url is right, and that \
                             this user may write there (`parlor doctor` looks closer)";

/// For how long a core is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// To serve: it takes over what earlier ones left.
    Serves,
    /// As long as a command takes: it leaves all that to the next that serves.
    Visits,
}

/// A running core. Clones are the same core.
#[derive(Clone, Debug)]
pub struct Embedded {
    core: Arc<Core>,
}

impl Embedded {
    /// Brings the tables up to date where that is wanted, and starts the core. The configuration was checked.
    pub async fn start(config: &Config, held: &DataDir, stay: Stay, clock: &Clock) -> Result<Self> {
        if config.dev || config.database.migrate {
            parlor_migration::up(&config.database_url()).await.context(UNREACHED)?;
        }
        Self::start_as_it_is(config, held, stay, clock).await
    }

    /// The same over tables that are up to date, and are left alone.
    pub async fn start_as_it_is(config: &Config, held: &DataDir, stay: Stay, clock: &Clock) -> Result<Self> {
        let url = config.database_url();
        require_tables(&url).await?;
        let bus = match config.bus.kind {
            BusKind::Memory => Arc::new(parlor_bus::memory::Memory::default()),
        };
        let store = parlor_store::Options { url, read_connections: config.database.read_connections };
        let mut options = options::core(config, held.home()?)?;
        if stay == Stay::Visits {
            options.restart_linger = None;
            options.retention = parlor_core::retention::Options::default();
        }
        match Core::start(options, store, bus, clock.clone()).await {
            Ok(core) => Ok(Self { core }),
            Err(NotStarted::Occupied(other)) => Err(occupied(other)),
            Err(error) => Err(error).context("cannot start the core; `parlor doctor` looks closer"),
        }
    }

    /// Completes when another core has taken over the database, so that this one is to be ended.
    pub async fn lost(&self) {
        self.core.lost().await;
    }

    /// What the core serves.
    #[must_use]
    pub fn service(&self) -> Service {
        self.core.routes()
    }

    /// Whether it can serve: its database does.
    pub async fn ready(&self) -> Result<()> {
        Ok(self.core.ready().await?)
    }

    /// Tells gateways elsewhere that this core goes down.
    pub async fn drain(&self, grace: Duration) {
        self.core.drain(grace).await;
    }

    /// Ends the core, then the store.
    pub async fn shutdown(self) {
        self.core.shutdown().await;
    }
}

/// Says who has the database, and what to do.
fn occupied(other: Occupied) -> anyhow::Error {
    let renewed_at = jiff::Timestamp::from_millisecond(other.renewed_at).unwrap_or_default();
    let told = format!(
        "node \"{}\" serves this database, and said so last at {renewed_at:.0}; while bus.kind is \"memory\" one core at a \
         time may: stop that one first",
        other.node
    );
    anyhow::Error::from(other).context(told)
}

/// Refuses to serve on tables of another version.
async fn require_tables(url: &str) -> Result<()> {
    let steps = parlor_migration::status(url).await.context(UNREACHED)?;
    let missing = steps.iter().filter(|(_, applied)| !applied).count();
    if missing > 0 {
        anyhow::bail!(
            "{missing} steps of the database's tables are missing; run: parlor migrate up (or set database.migrate)"
        );
    }
    Ok(())
}
