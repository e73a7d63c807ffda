//! The test command: brings up what the suites need, builds once, runs everything.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use parlor_testdb::Cluster;

use crate::{
    command::{cargo, command, execute, root, scratch, succeeds},
    machine,
};

/// Where the tests find a Python that has `tests/py/requirements.txt`.
const PYTHON_VARIABLE: &str = "TEST_PYTHON";

/// Runs every test; the runner's own summary is the last thing printed.
pub fn run(arguments: &[String]) -> Result<()> {
    machine::ready_for_tests()?;
    install_node_packages()?;
    let python = install_python_packages()?;
    let database = Cluster::start();

    // One build for the program and all tests: the same packages with the same features, so nothing is built twice.
    execute(cargo().args(["build", "--workspace", "--bins", "--tests", "--locked"]))?;

    let mut documentation = cargo();
    documentation.args(["test", "--workspace", "--doc", "--locked", "--quiet"]);
    execute(&mut documentation)?;

    let mut tests = cargo();
    if succeeds(cargo().args(["nextest", "--version"])) {
        tests.args(["nextest", "run", "--workspace", "--locked"]);
    } else {
        eprintln!("xtask: no cargo-nextest on this machine, so cargo test runs the tests");
        tests.args(["test", "--workspace", "--locked", "--bins", "--lib", "--tests"]);
    }
    tests
        .args(arguments)
        .env(parlor_testdb::SERVER_VARIABLE, database.url("postgres"))
        .env(PYTHON_VARIABLE, python);
    execute(&mut tests)
}

/// Where there are Node packages that tests use: the official clients, and what Parlor is measured beside.
const NODE_FOLDERS: [&str; 2] = ["tests/js", "crates/bench/node"];

/// Installs the Node packages the suites and the checks use, unless they are there already.
pub fn install_node_packages() -> Result<()> {
    NODE_FOLDERS.into_iter().try_for_each(|folder| {
        let folder = root().join(folder);
        let lock = folder.join("package-lock.json");
        let stamp = folder.join("node_modules/.installed-lock");
        once(&lock, &stamp, || {
            let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
            execute(command("npm").args(arguments).current_dir(&folder))
        })
    })
}

/// Installs the Python packages into an environment of their own and returns its interpreter.
fn install_python_packages() -> Result<PathBuf> {
    let environment = scratch().join("python");
    let python = environment.join("bin/python");
    let requirements = root().join("tests/py/requirements.txt");
    let stamp = environment.join("installed-requirements.txt");
    once(&requirements, &stamp, || {
        execute(command("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        execute(command(&python).args(pip).arg(&requirements))
    })?;
    Ok(python)
}

/// Installs what `list` asks for unless `stamp`, a copy of it made after the last success, says that it is done.
fn once(list: &Path, stamp: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    if fs::read(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
