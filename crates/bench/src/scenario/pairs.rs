//! Rooms of two at a fixed rate: durable messages, spread evenly over many pairs.

use anyhow::Result;
use clap::Args;

use crate::{
    duo::{Duos, Load, Wire},
    outcome::Outcome,
};

/// Many rooms of two, in which messages are stored, delivered and counted
#[derive(Clone, Debug, Args)]
pub struct Pairs {
    /// How many rooms: two connections each (support: one, and an admin who hears all)
    #[arg(long, default_value_t = 200)]
    pub pairs: usize,
    /// Messages a second, over all of them
    #[arg(long, default_value_t = 4000.0)]
    pub rate: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Seconds before that
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// Length of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
}

impl Pairs {
    pub async fn run(&self, wire: &Wire) -> Result<Outcome> {
        let mut duos = Duos::gather(wire, self.pairs).await?;
        let load = Load { rate: self.rate, seconds: self.warmup, bytes: self.bytes };
        duos.talk(&load).await?;
        let talk = duos.talk(&Load { seconds: self.seconds, ..load }).await?;
        let mut outcome = Outcome::default();
        talk.tell(&mut outcome);
        outcome.add_faults(duos.tally.faults());
        if let Some((count, how)) = duos.ended() {
            outcome.faults.push(format!("{count} connections ended, one: {how}"));
        }
        Ok(outcome)
    }
}
