//! `parlor backup`: all that is stored, in one file.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use parlor_store::{PostgresPlace, backup};

use super::{
    Common,
    exit::Declined,
    held::Held,
    postgres,
    reach::{require_core, require_installation},
};
use crate::{config::Config, fresh::Fresh};

/// Write all that is stored into a file, while a server runs or not
///
/// The file is a SQLite database: everything of one moment, between two commits. Whoever writes meanwhile is not held up.
/// It is written beside its place under another name, checked, flushed, and moved there; a file that is there already stays.
/// It has mode 0600, since what people wrote is in it.
///
/// It does not hold the configuration, nor the secrets: neither those of the configuration nor those that were made at the
/// first start (secrets.toml in the data directory). Keep both elsewhere.
///
/// While it is being written, the database's log (parlor.db-wal) grows by all that is written meanwhile.
///
/// A PostgreSQL database is left to pg_dump: the line for it is told, with exit code 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parlor backup /backups/parlor-2026-11-29.db --config parlor.toml
  parlor backup monday.db --json")]
pub struct Backup {
    /// The file to write; nothing may be there
    file: PathBuf,
    /// Print what it holds as JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub async fn run(self, common: &Common) -> Result<()> {
        let config = common.load()?;
        require_core(&config)?;
        let file = self.file.as_path();
        leave_to_postgres(&config, |place| postgres::dump(place, file))?;
        require_installation(&config)?;
        if file.symlink_metadata().is_ok() {
            return Err(is_there(file));
        }
        let fresh = begin(file)?;
        let url = config.database_url();
        if let Err(error) = backup::copy(&url, fresh.path()).await {
            bail!("cannot copy the database into {}: {error}; nothing is left of it", file.display());
        }
        let held = Held::check(fresh.path(), file).await.context("the database, as it was copied")?;
        match fresh.settle_new() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(is_there(file)),
            settled => settled.with_context(|| format!("cannot write {}", file.display()))?,
        }
        held.print("wrote", self.json)
    }
}

/// Refuses a PostgreSQL database, and says what to run instead.
pub fn leave_to_postgres(config: &Config, line: impl FnOnce(&PostgresPlace) -> String) -> Result<()> {
    let place = PostgresPlace::of(&config.database_url());
    let Some(place) = place.context("database.url cannot be read; see that it is right")? else {
        return Ok(());
    };
    let line = line(&place);
    Err(Declined(format!(
        "the database is PostgreSQL, whose own tools do this; nothing was done; run:\n  {line}"
    ))
    .into())
}

/// Makes the file under its other name.
pub fn begin(place: &Path) -> Result<Fresh> {
    Fresh::beside(place).with_context(|| {
        format!("cannot write beside {}; see that its folder is there and may be written to", place.display())
    })
}

fn is_there(file: &Path) -> anyhow::Error {
    Declined(format!("{} is there already, and stays; name another file", file.display())).into()
}
