//! The real program on a database and a port of its own, killed and started again.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{command, execute};

/// Signs the tokens of all clients. It guards nothing: the server listens on loopback and ends with us.
pub const SECRET: &str = "a secret of campaigns, known to everybody";

/// More than a campaign has: each client has two connections, and after a kill the lost ones may not be gone yet.
const CONNECTIONS_MAX: usize = 100_000;

/// How long it may take to serve, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// A server, and all it keeps. Dropping it ends both.
pub struct Server {
    program: PathBuf,
    folder: TempDir,
    running: Option<Child>,
    /// Where it serves: at first anywhere, and from then on there.
    address: SocketAddr,
}

impl Server {
    /// A folder with a configuration, a tenant and its staff, who go by these names in their tokens; nothing runs yet.
    pub fn install(program: &Path, staff: &[String]) -> Result<Self> {
        let folder = TempDir::new()?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Self { program: program.to_owned(), folder, running: None, address };
        fs::write(server.config(), configuration(&server.data_dir()))?;
        let seed = server.folder.path().join("seed.toml");
        fs::write(&seed, people(staff))?;
        execute(command(program).arg("--config").arg(server.config()).arg("seed").arg(seed))?;
        Ok(server)
    }

    /// Starts it and waits until it serves, on what is there.
    pub fn start(&mut self) -> Result<()> {
        // One that was killed has left it.
        let run = self.data_dir().join("run.json");
        if run.exists() {
            fs::remove_file(&run)?;
        }
        let mut serve = command(&self.program);
        serve.arg("--config").arg(self.config()).args(["serve", "--listen", &self.address.to_string()]);
        let child = self.running.insert(serve.stdout(Stdio::null()).spawn().context("cannot start parlor")?);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(address) = public_address(&run) {
                self.address = address;
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                bail!("parlor ended with {status} before it served");
            }
            std::thread::park_timeout(LOOK);
        }
        bail!("parlor does not serve after {PATIENCE:?}")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGKILL: no flush, no goodbye.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.running.take().context("it runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Fails if it has ended by itself.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.running.as_mut().context("it was started")?.try_wait()? {
            Some(status) => bail!("parlor ended by itself with {status}"),
            None => Ok(()),
        }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("parlor.toml")
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running.is_some() {
            // It fails only if it has ended by itself.
            let _ = self.kill();
        }
    }
}

/// The defaults, but for what a thousand clients from one address need; and without a line in the log for each read that
/// waited long for another, of which there are thousands after a kill.
fn configuration(data_dir: &Path) -> String {
    format!(
        r#"
data_dir = {data_dir:?}
log.filter = "warn,sqlx::pool=error"
database.migrate = true
secrets.generate = true
gateway.sessions_per_address = 0
[[listener]]
address = "127.0.0.1:0"
connections_max = {CONNECTIONS_MAX}
connections_per_address = 0
[[mount]]
dialect = "native"
prefix = "/native"
tenant = "cuts"
issuers = ["cuts"]
[[issuer]]
name = "cuts"
tenant = "cuts"
key = [{{ secret = {SECRET:?} }}]
"#
    )
}

/// Customers become known by their tokens. Whom the others see as staff is stored, so that somebody must say it.
fn people(staff: &[String]) -> String {
    let staff = staff.iter().map(|name| {
        format!(
            "[[user]]\ntenant = \"cuts\"\nusername = \"{name}\"\nroles = [\"staff\"]\nidentities = {{ cuts = \"{name}\" }}\n"
        )
    });
    std::iter::once("[[tenant]]\nslug = \"cuts\"\n".to_owned()).chain(staff).collect()
}

fn public_address(run: &Path) -> Option<SocketAddr> {
    let told: Value = serde_json::from_slice(&fs::read(run).ok()?).ok()?;
    told["public"].as_str()?.parse().ok()
}
