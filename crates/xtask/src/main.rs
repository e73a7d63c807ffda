//! The errands of a developer and of CI: `cargo xtask test`, `cargo xtask check`, `cargo xtask ci`, `cargo xtask
//! autobahn`, `cargo xtask cuts`, `cargo xtask soak`.
//!
//! Each brings up all it needs or says exactly what is missing: a suite that cannot run is a failure, never a skip.

mod autobahn;
mod check;
mod command;
mod cuts;
mod machine;
mod soak;
mod test;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask <errand>

  test [ARGS…]   every test of the workspace; ARGS go to the test runner (a filter, for example)
  check          formatting, lints, documentation, dependency rules, the contract
  ci             check, then test
  autobahn       Autobahn's WebSocket suite against ours; needs a CPython 2.7, so it is no part of test
  cuts [SIZES…]  a thousand official clients, cut off again and again, recover everything; the same with a kill -9.
                 --clients 1000 --seconds 120 --every 15 --away 2 (seconds) --pace 3000 (ms between messages)
  soak [SIZES…]  hostile connections from many addresses beside honest clients, for a quarter of an hour.
                 --hostile 20000 --addresses 200 --honest 500 --calm 60 --seconds 840";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let errand = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match run(&errand, &rest) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False if there is no such errand.
fn run(errand: &str, rest: &[String]) -> Result<bool> {
    match (errand, rest) {
        ("test", rest) => test::run(rest)?,
        ("autobahn", []) => autobahn::run()?,
        ("cuts", sizes) => cuts::run(sizes)?,
        ("soak", sizes) => soak::run(sizes)?,
        ("check", []) => check::run()?,
        ("ci", []) => {
            check::run()?;
            test::run(&[])?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
