//! A system-call trace shows the flush of the write-ahead log between a request and its acknowledgement: what `kill -9`
//! cannot show, since the system's cache survives it.

use std::{fs, path::Path};

use parlor_tests::{Backend, Configuration, Entrance, Plan, Program, Topology};
use rustix::process::Signal;
use serde_json::json;
use toml::Table;

/// The calls that receive, flush and send; paths and addresses beside each descriptor, texts in full.
const TRACE: &str = "trace=read,readv,recvfrom,recvmsg,fsync,fdatasync,write,pwrite64,writev,sendto,sendmsg";

/// Stands in the request, and nowhere else.
const MARK: &str = "mark-of-the-traced-message";

/// Stands in the acknowledgement.
const ACKNOWLEDGED: &str = "Message sent to staff";

#[test]
fn the_flush_comes_before_the_acknowledgement() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let program = Program::new();
        let trace = program.folder().join("trace");
        let mut program = program.through(&[
            "strace",
            "-f",
            "-y",
            "-qq",
            "-s",
            "65536",
            "-e",
            TRACE,
            "-o",
            trace.to_str().unwrap(),
        ]);
        send_one(&mut program).await;
        check(&trace);
    });
}

/// Serves, stores one message by REST, and leaves.
async fn send_one(program: &mut Program) {
    let url = format!("sqlite://{}", program.folder().join("parlor.db").display());
    let configuration = Configuration::new(&url, &Table::new(), &Table::new());
    let file = program.folder().join("parlor.toml");
    let table = configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
    fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
    let address = program.serve_with(&["--config", file.to_str().unwrap()]);
    let entrance = Entrance::new(address, &configuration.tenant);
    configuration.create_tenant(&entrance).await;

    let rest = entrance.staff_rest();
    let session = "session_1795206390007_yemuse1b4";
    rest.post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
    rest.post("/chat/staff/message", &json!({"sessionId": session, "message": MARK})).await.expect(200);
    program.signal(Signal::TERM);
    program.wait();
}

fn check(trace: &Path) {
    let text = fs::read_to_string(trace).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let request = position(&lines, 0, "the request", |line| received(line) && line.contains(MARK));
    let acknowledgement =
        position(&lines, request, "the acknowledgement", |line| sent(line) && line.contains(ACKNOWLEDGED));
    let written = position(&lines, request, "the write to the log", |line| sent(line) && line.contains(MARK));
    let flushed = position(&lines, written, "the flush of the log", flushed_log(&lines, written));
    assert!(
        written < flushed && flushed < acknowledgement,
        "{}",
        lines[request..=acknowledgement].join("\n")
    );
}

fn position(lines: &[&str], from: usize, what: &str, is: impl Fn(&str) -> bool) -> usize {
    let found = lines[from..].iter().position(|line| is(line));
    from + found.unwrap_or_else(|| panic!("{what} is not in the trace:\n{}", lines[from..].join("\n")))
}

fn received(line: &str) -> bool {
    call(line).is_some_and(|name| ["read", "readv", "recvfrom", "recvmsg"].contains(&name))
}

fn sent(line: &str) -> bool {
    call(line).is_some_and(|name| ["write", "writev", "sendto", "sendmsg", "pwrite64"].contains(&name))
}

/// Recognises the line with which a flush of the write-ahead log has succeeded. One that takes its time is told in two
/// lines: the second, of the same thread, counts.
fn flushed_log<'a>(lines: &'a [&'a str], from: usize) -> impl Fn(&str) -> bool + 'a {
    let begins = |line: &str| {
        call(line).is_some_and(|name| name == "fdatasync" || name == "fsync")
            && line.contains("parlor.db-wal")
    };
    let flushing: Vec<&str> = lines[from..]
        .iter()
        .filter(|line| begins(line) && line.contains("<unfinished"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    move |line| {
        let done = line.trim_end().ends_with("= 0");
        let resumed = line.contains("<... fdatasync resumed>") || line.contains("<... fsync resumed>");
        let thread = line.split_whitespace().next().unwrap_or_default();
        done && (begins(line) || (resumed && flushing.contains(&thread)))
    }
}

/// The system call that a line begins or resumes.
fn call(line: &str) -> Option<&str> {
    let rest = line.split_once(' ')?.1.trim_start();
    if let Some(resumed) = rest.strip_prefix("<... ") {
        return resumed.split_whitespace().next();
    }
    rest.split_once('(').map(|(name, _)| name)
}
