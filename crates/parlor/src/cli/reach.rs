//! How commands reach a core: the running server of this data directory, one elsewhere, or one started over the database
//! for as long as the command takes.

use anyhow::{Context, Result};
use clap::Args;
use parlor_core::clock::Clock;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tower::ServiceExt;

use super::Common;
use crate::{
    config::Config,
    contract::{Contract, Service},
    data_dir::{self, DataDir, Running},
    development,
    server::Embedded,
};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Which server a command speaks to.
#[derive(Clone, Debug, Args)]
pub struct Reach {
    /// The server to ask, such as http://127.0.0.1:8080; without it, the one of this data directory, or its database
    #[arg(long, value_name = "URL", env = "PARLOR_SERVER", requires = "key")]
    server: Option<String>,
    /// The operator's key, or an API key of kind admin
    #[arg(long, value_name = "KEY", env = "PARLOR_KEY", hide_env_values = true)]
    key: Option<String>,
}

/// A core that can be asked.
pub struct Reached {
    pub contract: Contract,
    /// Held while the command runs, if there was no server.
    embedded: Option<(Embedded, DataDir)>,
}

impl Reach {
    /// Finds a core.
    pub async fn contract(&self, common: &Common) -> Result<Reached> {
        if let (Some(server), Some(key)) = (&self.server, &self.key) {
            return Ok(Reached { contract: Contract::new(connect(server)?, key)?, embedded: None });
        }
        let mut config = common.load()?;
        if let Some(running) = data_dir::running(&config.data_dir) {
            development::complete(&mut config)?;
            let key = self.key.as_deref().unwrap_or(config.secrets.operator_key.expose());
            return Ok(Reached {
                contract: Contract::new(connect(&url_of(&running)?)?, key)?,
                embedded: None,
            });
        }
        let held = DataDir::hold(&config.data_dir)?;
        development::complete(&mut config)?;
        config.check()?;
        // Not the server's own name: this is no restart of it, and on a shared database it may be running elsewhere.
        config.node = format!("command-{}", std::process::id());
        let embedded = Embedded::start(&config, &Clock::default()).await?;
        let key = self.key.as_deref().unwrap_or(config.secrets.operator_key.expose());
        let contract = Contract::new(embedded.service(), key)?;
        Ok(Reached { contract, embedded: Some((embedded, held)) })
    }
}

impl Reached {
    /// Lets go of the core.
    pub async fn leave(self) {
        if let Some((embedded, _held)) = self.embedded {
            embedded.shutdown().await;
        }
    }
}

/// Where a running server's contract is served.
pub fn url_of(running: &Running) -> Result<String> {
    // A certificate is for a name that clients use, not for an address of this machine.
    let public = running.public.filter(|_| !running.tls);
    let address = public.or(running.internal).context(
        "the running server can only be reached with TLS, whose certificate is for a name: give --server https://NAME:PORT \
         and --key, or set core.listen to an address of this machine and restart it",
    )?;
    Ok(format!("http://{address}"))
}

/// A connection made at the first call.
pub fn connect(url: &str) -> Result<Service> {
    let is_url = |url: &http::Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    let parsed = url.parse().ok().filter(is_url);
    let parsed =
        parsed.with_context(|| format!("\"{url}\" is no URL; give one such as http://127.0.0.1:8080"))?;
    let endpoint: Endpoint = Channel::builder(parsed);
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
    let endpoint = if url.starts_with("https:") {
        endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots())?
    } else {
        endpoint
    };
    let channel = endpoint.connect_lazy().map_err(tower::BoxError::from);
    Ok(Service::new(channel))
}

/// Reads the configuration without touching anything, for commands that only look.
pub fn config_as_served(common: &Common) -> Result<Config> {
    let mut config = common.load()?;
    if let Some(kept) = crate::secrets::Kept::read(&config.data_dir)?
        && (config.dev || config.secrets.generate)
    {
        development::complete_with(&mut config, &kept);
    }
    Ok(config)
}
