//! Authenticated connects: TCP, upgrade, handshake, join, and the server's word that one is in.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::{
    crowd::Crowd,
    outcome::{Outcome, Spending, Unit},
    world::World,
};

/// Connect so many clients, a few at a time, and let them stay
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// How many connections
    #[arg(long, default_value_t = 4000)]
    pub connections: usize,
}

impl Connect {
    pub async fn run(&self, world: &World) -> Result<Outcome> {
        let (_, opening) = world.open().await?;
        let people = (0..self.connections).map(|nth| world.script.hearer(0, nth)).collect();
        let spending = Spending::from_now(world.server)?;
        let begun = Instant::now();
        let mut crowd = Crowd::gather(&opening, 0, people).await?;
        let (spent, took) = (spending.so_far()?, begun.elapsed());
        let mut outcome = Outcome::default();
        let count = crowd.members.len() as u64;
        outcome.add("connects", count as f64, Unit::Count);
        outcome.add("connects per second", count as f64 / took.as_secs_f64(), Unit::PerSecond);
        outcome.add_cost(spent, count, "connects per CPU second");
        outcome.add_latency(&crowd.joins);
        if let Some((count, how)) = crowd.ended() {
            outcome.faults.push(format!("{count} connections ended, one {how}"));
        }
        Ok(outcome)
    }
}
