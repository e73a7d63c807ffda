//! The conformance campaign of the WebSocket: Autobahn's fuzzing client against the echo server of `parlor-socketio`.
//!
//! A campaign of its own, because the suite needs a CPython 2.7, which few machines have. It fails if any case is failed,
//! passed only loosely, or ended without a clean close.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::command::{cargo, command, execute, find, scratch, succeeds, target};

/// The suite, at the version whose cases are counted in `docs/conformance.md`.
const SUITE: &str = "autobahntestsuite==25.10.1";

/// The last of these that makes environments for Python 2.7.
const VIRTUALENV: &str = "virtualenv<20.22";

/// Names the interpreter where it is not found by itself.
const PYTHON_VARIABLE: &str = "AUTOBAHN_PYTHON";

/// What the server is called in the reports.
const AGENT: &str = "parlor";

/// Verdicts that are right: the suite calls "informational" what the RFC leaves open, and "unimplemented" a case of an
/// extension that was offered and not taken.
const RIGHT: [&str; 3] = ["OK", "INFORMATIONAL", "UNIMPLEMENTED"];

pub fn run() -> Result<()> {
    let client = install()?;
    let arguments = ["build", "-p", "parlor-socketio", "--example", "echo", "--locked"];
    execute(cargo().args(arguments))?;
    let mut server = Server::start()?;
    let folder = scratch().join("autobahn-reports");
    let specification = folder.with_extension("json");
    let wanted = json!({
        "outdir": folder,
        "servers": [{ "agent": AGENT, "url": format!("ws://{}", server.address) }],
        "cases": ["*"],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    fs::write(&specification, wanted.to_string())?;
    let ran = execute(command(client).args(["-m", "fuzzingclient", "-s"]).arg(&specification));
    server.stop();
    ran?;
    judge(&folder.join("index.json"))
}

/// The suite's client, in an environment of its own.
fn install() -> Result<PathBuf> {
    let folder = scratch().join("autobahn");
    let client = folder.join("suite/bin/wstest");
    if client.is_file() {
        return Ok(client);
    }
    let Some(python) = python() else {
        bail!(
            "this machine lacks CPython 2.7, which {SUITE} needs\nwith pyenv: pyenv install 2.7.18; else set \
             {PYTHON_VARIABLE} to its path",
        );
    };
    let tools = folder.join("tools");
    execute(command("python3").args(["-m", "venv", "--clear"]).arg(&tools))
        .context("python3 with venv is needed")?;
    execute(command(tools.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        VIRTUALENV,
    ]))?;
    let suite = folder.join("suite");
    execute(command(tools.join("bin/virtualenv")).args(["--quiet", "--python"]).arg(python).arg(&suite))?;
    execute(command(suite.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        SUITE,
    ]))?;
    Ok(client)
}

/// A CPython 2.7: the one that is named, one in `PATH`, or one of pyenv's.
fn python() -> Option<PathBuf> {
    let named = env::var_os(PYTHON_VARIABLE).map(PathBuf::from);
    let home = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let versions = home.and_then(|home| fs::read_dir(home.join("versions")).ok());
    let versions =
        versions.into_iter().flatten().flatten().map(|version| version.path().join("bin/python2.7"));
    named.into_iter().chain(find("python2.7")).chain(versions).find(|python| is_27(python))
}

fn is_27(python: &Path) -> bool {
    succeeds(command(python).args(["-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]))
}

/// The echo server on a free port.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Result<Self> {
        let mut program = command(target().join("debug/examples/echo"));
        let mut child =
            program.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output is piped")?).read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self { child, address })
    }

    fn stop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Counts the verdicts, and names each case that was not passed.
fn judge(index: &Path) -> Result<()> {
    let text = fs::read(index).with_context(|| format!("cannot read {}", index.display()))?;
    let index: Value = serde_json::from_slice(&text)?;
    let cases = index[AGENT].as_object().context("the report knows the server")?;
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for (case, verdict) in cases {
        let [behaviour, close] =
            ["behavior", "behaviorClose"].map(|key| verdict[key].as_str().unwrap_or("nothing"));
        *counts.entry(behaviour).or_insert(0) += 1;
        if !RIGHT.contains(&behaviour) || !RIGHT.contains(&close) {
            wrong.push(format!("{case}: {behaviour}, close: {close}"));
        }
    }
    println!("{} cases", cases.len());
    for (behaviour, count) in counts {
        println!("{count:>5} {behaviour}");
    }
    if !wrong.is_empty() {
        bail!("not passed:\n{}", wrong.join("\n"));
    }
    Ok(())
}
