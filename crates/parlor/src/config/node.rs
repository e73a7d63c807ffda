//! What concerns the process as a whole: log, database, bus, shutdown.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize, Serializer};

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Where everything is remembered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    #[serde(serialize_with = "without_password")]
    pub url: String,
    pub read_connections: u32,
    pub migrate: bool,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("url", &mask_password(&self.url))
            .field("read_connections", &self.read_connections)
            .field("migrate", &self.migrate)
            .finish()
    }
}

fn without_password<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&mask_password(url))
}

/// The URL as it may be shown: user and host stay, the password and everything after '?' (which may hold one too) go.
#[must_use]
pub(crate) fn mask_password(url: &str) -> String {
    let (url, tail) = match url.split_once('?') {
        Some((url, _)) => (url, "?(redacted)"),
        None => (url, ""),
    };
    let Some((scheme, rest)) = url.split_once("://") else { return format!("{url}{tail}") };
    let Some((account, host)) = rest.rsplit_once('@') else { return format!("{url}{tail}") };
    let user = account.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:(redacted)@{host}{tail}")
}

/// How core nodes tell each other what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub kind: BusKind,
}

/// The kinds of bus there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    Memory,
}

/// Where probes and collectors ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// An address and port, or empty.
    pub listen: String,
    pub public_metrics: bool,
}

impl Probes {
    /// The address of their own listener; `None` if there is none.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// `/metrics` is answered where clients connect.
    #[must_use]
    pub const fn are_public(&self) -> bool {
        self.listen.is_empty() && self.public_metrics
    }
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    pub grace_ms: u64,
}

impl Shutdown {
    /// How long clients get to leave.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}
