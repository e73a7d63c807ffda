//! The campaign of recovery: many official clients of the native dialect against the real program, each cut off again and
//! again. Each hears every message of its three conversations once and in order, with typing and presence mixed in; then
//! the same with a server that is killed in the middle and started again on what it left.
//!
//! No part of the tests, for its length; `tests/it/native.rs` has a smaller version of it. It fails on any fault.

mod open_files;
mod players;
mod server;
mod sizes;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    command::{cargo, execute, target},
    test,
};
use players::Players;
use server::Server;
use sizes::Sizes;

/// Both passes.
const PASSES: [Pass; 2] = [
    Pass { name: "cuts", kills: false },
    Pass { name: "cuts, and a server killed in the middle", kills: true },
];

struct Pass {
    name: &'static str,
    kills: bool,
}

pub fn run(arguments: &[String]) -> Result<()> {
    let sizes = Sizes::read(arguments)?;
    test::install_node_packages()?;
    execute(cargo().args(["build", "--release", "-p", "parlor", "--locked"]))?;
    open_files::raise(sizes.clients)?;
    let mut faults = 0;
    for pass in &PASSES {
        faults += play(pass, &sizes)?;
    }
    ensure!(faults == 0, "{faults} faults");
    Ok(())
}

/// Plays one pass and gives how many faults it had.
fn play(pass: &Pass, sizes: &Sizes) -> Result<u64> {
    let mut server = Server::install(&target().join("release/parlor"), &players::staff(sizes.clients))?;
    server.start()?;
    let mut players = Players::start(server.address(), sizes)?;
    players.wait_until_all_are_in()?;
    if pass.kills {
        // The middle is a time by definition: the clients say and hear all the while.
        players.play_for(Duration::from_secs(sizes.seconds) / 2)?;
        server.kill()?;
        server.start()?;
    }
    let told = players.finish()?;
    server.ensure_running()?;
    println!("{}", line(pass, &told));
    for fault in told.iter().flat_map(|one| one["told"].as_array().into_iter().flatten()) {
        println!("  fault: {}", fault.as_str().unwrap_or_default());
    }
    Ok(sum(&told, "faults"))
}

fn line(pass: &Pass, told: &[Value]) -> String {
    let names = ["clients", "cuts", "connects", "recovered", "messages", "typing", "presence", "faults"];
    let counts: Vec<String> = names.iter().map(|name| format!("{name} {}", sum(told, name))).collect();
    format!("{}: {}", pass.name, counts.join(", "))
}

fn sum(told: &[Value], name: &str) -> u64 {
    told.iter().filter_map(|one| one[name].as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_adds_up_what_all_players_saw() {
        let one = json!({"clients": 2, "cuts": 3, "connects": 5, "recovered": 3, "messages": 7, "typing": 1, "presence": 4, "faults": 0});
        let other = json!({"clients": 1, "cuts": 1, "connects": 2, "recovered": 1, "messages": 2, "typing": 1, "presence": 1, "faults": 1});
        assert_eq!(
            line(&PASSES[0], &[one, other]),
            "cuts: clients 3, cuts 4, connects 7, recovered 4, messages 9, typing 2, presence 5, faults 1"
        );
    }
}
