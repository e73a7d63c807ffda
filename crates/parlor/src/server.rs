//! A running server: the parts its role asks for, started in order and ended in order.
//!
//! It owns the data directory's lock, the core, the internal listener and the gateway. Nothing here is global but the
//! recorder of metrics, so several servers may live in one process.

mod embedded;
mod internal;
mod metrics;
mod options;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use parlor_core::clock::Clock;
use parlor_gateway::{
    Backend, Gateway, Listener,
    listener::{self, Running},
};

pub use self::embedded::{Embedded, Stay, UNREACHED};
use self::{internal::Internal, metrics::Upkeep};
use crate::{
    config::{Config, Identity, Refusal, Refused},
    contract::Contract,
    data_dir::{self, DataDir},
    development,
    seed::Seed,
};

/// A running server. Dropped without [`Server::shutdown`], it ends like a process that was killed.
#[derive(Debug)]
pub struct Server {
    config: Config,
    clock: Clock,
    gateway: Option<Gateway>,
    internal: Option<Internal>,
    probes: Option<Running>,
    core: Option<Embedded>,
    upkeep: Upkeep,
    data_dir: DataDir,
}

impl Server {
    /// Starts what the role asks for, and answers when it serves.
    pub async fn start(mut config: Config) -> Result<Self> {
        let data_dir = DataDir::hold(&config.data_dir)?;
        development::complete(&mut config)?;
        config.check()?;
        check_certificates(&config).await?;
        for doubt in config.doubts() {
            tracing::warn!("{}: {}", doubt.key, doubt.problem);
        }
        let clock = Clock::default();
        let upkeep = Upkeep::start()?;
        let (gateway, internal, probes, core) = (None, None, None, None);
        let mut server = Self { gateway, internal, probes, core, config, clock, upkeep, data_dir };
        if server.config.role.has_core() {
            server.start_core().await?;
        }
        if server.config.role.has_gateway() {
            server.start_gateway().await?;
        }
        server.start_probes().await?;
        server.announce()?;
        Ok(server)
    }

