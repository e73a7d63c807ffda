//! Parlor as one of the servers: people seeded once, and for each start a copy of what was seeded.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use parlor_bench::{
    cli::{Dialect, People, Target},
    target::Url,
};
use tempfile::TempDir;

use super::settings::{SECRET, Settings};

const TENANT: &str = "bench";
const ISSUER: &str = "shop";
/// The paths of the mounts; that of `support` is its namespace too.
const SUPPORT: &str = "/support";
const STAFF: &str = "/staff";

/// What may wait for one client: the default, said aloud since it is judged by.
pub const OUTBOX_BYTES: u64 = 262_144;

/// How long it may take to serve, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// A folder with a seeded database, from which servers are started.
pub struct Seeded {
    folder: TempDir,
    program: PathBuf,
}

impl Seeded {
    /// Makes the database and its people.
    pub fn make(program: &Path, target: &Target) -> Result<Self> {
        let seeded =
            Self { folder: TempDir::new()?, program: fs::canonicalize(program).unwrap_or(program.into()) };
        let people = People { tenant: TENANT.to_owned(), issuer: ISSUER.to_owned(), out: None };
        let seed = format!("[[tenant]]\nslug = \"{TENANT}\"\n\n{}", people.seed(target));
        let file = seeded.folder.path().join("people.toml");
        fs::write(&file, seed)?;
        let settings = Settings {
            dialect: Dialect::Support,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            recovery: false,
        };
        let config = seeded.configuration(seeded.folder.path(), &settings)?;
        let mut command = seeded.command(&config);
        let done = command.arg("seed").arg(file).output();
        let done = done.with_context(|| format!("cannot start {}", seeded.program.display()))?;
        ensure!(done.status.success(), "parlor seed: {}", String::from_utf8_lossy(&done.stderr));
        Ok(seeded)
    }

    /// Starts a server over a copy, which is put in this folder.
    pub fn start(&self, settings: &Settings, within: &Path) -> Result<(Child, Url, TempDir)> {
        let folder = TempDir::new_in(within)?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        for entry in fs::read_dir(self.folder.path().join("data"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), data.join(entry.file_name()))?;
            }
        }
        let config = self.configuration(folder.path(), settings)?;
        let mut child =
            self.command(&config).arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        match wait_until_served(&mut child, &data.join("run.json"), path_of(settings.dialect)) {
            Ok(url) => Ok((child, url, folder)),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn command(&self, config: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(config);
        command
    }

    fn configuration(&self, folder: &Path, settings: &Settings) -> Result<PathBuf> {
        let data = folder.join("data");
        let Settings { ping_interval_ms, ping_timeout_ms, .. } = settings;
        let text = format!(
            r#"
data_dir = {data:?}
log.filter = "warn"
database.migrate = true
secrets.generate = true
gateway.outbox_bytes = {OUTBOX_BYTES}
gateway.ping_interval_ms = {ping_interval_ms}
gateway.ping_timeout_ms = {ping_timeout_ms}
gateway.rest_limit_requests = 0
gateway.sessions_per_address = 0
gateway.calls_per_address = 0
core.caller_calls_burst = 0
core.caller_messages_burst = 0
core.caller_streams = 0
core.new_conversations_burst = 0
core.unknown_keys_burst = 0
[[listener]]
address = "127.0.0.1:0"
connections_max = 20000
connections_per_address = 0
[[mount]]
dialect = "support"
prefix = "{SUPPORT}"
tenant = "{TENANT}"
issuers = ["{ISSUER}"]
rate_burst = 10000
rate_per_second = 10000
[[mount]]
dialect = "staff"
prefix = "{STAFF}"
tenant = "{TENANT}"
issuers = ["{ISSUER}"]
rate_burst = 10000
rate_per_second = 10000
[[issuer]]
name = "{ISSUER}"
tenant = "{TENANT}"
claims = {{ subject = ["id", "user.id"], email = ["email"], roles = ["role", "user.role"] }}
roles = {{ CUSTOMER = "customer", ADMIN = "admin", staff = "staff" }}
key = [{{ secret = {SECRET:?} }}]
"#
        );
        let file = folder.join("parlor.toml");
        fs::write(&file, text)?;
        Ok(file)
    }
}

/// Where a dialect is; gRPC is at the root of every listener.
fn path_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Support => SUPPORT,
        Dialect::Staff => STAFF,
        Dialect::Converse => "",
    }
}

fn wait_until_served(child: &mut Child, run: &Path, path: &str) -> Result<Url> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let told =
            fs::read(run).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        if let Some(address) = told.as_ref().and_then(|told| told["public"].as_str()) {
            return format!("http://{address}{path}").parse();
        }
        if let Some(status) = child.try_wait()? {
            bail!("parlor ended with {status} before it served");
        }
        std::thread::park_timeout(LOOK);
    }
    bail!("parlor does not serve after {PATIENCE:?}")
}
