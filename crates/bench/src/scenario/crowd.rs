//! Rooms of two at one rate, with more and more connections: what a message costs must not grow with those who are silent.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{
    duo::{Duos, Load, Wire},
    outcome::{Outcome, Unit},
};

/// Rooms of two at one rate, with more and more connections: does a message cost more?
#[derive(Clone, Debug, Args)]
pub struct Crowd {
    /// How many connections: each of up to three numbers in turn, those before stay
    #[arg(long, value_delimiter = ',', default_value = "200,2000,8000")]
    pub connections: Vec<usize>,
    /// Messages a second, over all rooms
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// Seconds that are measured at each number
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Seconds the server is given after connects
    #[arg(long, default_value_t = 3.0)]
    pub settle: f64,
    /// Length of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
}

/// The names of the numbers, by which step they are of.
const NAMES: [[&str; 4]; 3] = [
    ["connections, first step", "CPU each, first step", "p50, first step", "p99, first step"],
    ["connections, second step", "CPU each, second step", "p50, second step", "p99, second step"],
    ["connections, third step", "CPU each, third step", "p50, third step", "p99, third step"],
];

impl Crowd {
    pub async fn run(&self, wire: &Wire) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut duos = Duos::gather(wire, 1).await?;
        let load = Load { rate: self.rate, seconds: self.seconds, bytes: self.bytes };
        for ([connections, cost, p50, p99], wanted) in NAMES.into_iter().zip(&self.connections) {
            duos.grow(wire, wire.pairs_of(*wanted)).await?;
            tokio::time::sleep(Duration::from_secs_f64(self.settle)).await;
            let talk = duos.talk(&load).await?;
            outcome.add(connections, duos.connections() as f64, Unit::Count);
            if let Some(micros) = talk.cost() {
                outcome.add(cost, micros, Unit::Micros);
            }
            for (name, part) in [(p50, 0.5), (p99, 0.99)] {
                outcome.add(name, talk.latency.quantile(part).as_secs_f64() * 1e3, Unit::Millis);
            }
            if talk.generator_is_late() {
                let note = format!("with {} connections the generator was late", duos.connections());
                outcome.notes.push(note);
            }
        }
        outcome.add_faults(duos.tally.faults());
        if let Some((count, how)) = duos.ended() {
            outcome.faults.push(format!("{count} connections ended, one: {how}"));
        }
        Ok(outcome)
    }
}
