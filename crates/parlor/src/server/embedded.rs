//! A core in this process, over its database: part of a server, or as long as one command takes.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use parlor_core::{Core, clock::Clock};

use super::options;
use crate::{
    config::{BusKind, Config},
    contract::Service,
};

/// What to do if the database cannot be asked; its own words follow.
pub const UNREACHED: &str = "cannot read or change the database's tables; see that it runs, that database.url is right, and that \
                             this user may write there (`parlor doctor` looks closer)";

/// A running core. Clones are the same core.
#[derive(Clone, Debug)]
pub struct Embedded {
    core: Arc<Core>,
}

impl Embedded {
    /// Brings the tables up to date where that is wanted, and starts the core. The configuration was checked.
    pub async fn start(config: &Config, clock: &Clock) -> Result<Self> {
        if config.dev || config.database.migrate {
            parlor_migration::up(&config.database_url()).await.context(UNREACHED)?;
        }
        Self::start_as_it_is(config, clock).await
    }

    /// The same over tables that are up to date, and are left alone.
    pub async fn start_as_it_is(config: &Config, clock: &Clock) -> Result<Self> {
        let url = config.database_url();
        require_tables(&url).await?;
        let bus = match config.bus.kind {
            BusKind::Memory => Arc::new(parlor_bus::memory::Memory::default()),
        };
        let store = parlor_store::Options { url, read_connections: config.database.read_connections };
        let core = Core::start(options::core(config)?, store, bus, clock.clone()).await;
        let core = core.context("cannot start the core; `parlor doctor` looks closer")?;
        Ok(Self { core })
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
