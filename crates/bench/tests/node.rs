//! The Node servers with a store: whatever anybody heard is in the database, in one transaction with what came with it.
//!
//! The packages are installed before: `npm ci` in `crates/bench/node`, or `cargo xtask test`.

#![allow(clippy::unwrap_used, reason = "a helper of tests that cannot go on has failed")]

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use parlor_bench::{
    cli::{Bench, Dialect, Scenario, Target},
    scenario::pairs::Pairs,
    script::person::Range,
};

const SECRET: &str = "a secret of this test";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node")
}

/// A server that ends with its test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &str, store: &Path) -> Self {
        let mut command = Command::new("node");
        command.arg(folder().join(program)).env("NODE_STORE", store).env("SECRET", SECRET);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("npm ci in crates/bench/node").to_owned();
        Self { child, url }
    }

    /// As a power cut: nothing is written any more.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the database says: its journal, how many messages it has, and in how many rooms.
fn stored(store: &Path) -> String {
    let script = r#"
        import Database from "better-sqlite3";
        const database = new Database(process.env.NODE_STORE, { readonly: true });
        const { count, rooms } = database.prepare("SELECT count(*) count, count(DISTINCT room) rooms FROM message").get();
        console.log(database.pragma("journal_mode", { simple: true }), count, rooms);
    "#;
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", script]).env("NODE_STORE", store).current_dir(folder());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

#[test]
fn what_was_heard_is_in_the_database() {
    for (program, dialect) in [("server.mjs", Dialect::Support), ("ws.mjs", Dialect::Staff)] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("messages.db");
        let mut server = Server::start(program, &store);
        let target = Target {
            url: server.url.parse().unwrap(),
            dialect,
            pid: Some(server.child.id()),
            socket_path: "/socket.io/".to_owned(),
            origin: None,
            admins: Range { first: 1, last: 1 },
            customers: Range { first: 2, last: 100 },
            as_customers: false,
            recovery: false,
            secret: Some(SECRET.to_owned()),
            staff_token: None,
            clients_per_connection: 1,
        };
        let pairs = Pairs { pairs: 4, rate: 400.0, seconds: 0.2, warmup: 0.01, bytes: 100 };
        let outcome = Bench { target, json: false, scenario: Scenario::Pairs(pairs) }.measure().unwrap();
        server.kill();
        assert_eq!((outcome.faults.len(), outcome.get("messages")), (0, Some(80.0)), "{outcome}");
        // With one of each pair before.
        assert_eq!(stored(&store), "wal 84 4", "{program}");
    }
}
