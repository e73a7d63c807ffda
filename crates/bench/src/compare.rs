//! Several servers under the same scenarios, one after another within each round, so that a noisy machine disturbs all
//! alike. Ratios are taken within a round; their median is what is worth reading.

mod parlor;
mod plan;
mod server;
mod settings;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use parlor_bench::{outcome::Outcome, process::Cores};

use parlor::Seeded;
use plan::{Measured, Sizes};
use server::{Kind, Places};

/// Which core the generator is put on, and which the server.
const GENERATOR: usize = 0;
const SERVER: usize = 1;

#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// The servers, in the order in which each round takes them
    #[arg(long, value_delimiter = ',', default_value = "floor,node,parlor")]
    servers: Vec<Kind>,
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
}

impl Compare {
    /// Gives false if any run had faults.
    pub fn run(&self) -> Result<bool> {
        ensure!(self.rounds > 0 && !self.servers.is_empty(), "there is nothing to compare");
        let cores = Cores::of_this_thread();
        if self.nice != 0 {
            rustix::process::nice(self.nice).context("niceness may not be changed so")?;
        }
        println!("{}", self.conditions(&cores));
        let seeded =
            self.servers.contains(&Kind::Parlor).then(|| Seeded::make(&self.parlor, &plan::people()));
        let places = Places { node: &self.node, parlor: seeded.transpose()? };
        let mut sound = true;
        for measured in &self.scenarios {
            let mut rounds = Vec::new();
            for round in 0..self.rounds {
                let mut outcomes = Vec::new();
                for kind in &self.servers {
                    let outcome = self.one(&places, *kind, *measured, &cores);
                    let outcome =
                        outcome.with_context(|| format!("{measured}, {kind}, round {}", round + 1))?;
                    eprintln!("# {measured}, {kind}, round {}\n{outcome}", round + 1);
                    sound &= outcome.faults.is_empty();
                    outcomes.push(outcome);
                }
                rounds.push(outcomes);
            }
            println!("{}", table::render(*measured, &self.servers, &rounds));
        }
        Ok(sound)
    }

    /// A fresh server, one scenario, and the end of the server.
    fn one(&self, places: &Places<'_>, kind: Kind, measured: Measured, cores: &Cores) -> Result<Outcome> {
        cores.pin(SERVER);
        let server = server::start(kind, places, &measured.settings());
        cores.pin(GENERATOR);
        let outcome = server.and_then(|server| measured.bench(&self.sizes, &server).measure());
        cores.release();
        outcome
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
