//! Clients that stop reading: how long the server keeps them, what that costs it, and whether others notice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use tokio::time::sleep;

use crate::{
    crowd::bring_in,
    member::Member,
    outcome::{Outcome, Unit},
    pace::Pace,
    scenario::{conclude, room::Gathered, settled},
    world::World,
};

/// How often it is looked whether they are gone.
const LOOK: Duration = Duration::from_millis(100);

/// Some of those in a room stop reading while others are spoken to; with --pid it is seen when the server lets go
#[derive(Clone, Debug, Args)]
pub struct Eviction {
    /// How many go on reading
    #[arg(long, default_value_t = 980)]
    pub readers: usize,
    /// How many stop
    #[arg(long, default_value_t = 20)]
    pub stalled: usize,
    /// Messages a second; each goes to all of them
    #[arg(long, default_value_t = 5.0)]
    pub rate: f64,
    /// Length of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Seconds after which it is given up to wait for their end
    #[arg(long, default_value_t = 90.0)]
    pub patience: f64,
}

/// What is seen of those who stalled, over time.
struct Watch {
    begun: Instant,
    /// When the first and the last of them was gone.
    first: Option<Duration>,
    last: Option<Duration>,
    /// The most the server held meanwhile.
    rss: u64,
}

impl Eviction {
    pub async fn run(&self, world: &World) -> Result<Outcome> {
        ensure!(self.readers > 1, "somebody must go on reading");
        let mut gathered = Gathered::gather(world, self.readers).await?;
        let before = world.rss()?;
        let people = (0..self.stalled).map(|nth| world.script.hearer(0, self.readers + nth)).collect();
        let (stalled, _) = bring_in(&gathered.opening, self.readers, people).await?;
        let watch = self.speak_and_watch(world, &gathered, &stalled).await?;
        let mut outcome = Outcome::default();
        let seconds = |time: Option<Duration>| time.map_or(f64::INFINITY, |time| time.as_secs_f64());
        outcome.add("first gone after", seconds(watch.first), Unit::Seconds);
        outcome.add("all gone after", seconds(watch.last), Unit::Seconds);
        if let Some(before) = before {
            outcome.add("RSS before", before as f64, Unit::Bytes);
            outcome.add("RSS at most", watch.rss as f64, Unit::Bytes);
        }
        outcome.add("deliveries to others", gathered.tally.delivered() as f64, Unit::Count);
        outcome.add_latency(&gathered.tally.latency());
        if watch.last.is_none() {
            outcome.faults.push(format!("not all who stopped reading were gone after {} s", self.patience));
        }
        let Gathered { tally, crowd, .. } = &mut gathered;
        conclude(&mut outcome, tally, crowd);
        Ok(outcome)
    }

    async fn speak_and_watch(&self, world: &World, gathered: &Gathered, stalled: &[Member]) -> Result<Watch> {
        let sockets = || world.server.and_then(crate::process::Process::sockets);
        let full = sockets();
        let begun = Instant::now();
        let mut watch = Watch { begun, first: None, last: None, rss: 0 };
        let pace = Pace::per_second(self.rate);
        let mut said = 0;
        while watch.last.is_none() && watch.begun.elapsed().as_secs_f64() < self.patience {
            if pace.at(said) <= tokio::time::Instant::now() {
                gathered.say(1, pace.at(said).into_std(), self.bytes).await?;
                said += 1;
                continue;
            }
            let gone = match (full, sockets()) {
                (Some(full), Some(now)) => full.saturating_sub(now),
                _ => ended(stalled).await,
            };
            let now = watch.begun.elapsed();
            if gone > 0 {
                watch.first.get_or_insert(now);
            }
            if gone >= self.stalled {
                watch.last = Some(now);
            }
            watch.rss = watch.rss.max(world.rss()?.unwrap_or_default());
            sleep(LOOK.min(pace.at(said).saturating_duration_since(tokio::time::Instant::now()))).await;
        }
        settled(&gathered.tally, said).await;
        Ok(watch)
    }
}

/// How many of them know that they are over: the best that is to be had from outside the server's machine.
async fn ended(members: &[Member]) -> usize {
    let mut count = 0;
    for member in members {
        count += usize::from(member.is_ended().await);
    }
    count
}
