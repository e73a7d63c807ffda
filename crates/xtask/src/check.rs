//! Everything but the tests: formatting, lints, documentation, dependency rules, the contract.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::{
    command::{cargo, command, execute, root, succeeds},
    machine, test,
};

/// The advisory database is not read here but in a job of its own: it changes without a change of ours.
const DENY_VERSION: &str = "0.20.2";

/// The branch that a change of the contract is compared with: the local name first, then the remote's.
const MAIN: [&str; 2] = ["main", "origin/main"];

/// Runs every check; the cheapest first.
pub fn run() -> Result<()> {
    execute(cargo().args(["fmt", "--all", "--check"]))?;
    machine::ready_for_checks()?;
    test::install_node_packages()?;
    contract()?;
    deny()?;
    execute(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    execute(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"])
            // Links to private items are what documentation of private items is for.
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"),
    )
}

fn deny() -> Result<()> {
    if !succeeds(cargo().args(["deny", "--version"])) {
        execute(cargo().args(["install", "--locked", "cargo-deny", "--version", DENY_VERSION]))?;
    }
    execute(cargo().args(["deny", "--locked", "check", "bans", "licenses", "sources"]))
}

fn contract() -> Result<()> {
    execute(buf().arg("lint"))?;
    execute(buf().args(["format", "--diff", "--exit-code"]))?;
    let Some(main) = MAIN.into_iter().find(|branch| has_contract(branch)) else {
        eprintln!("xtask: no branch main with a contract to compare with");
        return Ok(());
    };
    let before = tempfile::tempdir()?;
    extract(main, before.path())?;
    execute(buf().arg("breaking").arg("--against").arg(before.path()))
}

fn buf() -> Command {
    command(root().join("tests/js/node_modules/.bin/buf"))
}

fn has_contract(branch: &str) -> bool {
    succeeds(command("git").args(["cat-file", "-e", &format!("{branch}:buf.yaml")]))
}

/// Writes a branch's contract to a folder. Through `git archive`, so that it works in a linked work tree too.
fn extract(branch: &str, folder: &Path) -> Result<()> {
    let mut archive =
        command("git").args(["archive", branch, "proto", "buf.yaml"]).stdout(Stdio::piped()).spawn()?;
    let tar = archive.stdout.take().expect("its output is piped");
    execute(command("tar").arg("--extract").arg("--directory").arg(folder).stdin(tar))?;
    if !archive.wait()?.success() {
        bail!("git archive {branch} failed");
    }
    Ok(())
}
