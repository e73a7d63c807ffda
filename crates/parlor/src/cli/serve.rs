//! `parlor serve`: start, tell where, wait for a signal, drain.

use std::{io::Write, net::SocketAddr};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Common;
use crate::{
    config::{Flags, Role},
    log,
    server::Server,
    start_page,
};

/// The process was ended by a second signal, before its clients had left.
const CUT_SHORT: i32 = 1;

/// Serve until SIGINT or SIGTERM
///
/// With --config it serves what the file says. Without, or with --dev, it is a development server: generated secrets in
/// the data directory, a "demo" tenant with sample people, loopback only, and a page of lines to copy on standard output.
/// The log goes to standard error.
///
/// The first signal drains: no new connections, clients are told to leave and get shutdown.grace_ms for it. A second one
/// ends the process at once. A server whose database another core has taken over ends by itself, with exit code 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parlor serve
  parlor serve --listen 127.0.0.1:9000 --data-dir /tmp/parlor
  parlor serve --config parlor.toml
  PARLOR_CORE__LISTEN=127.0.0.1:8081 parlor serve --config parlor.toml --role core")]
pub struct Serve {
    /// Generated secrets, sample people, loopback only (the default without --config)
    #[arg(long)]
    dev: bool,
    /// What this process does (the setting role)
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// The address and port of the first listener
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

impl Serve {
    /// What `parlor` alone means.
    pub fn development() -> Self {
        Self { dev: true, role: None, listen: None }
    }

    pub async fn run(self, common: &Common) -> Result<()> {
        let flags = Flags { dev: self.dev, role: self.role, listen: self.listen, ..Flags::default() };
        let config = common.load_with(&flags)?;
        log::install(&config.log)?;
        // Before anything is served, so that no signal is missed.
        let mut signals = Signals::install()?;
        let is_dev = config.dev;
        let server = tokio::select! {
            server = Server::start(config) => server?,
            () = signals.next() => return Ok(()),
        };
        if is_dev {
            let page = start_page::compose(&server).await?;
            let mut out = std::io::stdout().lock();
            // A closed pipe is no reason not to serve.
            let _ = out.write_all(page.as_bytes()).and_then(|()| out.flush());
        }
        let is_lost = tokio::select! {
            () = signals.next() => false,
            () = server.lost() => true,
        };
        tracing::info!("draining; another signal ends at once");
        tokio::select! {
            () = server.shutdown() => if is_lost {
                bail!("another core has taken over the database, so this one has ended; see its log");
            } else {
                Ok(())
            },
            () = signals.next() => {
                tracing::warn!("ended before every client had left");
                std::process::exit(CUT_SHORT)
            }
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn install() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
