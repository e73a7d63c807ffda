//! The servers that are compared: how each is started, and how it says where it listens.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use parlor_bench::{cli::Dialect, target::Url};
use tempfile::TempDir;

use super::{
    parlor::{OUTBOX_BYTES, Seeded},
    settings::{SECRET, Settings},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The same frames and nothing else
    Floor,
    /// The same, with every message flushed to a log before it is delivered; what waits is flushed together
    Ceiling,
    /// Node, in memory: socket.io for support, ws for staff
    Node,
    /// The same, with every message in SQLite before it is delivered; what waits is committed together
    NodeStored,
    /// Parlor, with a database
    Parlor,
}

impl Kind {
    /// What this server speaks where this dialect is wanted.
    pub fn speaks(self, wanted: Dialect) -> Dialect {
        match (self, wanted) {
            (Self::Parlor, wanted) => wanted,
            (_, Dialect::Converse) => Dialect::Staff,
            (_, wanted) => wanted,
        }
    }
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
    /// Where what servers keep is put.
    pub data: PathBuf,
}

/// A server that runs. Dropping it ends it.
pub struct Running {
    pub url: Url,
    pub dialect: Dialect,
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
        matches!(self.kind, Kind::Node | Kind::NodeStored)
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
    let dialect = kind.speaks(settings.dialect);
    if kind == Kind::Parlor {
        let seeded = places.parlor.as_ref().context("nothing was seeded")?;
        let (child, url, folder) = seeded.start(settings, &places.data)?;
        return Ok(Running { url, dialect, kind, child, _folder: Some(folder) });
    }
    let keeps = matches!(kind, Kind::Ceiling | Kind::NodeStored);
    let folder = keeps.then(|| TempDir::new_in(&places.data)).transpose()?;
    let kept = folder.as_ref().map(|folder| folder.path().join("messages"));
    let mut command = match kind {
        Kind::Node | Kind::NodeStored => node(places.node, dialect, settings, kept.as_deref())?,
        _ => floor(kept.as_deref())?,
    };
    let (child, url) = start_and_hear(kind, &mut command)?;
    Ok(Running { url, dialect, kind, child, _folder: folder })
}

/// These say on their first line where they listen.
fn start_and_hear(kind: Kind, command: &mut Command) -> Result<(Child, Url)> {
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
        Ok(url) => Ok((child, url)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

fn floor(log: Option<&Path>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor");
    if let Some(log) = log {
        command.arg("--log").arg(log);
    }
    Ok(command)
}

fn node(folder: &Path, dialect: Dialect, settings: &Settings, store: Option<&Path>) -> Result<Command> {
    let installed = folder.join("node_modules/better-sqlite3").exists();
    ensure!(installed, "run `npm ci` in {} first", folder.display());
    let program = if dialect == Dialect::Staff { "ws.mjs" } else { "server.mjs" };
    let mut command = Command::new("node");
    command.arg(folder.join(program)).env("NODE_STORE", store.unwrap_or(Path::new(""))).envs([
        ("PORT", "0".to_owned()),
        ("SECRET", SECRET.to_owned()),
        ("PING_INTERVAL", settings.ping_interval_ms.to_string()),
        ("PING_TIMEOUT", settings.ping_timeout_ms.to_string()),
        ("RECOVERY", if settings.recovery { "1".to_owned() } else { String::new() }),
        ("NODE_ENV", "production".to_owned()),
    ]);
    Ok(command)
}
