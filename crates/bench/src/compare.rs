//! Several servers under the same scenarios, one after another within each round, so that a noisy machine disturbs all
//! alike. Ratios are taken within a round; their median is what is worth reading.

mod parlor;
mod plan;
mod server;
mod settings;
mod sizes;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use parlor_bench::{outcome::Outcome, process::Cores};

use parlor::Seeded;
use plan::Measured;
use server::{Kind, Places};
use sizes::Sizes;

const AFTER_HELP: &str = "\
Rooms of two, the form in which servers are compared: half of the connections speak, half hear.
A row has what a message costs and how long it takes at --rate, and the knee: the highest rate
at which nothing is lost and p99 is within 50 ms. Where the generator was late first, the knee
is told as a bound (>=). All servers do the same work over the same wire, except over gRPC,
where the others are spoken to over a raw WebSocket.

Parlor runs with bounds that allow this: no rates of a caller, 10,000 messages a second for a
socket, no bounds of an address. By default a socket may send 10 (staff) or 20 (support) a
second, so a load like this needs as many more pairs there.

Examples:
  parlor-bench compare --scenarios pairs-staff,pairs-support,pairs-converse
  parlor-bench compare --scenarios pairs-staff --pairs 4000 --rate 5000 --without-knee
  parlor-bench compare --scenarios crowd-staff,crowd-support,crowd-converse --crowd-rate 1000
  parlor-bench compare --scenarios connect-customers,connect-new,idle-customers \\
    --servers node,parlor";

/// Which core the generator is put on, and which the server.
const GENERATOR: usize = 0;
const SERVER: usize = 1;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub struct Compare {
    /// The servers, in the order in which each round takes them; without this floor, node and parlor, and for pairs and
    /// crowds ceiling, node-stored and parlor
    #[arg(long, value_delimiter = ',')]
    servers: Option<Vec<Kind>>,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_value = "connect,idle,room,burst,saturated")]
    scenarios: Vec<Measured>,
    /// How often the servers take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    sizes: Sizes,
    /// Added to the niceness of generator and servers; below 0 (root only) it keeps others on the machine out of the way
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    nice: i32,
    /// The program `parlor`
    #[arg(long, default_value = "target/release/parlor")]
    parlor: PathBuf,
    /// The folder of the Node server, with its packages installed
    #[arg(long, default_value = "crates/bench/node")]
    node: PathBuf,
    /// Where what servers keep is put: a disk, if what a flush costs is to count [default: the system's temporary folder]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl Compare {
    /// Gives false if any run had faults.
    pub fn run(&self) -> Result<bool> {
        let servers = |measured: Measured| self.servers.as_deref().unwrap_or_else(|| measured.servers());
        let is_empty = self.scenarios.iter().any(|measured| servers(*measured).is_empty());
        ensure!(self.rounds > 0 && !is_empty, "there is nothing to compare");
        let cores = Cores::of_this_thread();
        if self.nice != 0 {
            rustix::process::nice(self.nice).context("niceness may not be changed so")?;
        }
        println!("{}", self.conditions(&cores));
        let has_parlor = self.scenarios.iter().any(|measured| servers(*measured).contains(&Kind::Parlor));
        let seeded = has_parlor.then(|| Seeded::make(&self.parlor, &plan::people(&self.sizes)));
        let data = self.data.clone().unwrap_or_else(std::env::temp_dir);
        let places = Places { node: &self.node, parlor: seeded.transpose()?, data };
        let mut sound = true;
        for measured in &self.scenarios {
            let mut rounds = Vec::new();
            for round in 0..self.rounds {
                let mut outcomes = Vec::new();
                for kind in servers(*measured) {
                    let outcome = self.one(&places, *kind, *measured, &cores);
                    let outcome =
                        outcome.with_context(|| format!("{measured}, {kind}, round {}", round + 1))?;
                    eprintln!("# {measured}, {kind}, round {}\n{outcome}", round + 1);
                    sound &= outcome.faults.is_empty();
                    outcomes.push(outcome);
                }
                rounds.push(outcomes);
            }
            println!("{}", table::render(*measured, servers(*measured), &rounds));
        }
        Ok(sound)
    }

    /// A fresh server for each of its scenarios.
    fn one(&self, places: &Places<'_>, kind: Kind, measured: Measured, cores: &Cores) -> Result<Outcome> {
        let mut found = Outcome::default();
        for scenario in measured.scenarios(&self.sizes) {
            cores.pin(SERVER);
            let server = server::start(kind, places, &measured.settings(&self.sizes));
            cores.pin(GENERATOR);
            let outcome = server.and_then(|server| {
                let bench = measured.bench(&self.sizes, &server, *scenario);
                bench.measure()
            });
            cores.release();
            found.join(outcome?);
        }
        Ok(found)
    }

    fn conditions(&self, cores: &Cores) -> String {
        let pinned =
            if cores.are_enough() { "generator and server on a core each" } else { "nothing pinned" };
        format!("{} rounds, {pinned}, niceness {}, {}\n", self.rounds, self.nice, machine())
    }
}

/// What the machine says of itself.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, Linux {}", model.map_or("unknown CPU", |(_, name)| name.trim()), kernel.trim())
}
