//! `parlor restore`: a backup in the database's place.

use std::{
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use parlor_store::backup::{self, Error};

use super::{
    Common,
    backup::{begin, leave_to_postgres},
    exit::Declined,
    held::Held,
    output, postgres,
    reach::require_core,
};
use crate::{
    data_dir::{self, DataDir},
    fresh::{Fresh, flush_folder},
};

/// Every SQLite database begins so.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-journal", "-shm"];

/// Put a backup in the database's place, while no server runs
///
/// The file is copied beside the database, checked as a whole, flushed and moved there. A database that is there stays,
/// unless --replace gives it another name. Tables of an older version stay as they are, and that is told (`parlor migrate
/// up`, or database.migrate at the next start); those of a newer version are refused.
///
/// The next server takes over whom the backup shows online: who does not come back within core.restart_linger_ms leaves.
///
/// What happened after the backup is gone, and some of it matters: tokens that were withdrawn since are good again, so
/// withdraw them again, or change secrets.signing_key; and numbers that were given out since are given out again, so
/// change secrets.position_key, by which clients find out that they have to read from the beginning.
///
/// A PostgreSQL database is left to pg_restore: the line for it is told, with exit code 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parlor restore /backups/parlor-2026-11-29.db --config parlor.toml
  parlor restore monday.db --replace")]
pub struct Restore {
    /// What `parlor backup` has written
    file: PathBuf,
    /// Give the database that is there another name, and take its place
    #[arg(long)]
    replace: bool,
    /// Print what is restored as JSON
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub async fn run(self, common: &Common) -> Result<()> {
        let config = common.load()?;
        require_core(&config)?;
        let file = self.file.as_path();
        leave_to_postgres(&config, |place| postgres::restore(place, file))?;
        require_backup(file)?;
        let Some(database) = config.database_file() else {
            return Err(declined("database.url names no file, so nothing can be restored to it"));
        };
        if data_dir::is_held(&config.data_dir) {
            let directory = config.data_dir.display();
            return Err(declined(format!("a server holds the data directory {directory}; stop it first")));
        }
        if database.exists() && !self.replace {
            let database = database.display();
            return Err(declined(format!(
                "the database {database} is there already, and stays; --replace renames it"
            )));
        }
        // Nobody serves while files change their names.
        let _held = DataDir::hold(&config.data_dir)?;
        require_alone(&database).await?;
        let fresh = begin(&database)?;
        std::fs::copy(file, fresh.path()).with_context(|| format!("cannot copy {}", file.display()))?;
        let held = Held::check(fresh.path(), file).await?;
        backup::settle(fresh.path())
            .await
            .with_context(|| format!("cannot change {}", fresh.path().display()))?;
        let renamed = exchange(&database, fresh)?;
        if let Some(renamed) = renamed.filter(|_| !self.json) {
            output::say(format_args!("the database that was there is {} now\n", renamed.display()))?;
        }
        held.print("restored", self.json)
    }
}

fn declined(told: impl Into<String>) -> anyhow::Error {
    Declined(told.into()).into()
}

/// Refuses what is no backup at first sight.
fn require_backup(file: &Path) -> Result<()> {
    let shown = file.display();
    if !is_sqlite(file).with_context(|| format!("cannot read {shown}"))? {
        return Err(declined(format!("{shown} is no backup: it is not a SQLite database")));
    }
    // It is there for as long as somebody has the database open, though it may be empty.
    let log = companion(file, "-wal");
    if log.exists() {
        let log = log.display();
        return Err(declined(format!(
            "{shown} is a database in use, with a log beside it ({log}); make a backup of it first"
        )));
    }
    Ok(())
}

fn is_sqlite(file: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(file)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head == MAGIC)
}

/// Refuses to take the place of a database that somebody has open, from whatever data directory. What its log holds is in
/// its file then.
async fn require_alone(database: &Path) -> Result<()> {
    // SQLite would throw away the log of a file that it cannot read at all.
    if !database.exists() || !is_sqlite(database)? {
        return Ok(());
    }
    match backup::close(database).await {
        Err(Error::InUse) => {
            let database = database.display();
            Err(declined(format!("another process has the database {database} open; stop it first")))
        }
        // One that is damaged is what is to be replaced; its log stays with it.
        Ok(()) | Err(Error::Damaged(_)) => Ok(()),
        Err(error) => bail!("cannot open the database that is there: {error}"),
    }
}

/// Gives what is there other names, its log first, and moves the new one there: at no moment is there a file with another's
/// log. Answers the database's other name.
fn exchange(database: &Path, fresh: Fresh) -> Result<Option<PathBuf>> {
    let renamed = free_name(database);
    let exchange = || -> std::io::Result<bool> {
        for suffix in COMPANIONS {
            match std::fs::rename(companion(database, suffix), companion(&renamed, suffix)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        // Under both names until the new one comes: at no moment does a server that starts find none, and make one.
        let was_there = match std::fs::hard_link(database, &renamed) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(_) => std::fs::rename(database, &renamed).map(|()| true)?,
        };
        flush_folder(database)?;
        fresh.settle_over()?;
        Ok(was_there)
    };
    let was_there = exchange().with_context(|| {
        let (database, renamed) = (database.display(), renamed.display());
        format!("cannot put the backup in the place of {database}; what was there may be {renamed} now")
    })?;
    Ok(was_there.then_some(renamed))
}

/// The first of parlor.db.replaced-1, -2 … that nothing has.
fn free_name(database: &Path) -> PathBuf {
    let name = |number: u32| companion(database, &format!(".replaced-{number}"));
    let is_free = |path: &PathBuf| {
        let mut all = COMPANIONS.iter().map(|suffix| companion(path, suffix));
        !path.exists() && !all.any(|companion| companion.exists())
    };
    (1..).map(name).find(is_free).expect("a folder has fewer files")
}

fn companion(of: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(of);
    path.push(suffix);
    PathBuf::from(path)
}
