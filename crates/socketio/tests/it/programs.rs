//! Programs of others: the official clients and the official parser in Node, and the best known client in Python.

use std::{path::PathBuf, process::Stdio};

use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::server::Server;

/// Nine stories, each with some seconds of heartbeats.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Names the interpreter that has the packages of `tests/py`, as in the whole-program tests.
const PYTHON: &str = "TEST_PYTHON";

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// Runs a script of `tests/js` with this input and gives what it says.
pub async fn node(script: &str, arguments: &[&str], input: String) -> String {
    let folder = tests().join("js");
    assert!(folder.join("node_modules").exists(), "run npm ci in tests/js first, or cargo xtask test");
    run(Command::new("node").arg(folder.join(script)).args(arguments), input).await
}

/// Runs a script of `tests/py`.
async fn python(script: &str, arguments: &[&str]) -> String {
    let python = std::env::var_os(PYTHON).map_or_else(own_environment, PathBuf::from);
    run(Command::new(python).arg(tests().join("py").join(script)).args(arguments), String::new()).await
}

/// The environment that `cargo xtask test` made beside this very program.
fn own_environment() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let python = program.ancestors().nth(3).unwrap().join("xtask/python/bin/python");
    assert!(python.exists(), "{} is missing: cargo xtask test makes it", python.display());
    python
}

async fn run(command: &mut Command, input: String) -> String {
    let piped =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut program = piped.spawn().expect("the interpreter is on this machine");
    let mut stdin = program.stdin.take().unwrap();
    let write = async move { stdin.write_all(input.as_bytes()).await };
    let both = async { tokio::join!(program.wait_with_output(), write) };
    let (output, written) = timeout(PATIENCE, both).await.expect("the program never ended");
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{complaints}");
    written.unwrap();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn official_clients_of_three_generations_come_by_every_transport() {
    let server = Server::start().await;
    let said = node("socketio_clients.mjs", &[&format!("http://{}", server.client.0)], String::new()).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_python_comes_by_every_transport() {
    let server = Server::start().await;
    let said = python("socketio_client.py", &[&format!("http://{}", server.client.0)]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{said}");
}
