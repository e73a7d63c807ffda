//! The servers that are compared: how each is started, and how it says where it listens.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use parlor_bench::target::Url;
use tempfile::TempDir;

use super::{
    parlor::{OUTBOX_BYTES, Seeded},
    settings::{SECRET, Settings},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The same frames and nothing else
    Floor,
    /// socket.io on Node
    Node,
    /// Parlor, with a database
    Parlor,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("none is hidden").get_name())
    }
}

/// Where the programs are.
pub struct Places<'a> {
    pub node: &'a Path,
    pub parlor: Option<Seeded>,
}

/// A server that runs. Dropping it ends it.
pub struct Running {
    pub url: Url,
    kind: Kind,
    child: Child,
    /// What it keeps, removed with it.
    _folder: Option<TempDir>,
}

impl Running {
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What may wait for one client, where that has a bound.
    pub fn outbox_bytes(&self) -> Option<u64> {
        (self.kind == Kind::Parlor).then_some(OUTBOX_BYTES)
    }

    /// It takes up a lost connection by `pid` and offset.
    pub fn recovers(&self) -> bool {
        self.kind == Kind::Node
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing it holds is worth a goodbye.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server and waits until it listens.
pub fn start(kind: Kind, places: &Places<'_>, settings: &Settings) -> Result<Running> {
    let command = match kind {
        Kind::Floor => floor()?,
        Kind::Node => node(places.node, settings)?,
        Kind::Parlor => {
            let (child, url, folder) =
                places.parlor.as_ref().context("nothing was seeded")?.start(settings)?;
            return Ok(Running { url, kind, child, _folder: Some(folder) });
        }
    };
    start_and_hear(kind, command)
}

/// These say on their first line where they listen.
fn start_and_hear(kind: Kind, mut command: Command) -> Result<Running> {
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let said = child.stdout.take().context("its output is a pipe")?;
    let mut line = String::new();
    let read = BufReader::new(said).read_line(&mut line).context("cannot read what it says");
    let url = read.and_then(|_| {
        let url = line.trim().strip_prefix("listening on ");
        url.with_context(|| format!("{kind} does not say where it listens, but: {line}"))?.parse()
    });
    match url {
        Ok(url) => Ok(Running { url, kind, child, _folder: None }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

fn floor() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor");
    Ok(command)
}

fn node(folder: &Path, settings: &Settings) -> Result<Command> {
    let installed = folder.join("node_modules/socket.io").exists();
    ensure!(installed, "run `npm ci` in {} first", folder.display());
    let mut command = Command::new("node");
    command.arg(folder.join("server.mjs")).envs([
        ("PORT", "0".to_owned()),
        ("SECRET", SECRET.to_owned()),
        ("PING_INTERVAL", settings.ping_interval_ms.to_string()),
        ("PING_TIMEOUT", settings.ping_timeout_ms.to_string()),
        ("RECOVERY", if settings.recovery { "1".to_owned() } else { String::new() }),
        ("NODE_ENV", "production".to_owned()),
    ]);
    Ok(command)
}
