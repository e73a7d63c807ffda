//! Configuration: what an operator may say, read once at start.
//!
//! `parlor.default.toml` is the manual and holds every key. Reading ([`load()`]) only finds out what was said; whether it
//! can be meant is decided in one place (`config/check.rs`), which names the key and says what to do.

mod check;
mod core;
mod gateway;
mod issuer;
mod listener;
mod load;
mod mount;
mod node;
mod refusal;
mod retention;
mod secret;
mod secrets;
mod tenants;

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use self::{
    core::Core,
    gateway::Gateway,
    issuer::{Issuer, Key, MintIds, RoleName, RolesFrom},
    listener::Listener,
    load::{Flags, load},
    mount::{Identity, Mount},
    node::{Bus, BusKind, Database, Log, LogFormat, Probes, Shutdown},
    refusal::{Refusal, Refused},
    retention::Retention,
    secret::Secret,
    secrets::Secrets,
    tenants::Named,
};

/// The manual: every key, its default and its reason.
pub const DEFAULT_TOML: &str = include_str!("../parlor.default.toml");

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Core and gateway in one process.
    All,
    /// The services and the database.
    Core,
    /// What clients connect to.
    Gateway,
}

impl Role {
    /// It runs the services.
    #[must_use]
    pub const fn has_core(self) -> bool {
        matches!(self, Self::All | Self::Core)
    }

    /// It serves clients.
    #[must_use]
    pub const fn has_gateway(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }
}

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub role: Role,
    pub node: String,
    pub data_dir: PathBuf,
    /// Generated secrets, sample people, loopback only. A flag, never a key: no file can loosen a server by it.
    #[serde(skip)]
    pub dev: bool,
    /// Variables of the environment that begin like ours and are no settings, and why they do not count.
    #[serde(skip)]
    pub strays: Vec<Refusal>,
    pub log: Log,
    pub database: Database,
    pub bus: Bus,
    pub core: Core,
    pub gateway: Gateway,
    pub retention: Retention,
    pub secrets: Secrets,
    pub probes: Probes,
    pub shutdown: Shutdown,
    pub listener: Vec<Listener>,
    #[serde(default)]
    pub mount: Vec<Mount>,
    #[serde(default)]
    pub issuer: Vec<Issuer>,
}

impl Config {
    /// Where the database is, also if it is the default one in the data directory.
    #[must_use]
    pub fn database_url(&self) -> String {
        if self.database.url.is_empty() {
            format!("sqlite://{}", self.data_dir.join("parlor.db").display())
        } else {
            self.database.url.clone()
        }
    }

    /// The file of a SQLite database; `None` if the database is another, or no file.
    #[must_use]
    pub fn database_file(&self) -> Option<PathBuf> {
        let url = self.database_url();
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
        let path = path.split('?').next().unwrap_or_default();
        Some(PathBuf::from(path)).filter(|_| !url.contains(":memory:"))
    }

    /// The internal listener's address; `None` if there is none.
    #[must_use]
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.core.listen.parse().ok()
    }

    /// Moves the first listener to another address.
    pub fn set_listen(&mut self, address: SocketAddr) {
        if let Some(listener) = self.listener.first_mut() {
            listener.address = address;
        }
    }

    /// The configuration in force as TOML, without the secrets.
    pub fn print(&self) -> anyhow::Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }
}

#[cfg(test)]
impl Default for Config {
    /// What the manual says.
    fn default() -> Self {
        toml::from_str(DEFAULT_TOML).expect("the manual is a configuration")
    }
}

#[cfg(test)]
mod tests;
