//! What the machine must have: found, installed where we may, or named.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::command::{command, execute, find, succeeds};

/// Something the suites cannot run without.
struct Need {
    /// What a person calls it.
    name: &'static str,
    /// What it is needed for.
    purpose: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    found: fn() -> bool,
}

const NODE: Need = Need {
    name: "Node.js 18 or newer",
    purpose: "the official WebSocket and grpc-web clients",
    packages: &["nodejs"],
    found: || find("node").is_some(),
};

const NPM: Need =
    Need { name: "npm", purpose: "installing those", packages: &["npm"], found: || find("npm").is_some() };

const PYTHON: Need = Need {
    name: "Python 3 with venv and pip",
    purpose: "an independent gRPC client",
    packages: &["python3", "python3-venv"],
    found: || {
        find("python3").is_some_and(|python| succeeds(command(python).args(["-c", "import venv, ensurepip"])))
    },
};

const POSTGRES: Need = Need {
    name: "PostgreSQL server programs (initdb, postgres)",
    purpose: "a throw-away database",
    packages: &["postgresql"],
    found: parlor_testdb::is_installed,
};

const SETPRIV: Need = Need {
    name: "setpriv",
    purpose: "starting the database so that it ends with the tests",
    packages: &["util-linux"],
    found: || find("setpriv").is_some(),
};

const STRACE: Need = Need {
    name: "strace",
    purpose: "seeing that a message is flushed before it is acknowledged",
    packages: &["strace"],
    found: || find("strace").is_some(),
};

/// Makes sure of what the tests need.
pub fn ready_for_tests() -> Result<()> {
    ready(&[NODE, NPM, PYTHON, POSTGRES, SETPRIV, STRACE])
}

/// Makes sure of what the checks need.
pub fn ready_for_checks() -> Result<()> {
    ready(&[NODE, NPM])
}

fn ready(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if let Some(prefix) = apt_prefix() {
        install(prefix, &packages)?;
    }
    let still_missing = self::missing(needs);
    if still_missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        still_missing.iter().map(|need| format!("  {}: for {}", need.name, need.purpose)).collect();
    let packages: Vec<&str> = still_missing.iter().flat_map(|need| need.packages).copied().collect();
    bail!(
        "this machine lacks\n{}\non Debian or Ubuntu: sudo apt-get install --no-install-recommends {}",
        lines.join("\n"),
        packages.join(" "),
    );
}

fn missing(needs: &[Need]) -> Vec<&Need> {
    needs.iter().filter(|need| !(need.found)()).collect()
}

/// What goes before `apt-get`, if we may use it without asking anybody.
fn apt_prefix() -> Option<&'static [&'static str]> {
    if !Path::new("/etc/debian_version").exists() || find("apt-get").is_none() {
        return None;
    }
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let may_sudo = find("sudo").is_some() && succeeds(command("sudo").args(["-n", "true"]));
    may_sudo.then_some(&["sudo", "-n"])
}

fn install(prefix: &[&str], packages: &[&str]) -> Result<()> {
    execute(apt_get(prefix).args(["update", "--quiet"]))?;
    execute(apt_get(prefix).args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get(prefix: &[&str]) -> Command {
    let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut apt_get = command(words.next().expect("there is at least apt-get"));
    apt_get.args(words);
    apt_get
}
