//! The database: reachable, durable, and with the tables of this version.

use std::path::Path;

use super::Finding;
use crate::config::Config;

const TABLES: &str = "tables";
const DATABASE: &str = "database";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let url = config.database_url();
    // Looking at one that is not there would make it.
    if let Some(file) = config.database_file()
        && !file.exists()
    {
        return vec![absent(config, &file)];
    }
    let tables = tables(config, &url).await;
    let mut findings = opened(config, url).await;
    findings.insert(1, tables);
    findings
}

fn absent(config: &Config, file: &Path) -> Finding {
    // The data directory is made at the first start; no other folder is.
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty() && !folder.starts_with(&config.data_dir));
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        let folder = folder.display();
        Finding::wrong(
            DATABASE,
            format!("its folder {folder} is not there; make it, or correct database.url"),
        )
    } else if config.dev || config.database.migrate {
        Finding::good(DATABASE, format!("{} is not there yet; the first start makes it", file.display()))
    } else {
        let file = file.display();
        Finding::wrong(
            DATABASE,
            format!("{file} is not there; see database.url, or make it: parlor migrate up"),
        )
    }
}

/// What can be seen once it is open: first the database itself.
async fn opened(config: &Config, url: String) -> Vec<Finding> {
    let options = parlor_store::Options { url, read_connections: config.database.read_connections };
    let store = match parlor_store::Store::open(options, Box::new(|_| {})).await {
        Ok(store) => store,
        Err(error) => {
            return vec![Finding::wrong(
                DATABASE,
                format!("cannot be opened: {error}; see database.url, and that it runs"),
            )];
        }
    };
    let answers = store.ping().await;
    let settings = store.durability().await;
    let tenants = tenants(config, &store).await;
    store.close().await;
    let database = match (answers, settings) {
        (Err(error), _) | (Ok(()), Err(error)) => Finding::wrong(
            DATABASE,
            format!("does not answer: {error}; see its log, its disk and its rights"),
        ),
        (Ok(()), Ok(settings)) => durability(&settings),
    };
    std::iter::once(database).chain(tenants).collect()
}

/// The tenants that mounts and issuers need. Where the tables cannot be read, that is another finding's.
async fn tenants(config: &Config, store: &parlor_store::Store) -> Vec<Finding> {
    let mut findings = Vec::new();
    for named in config.tenants_named() {
        if store.directory.tenant(&named.tenant).await
            == Err(parlor_store::Error::NotFound(parlor_store::What::Tenant))
        {
            findings.push(Finding::wrong("tenant", named.missing()));
        }
    }
    findings
}

/// What is acknowledged must be on disk. The names are the databases' own.
fn durability(settings: &[(String, String)]) -> Finding {
    let shown = settings.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    let weak: Vec<&str> = settings
        .iter()
        .filter(|(name, value)| match name.as_str() {
            "journal_mode" => !value.eq_ignore_ascii_case("wal"),
            "synchronous" => !matches!(value.to_ascii_lowercase().as_str(), "2" | "3" | "full" | "extra"),
            "synchronous_commit" => matches!(value.as_str(), "off" | "local"),
            "fsync" | "full_page_writes" => value != "on",
            _ => false,
        })
        .map(|(name, _)| name.as_str())
        .collect();
    if weak.is_empty() {
        Finding::good(DATABASE, format!("answers; {shown}"))
    } else {
        let which = weak.join(", ");
        Finding::wrong(
            DATABASE,
            format!("may lose what was acknowledged ({shown}); set {which} back to its default"),
        )
    }
}

async fn tables(config: &Config, url: &str) -> Finding {
    let steps = match parlor_migration::status(url).await {
        Ok(steps) => steps,
        Err(error) => {
            return Finding::wrong(TABLES, format!("{error}; see that the database runs and may be read"));
        }
    };
    let missing = steps.iter().filter(|(_, applied)| !applied).count();
    if missing == 0 {
        Finding::good(TABLES, format!("all {} steps are applied", steps.len()))
    } else if config.dev || config.database.migrate {
        Finding::doubtful(TABLES, format!("{missing} steps are missing; the next start applies them"))
    } else {
        Finding::wrong(TABLES, format!("{missing} steps are missing; run: parlor migrate up"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    fn state(name: &str, value: &str) -> State {
        durability(&[(name.to_owned(), value.to_owned())]).state
    }

    #[test]
    fn a_folder_that_nobody_makes_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { dev: true, data_dir: directory.path().join("data"), ..Config::default() };
        let at = |file: &str| absent(&config, &directory.path().join(file)).state;
        assert_eq!(at("data/parlor.db"), State::Good);
        assert_eq!(at("parlor.db"), State::Good);
        assert_eq!(at("nowhere/parlor.db"), State::Wrong);
    }

    #[test]
    fn weak_durability_is_found() {
        assert_eq!(state("synchronous", "2"), State::Good);
        assert_eq!(state("synchronous", "1"), State::Wrong);
        assert_eq!(state("journal_mode", "wal"), State::Good);
        assert_eq!(state("journal_mode", "memory"), State::Wrong);
        assert_eq!(state("synchronous_commit", "on"), State::Good);
        assert_eq!(state("synchronous_commit", "off"), State::Wrong);
        assert_eq!(state("fsync", "off"), State::Wrong);
    }
}