    /// Where a public listener is bound.
    ///
    /// # Panics
    /// If there is no listener of that name.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        let gateway = self.gateway.as_ref().expect("a server with a gateway has public listeners");
        gateway.address(listener).expect("the caller knows which listeners are configured")
    }

    /// Where the internal listener is bound; `None` if there is none.
    #[must_use]
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(Internal::address)
    }

    /// Where probes are answered; `None` if they have no listener of their own.
    #[must_use]
    pub fn probes_address(&self) -> Option<SocketAddr> {
        self.probes.as_ref().map(Running::address)
    }

    /// The server's clock, which a test may move.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is in force, generated secrets included.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The core of this process as its operator calls it; `None` for a gateway alone.
    #[must_use]
    pub fn contract(&self) -> Option<Contract> {
        let core = self.core.as_ref()?;
        Contract::new(core.service(), self.config.secrets.operator_key.expose()).ok()
    }

    /// Completes when clients are served: the gateway has its link to the core.
    pub async fn ready(&self) {
        if let Some(gateway) = &self.gateway {
            // The sender lives as long as the gateway, so waiting cannot fail.
            let _ = gateway.linked().wait_for(|linked| *linked).await;
        }
    }

    /// Completes when another core has taken over the database, so that this server is to be ended; never for a gateway alone.
    pub async fn lost(&self) {
        match &self.core {
            Some(core) => core.lost().await,
            None => std::future::pending().await,
        }
    }

    /// Ends in order: nothing new is taken, clients are told to leave and get the grace for it, then the gateway, the
    /// core and the store end.
    pub async fn shutdown(mut self) {
        let grace = self.config.shutdown.grace();
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown(grace).await;
        }
        let internal = self.internal.take();
        if let (Some(core), Some(internal)) = (&self.core, &internal) {
            core.drain(grace).await;
            internal.drain();
        }
        if let Some(core) = self.core.take() {
            core.shutdown().await;
        }
        if let Some(internal) = internal {
            internal.shutdown(grace).await;
        }
        // Last, so that whoever asks is told until the end that nothing is served any more.
        if let Some(probes) = self.probes.take() {
            probes.shutdown(Duration::ZERO).await;
        }
        self.upkeep.stop().await;
        self.data_dir.withdraw();
        tracing::info!("ended");
    }

    async fn start_core(&mut self) -> Result<()> {
        let core = Embedded::start(&self.config, &self.data_dir, Stay::Serves, &self.clock).await?;
        if self.config.dev {
            let contract = Contract::new(core.service(), self.config.secrets.operator_key.expose())?;
            let demo = Seed::parse(development::DEMO_TOML).context("the built-in demo")?;
            demo.apply(&contract).await.context("cannot make the sample people")?;
        }
        if let Some(address) = self.config.internal_address() {
            let internal = Internal::bind(address, &core).await?;
            tracing::info!(address = %internal.address(), "gateways may connect");
            self.internal = Some(internal);
        }
        self.warn_of_missing_tenants(&core).await;
        self.core = Some(core);
        Ok(())
    }

    async fn start_gateway(&mut self) -> Result<()> {
        let backend = match &self.core {
            Some(core) => Backend::local(core.service()),
            None => {
                let url = &self.config.gateway.core_url;
                Backend::connect(url).with_context(|| format!("gateway.core_url: \"{url}\" is not a URL"))?
            }
        };
        // Bound first: a taken port must fail before anything is started that would have to be undone.
        let mut listeners = Vec::new();
        for listener in &self.config.listener {
            let bound = Listener::bind(options::listener(listener)).await;
            listeners.push(bound.with_context(|| {
                let (name, address) = (&listener.name, listener.address);
                format!("cannot listen on {address} (listener \"{name}\"); stop who has it, or choose another with --listen")
            })?);
        }
        self.warn_of_claims();
        let gateway = Gateway::start(options::gateway(&self.config, &self.clock), backend)?;
        for listener in listeners {
            let name = listener.name().to_owned();
            let address = gateway.serve(listener, gateway.router(&name));
            tracing::info!(%address, listener = name, "serving");
        }
        self.gateway = Some(gateway);
        Ok(())
    }

    /// The listener that clients do not reach, if there is to be one.
    async fn start_probes(&mut self) -> Result<()> {
        let Some(address) = self.config.probes.address() else { return Ok(()) };
        let bound = Listener::bind(listener::Options::new("probes", address)).await;
        let bound = bound.with_context(|| {
            format!("cannot listen on {address} (probes.listen); stop who has it, or choose another")
        })?;
        let router = match (&self.gateway, &self.internal) {
            (Some(gateway), _) => gateway.probes(Arc::new(metrics::render)),
            (None, Some(internal)) => internal.probes(),
            (None, None) => return Ok(()),
        };
        let running = bound.serve(listener::router_service(router));
        tracing::info!(address = %running.address(), "answering probes");
        self.probes = Some(running);
        Ok(())
    }

    /// No reason not to start: a seed may be applied while the server runs.
    async fn warn_of_missing_tenants(&self, core: &Embedded) {
        let contract = Contract::new(core.service(), self.config.secrets.operator_key.expose());
        let Ok(contract) = contract else { return };
        for named in self.config.tenants_named() {
            if let Ok(false) = contract.has_tenant(&named.tenant).await {
                tracing::warn!("{}", named.missing());
            }
        }
    }

    /// Nobody shall find out later that a mount believes whatever it is told.
    fn warn_of_claims(&self) {
        for mount in self.config.mount.iter().filter(|mount| mount.identity == Identity::Claims) {
            tracing::warn!(
                mount = mount.label(),
                "NOT SECURE: identity = \"claims\" lets everybody who can connect to this mount read and write as \
                 anybody; use \"cookie\" or \"token\" unless everybody there is trusted"
            );
        }
    }

    fn announce(&self) -> Result<()> {
        let public = self.config.listener.first().filter(|_| self.gateway.is_some());
        self.data_dir.announce(&data_dir::Running {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            public: public.map(|listener| self.address(&listener.name)),
            tls: public.is_some_and(crate::config::Listener::has_tls),
            internal: self.internal_address(),
        })
    }
}

/// Refuses certificates that no listener could serve with. Not a part of [`Config::check`], since files are read.
pub async fn check_certificates(config: &Config) -> Result<(), Refused> {
    let mut refusals = Vec::new();
    for (index, listener) in config.listener.iter().enumerate().filter(|_| config.role.has_gateway()) {
        let Some(files) = options::tls(listener) else { continue };
        if let Err(error) = files.check().await {
            let key = format!("listener[{index}].tls_certificate_file");
            let problem = format!(
                "cannot be served with: {error}; give a certificate chain and its private key, both as PEM"
            );
            refusals.push(Refusal { key, problem });
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(Refused(refusals)) }
}

#[cfg(test)]
mod tests;
