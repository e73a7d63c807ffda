//! What a connection costs that only stays: memory, and time.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    crowd::Crowd,
    outcome::{Outcome, Spending, Unit},
    world::World,
};

/// Let so many clients stay without a word, and look at what the server holds and spends; needs --pid
#[derive(Clone, Debug, Args)]
pub struct Idle {
    /// How many connections: memory is looked at with the first of these numbers, then with the next
    #[arg(long, value_delimiter = ',', default_value = "2000,8000")]
    pub connections: Vec<usize>,
    /// Seconds the server is given to settle before its memory is looked at
    #[arg(long, default_value_t = 3.0)]
    pub settle: f64,
    /// Seconds over which its time is looked at
    #[arg(long, default_value_t = 10.0)]
    pub hold: f64,
}

/// The names of the numbers, by which step they are of.
const EACH: [&str; 3] = ["RSS each, first step", "RSS each, second step", "RSS each, third step"];

impl Idle {
    pub async fn run(&self, world: &World) -> Result<Outcome> {
        world.server.context("idle looks at the server's process: say which with --pid")?;
        let (_, opening) = world.open().await?;
        let empty = world.rss()?.unwrap_or_default();
        let mut outcome = Outcome::default();
        outcome.add("RSS empty", empty as f64, Unit::Bytes);
        let mut crowds = Vec::new();
        let mut count = 0;
        let mut before = empty;
        for (step, connections) in self.connections.iter().enumerate().take(EACH.len()) {
            let people = (count..*connections).map(|nth| world.script.hearer(0, nth)).collect();
            let mut crowd = Crowd::gather(&opening, count, people).await?;
            crowd.stay(Duration::from_secs_f64(self.settle)).await?;
            crowds.push(crowd);
            let rss = world.rss()?.unwrap_or_default();
            outcome.add(EACH[step], growth(rss, empty) / *connections as f64, Unit::Bytes);
            if step > 0 {
                let further = (*connections - count) as f64;
                outcome.add("RSS each, of those added", growth(rss, before) / further, Unit::Bytes);
            }
            (count, before) = (*connections, rss);
        }
        let spending = Spending::from_now(world.server)?;
        tokio::time::sleep(Duration::from_secs_f64(self.hold)).await;
        if let Some(spent) = spending.so_far()? {
            let each = spent.total().as_secs_f64() * 1e6 / self.hold / count as f64;
            outcome.add("CPU each second and connection", each, Unit::Micros);
        }
        for crowd in &mut crowds {
            if let Some((count, how)) = crowd.ended() {
                outcome.faults.push(format!("{count} connections ended, one {how}"));
            }
        }
        Ok(outcome)
    }
}

fn growth(now: u64, before: u64) -> f64 {
    now as f64 - before as f64
}
