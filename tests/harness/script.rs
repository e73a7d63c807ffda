//! Running the official clients: Node and Python programs that play against a world and judge it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Names the Python that has `tests/py/requirements.txt`; `cargo xtask test` sets it.
const PYTHON: &str = "TEST_PYTHON";

/// Where the tests lie.
#[must_use]
pub fn tests_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program of `tests/js` with Node; what it says is shown if it fails.
pub async fn node(script: &str, arguments: &[&str]) {
    let folder = tests_folder().join("js");
    assert!(folder.join("node_modules").exists(), "run npm ci in tests/js first, or cargo xtask test");
    run(PathBuf::from("node"), folder.join(script), arguments).await;
}

/// Runs a program of `tests/py` with Python; what it says is shown if it fails.
pub async fn python(script: &str, arguments: &[&str]) {
    let python = std::env::var_os(PYTHON).map_or_else(own_environment, PathBuf::from);
    run(python, tests_folder().join("py").join(script), arguments).await;
}

/// The environment that `cargo xtask test` made beside this very program.
fn own_environment() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let python = program.ancestors().nth(3).unwrap().join("xtask/python/bin/python");
    assert!(python.exists(), "{} is missing: cargo xtask test makes it", python.display());
    python
}

async fn run(interpreter: PathBuf, script: PathBuf, arguments: &[&str]) {
    let mut command = Command::new(interpreter);
    command.arg(&script).args(arguments).current_dir(script.parent().unwrap());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{} ended with {}\n{}{}",
        script.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
