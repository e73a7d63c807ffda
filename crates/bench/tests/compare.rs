//! `parlor-bench compare` with the real servers, small: each does what is asked of it, without a fault, and is in the table.
//!
//! The figures mean nothing here. What is needed is built and installed before: the program `parlor`, and the Node packages.

#![allow(clippy::unwrap_used, reason = "a helper of tests that cannot go on has failed")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of the Node servers, with what they need.
fn node() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    let installed = folder.join("node_modules/better-sqlite3").exists();
    assert!(installed, "its packages are missing: npm ci in {}, or cargo xtask test", folder.display());
    folder
}

/// The program, two folders above the test's own.
fn parlor() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("parlor");
    assert!(program.exists(), "{} is missing: cargo build -p parlor, or cargo xtask test", program.display());
    program
}

/// Runs a comparison of one round, which has no faults, and gives the rows of its tables.
fn compare(arguments: &str) -> Vec<String> {
    let (is_sound, said, told) = run(arguments);
    assert!(is_sound, "{said}\n{told}");
    rows(&said)
}

fn rows(said: &str) -> Vec<String> {
    let rows = said.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| server"));
    rows.map(str::to_owned).collect()
}

/// Runs a comparison of one round: whether it had no faults, what it says, and what it tells of each run.
fn run(arguments: &str) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor-bench"));
    command.arg("compare").args([
        "--rounds",
        "1",
        "--settle",
        "0.3",
        "--connections",
        "20",
        "--idle",
        "5,20",
        "--crowd",
        "4,8,20",
    ]);
    command.arg("--node").arg(node()).arg("--parlor").arg(parlor()).args(arguments.split_whitespace());
    for (name, _) in std::env::vars_os() {
        // Parlor reads its configuration from such variables, and nothing of ours is meant for it.
        if name.to_string_lossy().starts_with("PARLOR_") {
            command.env_remove(name);
        }
    }
    let done = command.output().unwrap();
    let [said, told] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (done.status.success(), said, told)
}

fn servers(rows: &[String]) -> Vec<&str> {
    rows.iter().map(|row| row.split('|').nth(1).unwrap().trim()).collect()
}

/// The cell of this column, counted from 0 after the server's name.
fn cell(row: &str, column: usize) -> &str {
    row.split('|').nth(2 + column).unwrap().trim()
}

#[test]
fn every_server_plays_rooms_of_two_over_every_wire() {
    let rows = compare(
        "--scenarios pairs-staff,pairs-support,pairs-converse --servers floor,ceiling,node,node-stored,parlor \
         --pairs 5 --rate 50 --seconds 0.4 --warmup 0.1 --without-knee",
    );
    let each = ["floor", "ceiling", "node", "node-stored", "parlor"];
    assert_eq!(servers(&rows), [each, each, each].concat());
    for row in &rows {
        // CPU each, p50, p99, how late the generator was, the knee, faults; then ratios to node-stored and ceiling.
        assert!(cell(row, 1).ends_with(" ms") && cell(row, 2).ends_with(" ms"), "{row}");
        assert_eq!((cell(row, 4), cell(row, 5)), ("–", "0"), "{row}");
    }
    for (over_itself, row) in [(cell(&rows[3], 6), &rows[3]), (cell(&rows[1], 8), &rows[1])] {
        // Or less than a tick of the clock was measured.
        assert!(["1.00", "–"].contains(&over_itself), "{row}");
    }
}

#[test]
fn a_knee_is_looked_for_with_the_real_servers() {
    // What a busy machine can do is not asked: if the generator is late at every rate, there is none, and that is said.
    let (_, said, told) = run(
        "--scenarios pairs-staff --servers node-stored,parlor --pairs 2 --rate 20 --seconds 0.2 --warmup 0.1 \
         --knee-start 20 --knee-most 30 --knee-seconds 0.1 --knee-limit-ms 60000",
    );
    let rows = rows(&said);
    assert_eq!(servers(&rows), ["node-stored", "parlor"], "{told}");
    for row in &rows {
        assert!(cell(row, 4).contains("/s") || cell(row, 5) == "1", "{row}\n{told}");
    }
    assert_eq!(told.matches("  20/s: ").count().min(2), 2, "each begins where it is told to: {told}");
    for fault in told.lines().filter(|line| line.starts_with("FAULT")) {
        assert_eq!(fault, "FAULT: no rate was good: the generator was late even at the lowest", "{told}");
    }
}

#[test]
fn a_crowd_is_measured_at_each_size_over_every_wire() {
    let rows = compare(
        "--scenarios crowd-staff,crowd-support,crowd-converse --crowd-rate 50 --seconds 0.2 \
         --clients-per-connection 3",
    );
    assert_eq!(servers(&rows), ["ceiling", "node-stored", "parlor"].repeat(3));
    for row in &rows {
        assert!(cell(row, 2).ends_with(" µs") && cell(row, 5).ends_with(" ms"), "{row}");
        assert_eq!(cell(row, 6), "0", "{row}");
    }
}

#[test]
fn customers_connect_whether_they_are_known_or_new_and_rest() {
    let rows = compare("--scenarios connect-customers,connect-new,idle-customers --idle-seconds 0.2");
    assert_eq!(servers(&rows), ["node", "parlor"].repeat(3));
    for row in &rows {
        assert_eq!(cell(row, 5), "0", "{row}");
    }
    for idle in &rows[4..] {
        assert!(cell(idle, 1).ends_with("iB") && cell(idle, 4).ends_with(" µs"), "{idle}");
    }
}
