//! The knee: the highest rate of rooms of two at which nothing is lost and hardly anybody waits.
//!
//! Rates rise by a quarter until one fails, then it is looked in between, to within a tenth. A rate at which the generator
//! itself was late says nothing of the server: then the knee is where the generator's bound is, or higher.

mod search;

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{
    duo::{Duos, Load, Talk, Wire},
    outcome::{Outcome, Unit},
    tally::Faults,
};

use search::{Bound, Search};

/// The highest rate at which nothing is lost, repeated or out of order, and p99 is within its limit
#[derive(Clone, Debug, Args)]
pub struct Knee {
    /// How many rooms of two. A dialect may bound what one socket sends: staff 10 a second, support 20, unless the mount
    /// says otherwise (rate_per_second); then the knee needs more pairs
    #[arg(long, default_value_t = 200)]
    pub pairs: usize,
    /// Messages a second to begin with, over all rooms
    #[arg(long, default_value_t = 1000.0)]
    pub start: f64,
    /// The highest rate that is tried
    #[arg(long, default_value_t = 1_000_000.0)]
    pub most: f64,
    /// Seconds of each step
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// Seconds between two steps
    #[arg(long, default_value_t = 1.0)]
    pub settle: f64,
    /// The limit of p99, in milliseconds
    #[arg(long, default_value_t = 50.0)]
    pub limit_ms: f64,
    /// Length of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
}

impl Knee {
    pub async fn run(&self, wire: &Wire) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut duos = Duos::gather(wire, self.pairs).await?;
        duos.talk(&Load { rate: self.start, seconds: 1.0, bytes: self.bytes }).await?;
        let mut search = Search::between(self.start, self.most);
        let mut best = None;
        while let Some(rate) = search.next() {
            let tried = self.step(&duos, rate, &mut outcome).await;
            if let Some((count, how)) = duos.ended() {
                // Nobody who is not there any more tells of higher rates.
                search.note(rate, Some(Bound::Server));
                outcome.notes.push(format!("{rate:.0}/s: {count} connections ended, one: {how}"));
                break;
            }
            let (talk, failed) = tried?;
            search.note(rate, failed);
            if failed.is_none() {
                best = Some(talk);
            }
        }
        match search.found().zip(best) {
            Some(((rate, bound), talk)) => {
                let is_known = bound == Some(Bound::Server);
                let unit = if is_known { Unit::PerSecond } else { Unit::PerSecondAtLeast };
                outcome.add("knee", rate, unit);
                if let Some(micros) = talk.cost() {
                    outcome.add("CPU each, at the knee", micros, Unit::Micros);
                }
                let p99 = talk.latency.quantile(0.99).as_secs_f64() * 1e3;
                outcome.add("p99, at the knee", p99, Unit::Millis);
            }
            None => outcome.faults.push(match search.lowest_bad() {
                Some(Bound::Generator) => {
                    "no rate was good: the generator was late even at the lowest".to_owned()
                }
                _ => "no rate was good".to_owned(),
            }),
        }
        Ok(outcome)
    }

    /// Tries a rate; what fails is tried once more, since a disk that stalls once is no knee.
    async fn step(&self, duos: &Duos, rate: f64, outcome: &mut Outcome) -> Result<(Talk, Option<Bound>)> {
        let load = Load { rate, seconds: self.seconds, bytes: self.bytes };
        let mut again = true;
        loop {
            let talk = duos.talk(&load).await?;
            let failed = self.judge(&talk);
            outcome.notes.push(said(rate, &talk, failed));
            tokio::time::sleep(Duration::from_secs_f64(self.settle)).await;
            if failed.is_none() || !again {
                return Ok((talk, failed));
            }
            again = false;
        }
    }

    fn judge(&self, talk: &Talk) -> Option<Bound> {
        if talk.generator_is_late() {
            Some(Bound::Generator)
        } else if talk.faults != Faults::default()
            || talk.latency.quantile(0.99).as_secs_f64() * 1e3 > self.limit_ms
        {
            Some(Bound::Server)
        } else {
            None
        }
    }
}

fn said(rate: f64, talk: &Talk, failed: Option<Bound>) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let verdict = match failed {
        None => "good",
        Some(Bound::Server) => "too much for the server",
        Some(Bound::Generator) => "too much for the generator",
    };
    let Faults { repeated, late, missing } = talk.faults;
    format!(
        "{rate:.0}/s: {verdict}; p99 {:.1} ms, generator late {:.1} ms, missing {missing}, repeated {repeated}, out of order {late}",
        millis(talk.latency.quantile(0.99)),
        millis(talk.lateness.quantile(0.99)),
    )
}
