//! How commands reach a core: the running server of this data directory, one elsewhere, or one started over the database
//! for as long as the command takes.

use anyhow::{Context, Result, bail};
use clap::Args;
use parlor_core::{Occupied, clock::Clock};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tower::ServiceExt;

use super::Common;
use crate::{
    config::Config,
    contract::{Contract, Service},
    data_dir::{self, DataDir, Running},
    development,
    server::{Embedded, Stay},
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
    /// Where it is, as a person may be told: "in DIRECTORY" or "at URL".
    place: String,
    /// Held while the command runs, if there was no server.
    embedded: Option<(Embedded, DataDir)>,
}

impl Reach {
    /// Finds a core of an installation that is there.
    pub async fn contract(&self, common: &Common) -> Result<Reached> {
        self.find(common, false).await
    }

    /// Finds a core. If there is no installation yet, it is made.
    pub async fn contract_or_make(&self, common: &Common) -> Result<Reached> {
        self.find(common, true).await
    }

    /// Finds a core, and the tenant in it.
    pub async fn tenant(&self, common: &Common, slug: &str) -> Result<Reached> {
        let reached = self.contract(common).await?;
        // Whatever else is wrong, the command itself will be told.
        if let Ok(false) = reached.contract.has_tenant(slug).await {
            let place = reached.place.clone();
            reached.leave().await;
            bail!(
                "there is no tenant \"{slug}\" {place}, or the key does not open it; `parlor seed FILE` makes tenants"
            );
        }
        Ok(reached)
    }

    async fn find(&self, common: &Common, make: bool) -> Result<Reached> {
        if let (Some(server), Some(key)) = (&self.server, &self.key) {
            let place = format!("at {server}");
            return Ok(Reached { contract: Contract::new(connect(server)?, key)?, place, embedded: None });
        }
        let mut config = common.load()?;
        let place = format!("in {}", config.data_dir.display());
        if !config.role.has_core() && self.key.is_none() {
            bail!("{NO_CORE}, or give --server and --key");
        }
        if let Some(running) = data_dir::running(&config.data_dir) {
            development::complete(&mut config)?;
            let key = self.key.as_deref().unwrap_or(config.secrets.operator_key.expose());
            return Ok(Reached {
                contract: Contract::new(connect(&url_of(&running)?)?, key)?,
                place,
                embedded: None,
            });
        }
        require_core(&config)?;
        if !make {
            require_installation(&config)?;
        }
        let held = DataDir::hold(&config.data_dir)?;
        development::complete(&mut config)?;
        config.check()?;
        // Not the server's own name: this is no restart of it, and on a shared database it may be running elsewhere.
        config.node = format!("command-{}", std::process::id());
        let clock = Clock::default();
        let embedded = if make {
            Embedded::start(&config, &held, Stay::Visits, &clock).await
        } else {
            Embedded::start_as_it_is(&config, &held, Stay::Visits, &clock).await
        };
        let embedded = embedded.map_err(|error| {
            if error.root_cause().is::<Occupied>() { error.context(ELSEWHERE) } else { error }
        })?;
        let key = self.key.as_deref().unwrap_or(config.secrets.operator_key.expose());
        let contract = Contract::new(embedded.service(), key)?;
        Ok(Reached { contract, place, embedded: Some((embedded, held)) })
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

/// What to do if a server elsewhere has the database.
const ELSEWHERE: &str = "a server elsewhere has this database; ask that one: give --server and --key";

/// What a gateway alone cannot do.
const NO_CORE: &str = "role \"gateway\" has no database; run this where the core's configuration is";

/// Refuses what needs a database where there is none.
pub fn require_core(config: &Config) -> Result<()> {
    anyhow::ensure!(config.role.has_core(), NO_CORE);
    Ok(())
}

/// Refuses to look into an installation that is not there: looking must not make one.
pub fn require_installation(config: &Config) -> Result<()> {
    match config.database_file() {
        Some(file) if !file.exists() => bail!(
            "there is no installation in {}: no database {}; name another with --data-dir or --config, or make one: \
             `parlor` (a development server), `parlor migrate up` or `parlor seed FILE`",
            config.data_dir.display(),
            file.display()
        ),
        // Any other database is asked for its tables.
        _ => Ok(()),
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
