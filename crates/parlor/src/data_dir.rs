//! The data directory: made private, and held by one server at a time.
//!
//! `lock` is held (flock) as long as a server lives, however it ends. `run.json` tells other commands where that server
//! is; it is believed only while the lock is held. `home` names the directory in the database: whatever a process of the
//! same home began there is over, since the lock is ours.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Only its owner may look into the directory.
const DIRECTORY_MODE: u32 = 0o700;

/// Only its owner may read a file in it.
pub(crate) const FILE_MODE: u32 = 0o600;

/// The directory, held by this process until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Where the server that holds a data directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    pub version: String,
    /// The first public listener.
    pub public: Option<SocketAddr>,
    /// That listener speaks TLS.
    pub tls: bool,
    pub internal: Option<SocketAddr>,
}

impl DataDir {
    /// Makes the directory if it is missing, and takes its lock. Fails if another process holds it.
    pub fn hold(path: &Path) -> Result<Self> {
        create(path)?;
        let lock = open_lock(path)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let who = read_running(path).map(|running| format!(" (process {})", running.pid));
                anyhow::bail!(
                    "another server{} holds the data directory {}; stop it, or give this one its own with --data-dir",
                    who.unwrap_or_default(),
                    path.display()
                )
            }
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.join("lock").display())),
        }
    }

    /// What this directory is called in the database; drawn once.
    pub fn home(&self) -> Result<String> {
        let file = self.path.join("home");
        let kept = match std::fs::read_to_string(&file) {
            Ok(text) => Uuid::try_parse(text.trim()).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        if let Some(home) = kept {
            return Ok(home.to_string());
        }
        let home = Uuid::new_v4().to_string();
        write_private(&file, &format!("{home}\n"))?;
        Ok(home)
    }

    /// Tells other commands where this server is.
    pub fn announce(&self, running: &Running) -> Result<()> {
        let text = serde_json::to_string_pretty(running)?;
        write_private(&self.path.join("run.json"), &text)
    }

    /// Tells nobody any more.
    pub fn withdraw(&self) {
        if let Err(error) = std::fs::remove_file(self.path.join("run.json"))
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot remove run.json");
        }
    }
}

/// The server that holds a directory now, if one does.
pub fn running(path: &Path) -> Option<Running> {
    if is_held(path) { read_running(path) } else { None }
}

/// A server holds the directory now.
pub fn is_held(path: &Path) -> bool {
    let Ok(lock) = OpenOptions::new().read(true).open(path.join("lock")) else { return false };
    flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

fn read_running(path: &Path) -> Option<Running> {
    serde_json::from_slice(&std::fs::read(path.join("run.json")).ok()?).ok()
}

fn create(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).with_context(|| {
        format!("cannot make the data directory {}; give another with --data-dir", path.display())
    })
}

fn open_lock(path: &Path) -> Result<File> {
    let file = path.join("lock");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE)
        .open(&file)
        .with_context(|| format!("cannot open {}; its owner must run this", file.display()))
}

/// Writes a file as a whole, readable by its owner only: either the old text is there or the new one.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("fresh");
    let write = || -> std::io::Result<()> {
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&fresh)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn here() -> Running {
        Running {
            pid: 7,
            version: "0".into(),
            public: "127.0.0.1:80".parse().ok(),
            tls: false,
            internal: None,
        }
    }

    #[test]
    fn two_servers_cannot_hold_one_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let first = DataDir::hold(&path).unwrap();
        first.announce(&here()).unwrap();
        let refused = DataDir::hold(&path).unwrap_err().to_string();
        assert!(refused.contains("another server (process 7) holds the data directory"), "{refused}");
        drop(first);
        DataDir::hold(&path).unwrap();
    }

    #[test]
    fn a_server_is_believed_only_while_it_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        assert_eq!(running(&path), None);
        let held = DataDir::hold(&path).unwrap();
        held.announce(&here()).unwrap();
        assert_eq!(running(&path), Some(here()));
        drop(held);
        assert_eq!(running(&path), None, "run.json of a server that was killed");
    }

    #[test]
    fn a_home_is_drawn_once_and_again_if_it_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let held = DataDir::hold(directory.path()).unwrap();
        let home = held.home().unwrap();
        assert_eq!(held.home().unwrap(), home);
        std::fs::write(directory.path().join("home"), "nothing").unwrap();
        assert_ne!(held.home().unwrap(), home);
    }

    #[test]
    fn what_is_made_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let held = DataDir::hold(&path).unwrap();
        held.announce(&here()).unwrap();
        held.home().unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.clone()), DIRECTORY_MODE);
        assert_eq!(mode(path.join("run.json")), FILE_MODE);
        assert_eq!(mode(path.join("home")), FILE_MODE);
    }
}
