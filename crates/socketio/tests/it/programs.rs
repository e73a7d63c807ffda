//! Programs of others: the official clients and the official parser in Node, and the best known client in Python.

use std::{ffi::OsStr, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};

use crate::server::Server;

/// Nine stories, each with some seconds of heartbeats.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Names the interpreter that has the packages of `tests/py`, as in the whole-program tests.
const PYTHON: &str = "TEST_PYTHON";

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// Starts a script of `tests/js`.
pub fn node(script: &str, arguments: &[&str]) -> Script {
    let folder = tests().join("js");
    assert!(folder.join("node_modules").exists(), "run npm ci in tests/js first, or cargo xtask test");
    Script::start("node", folder.join(script), arguments)
}

/// Starts a script of `tests/py`.
pub fn python(script: &str, arguments: &[&str]) -> Script {
    let python = std::env::var_os(PYTHON).map_or_else(own_environment, PathBuf::from);
    Script::start(python, tests().join("py").join(script), arguments)
}

/// The environment that `cargo xtask test` made beside this very program.
fn own_environment() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let python = program.ancestors().nth(3).unwrap().join("xtask/python/bin/python");
    assert!(python.exists(), "{} is missing: cargo xtask test makes it", python.display());
    python
}

/// A script that runs; it ends with the test.
pub struct Script {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    /// What it writes to its error output, read all the while so that it never waits for us.
    complaints: JoinSet<String>,
}

impl Script {
    fn start(interpreter: impl AsRef<OsStr>, script: PathBuf, arguments: &[&str]) -> Self {
        let mut command = Command::new(interpreter);
        command.arg(script).args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the interpreter is on this machine");
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let mut complaints = JoinSet::new();
        complaints.spawn(async move {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).await.unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child, said, complaints }
    }

    /// The next line it says, or nothing at its end.
    pub async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.said.next_line()).await.expect("the program says nothing").unwrap()
    }

    /// Gives it this input and takes what it says until it ends, which must be well.
    pub async fn answers(mut self, input: String) -> String {
        let mut stdin = self.child.stdin.take().unwrap();
        // A program that ends before it has read everything says why.
        let write = async move { stdin.write_all(input.as_bytes()).await };
        let read = async {
            let mut said = String::new();
            while let Some(line) = self.line().await {
                said.push_str(&line);
                said.push('\n');
            }
            said
        };
        let (said, written) = tokio::join!(read, write);
        self.succeeds(&said).await;
        written.unwrap();
        said
    }

    /// It ends, and well; else what it said is shown.
    pub async fn succeeds(mut self, said: &str) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the program never ended").unwrap();
        assert!(status.success(), "{said}{}", self.complaints().await);
    }

    /// Ends it and gives what it complained of.
    pub async fn complaints(&mut self) -> String {
        // It fails only if it has ended by itself.
        let _ = self.child.kill().await;
        self.complaints.join_next().await.expect("nobody asks twice").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn official_clients_of_three_generations_come_by_every_transport() {
    let server = Server::start().await;
    let url = format!("http://{}", server.client.0);
    let said = node("socketio_clients.mjs", &[&url]).answers(String::new()).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_python_comes_by_every_transport() {
    let server = Server::start().await;
    let url = format!("http://{}", server.client.0);
    let said = python("socketio_client.py", &[&url]).answers(String::new()).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{said}");
}
