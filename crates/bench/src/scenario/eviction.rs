//! Clients that stop reading: how long the server keeps them, what that costs it, and whether others notice. Each of the
//! three is judged: kept too long, held too much for them, and any delivery that others missed are faults.

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

/// How much later than it is set to may a server on a crowded machine let go.
const SLACK: Duration = Duration::from_secs(1);

/// What a connection takes beside what waits for it: twice what one at rest was ever measured to take.
const PLACE_BYTES: u64 = 64 << 10;

/// What a server may grow by in that time whoever reads: its caches, and what its allocator keeps.
const GROWTH_BYTES: u64 = 4 << 20;

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
    /// Seconds before what is measured, in which all read
    #[arg(long, default_value_t = 2.0)]
    pub warmup: f64,
    /// Seconds within which the server must let them go: the sum of its ping's interval and time-out
    #[arg(long, default_value_t = 45.0)]
    pub within: f64,
    /// Bytes that the server may let wait for one of them (gateway.outbox_bytes); with --pid its memory is judged by it
    #[arg(long)]
    pub outbox_bytes: Option<u64>,
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
        self.warm_up(&gathered).await?;
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
        if let Some(bound) = self.bound(before) {
            outcome.add("RSS bound", bound as f64, Unit::Bytes);
        }
        outcome.faults.extend(self.judge(&watch, before));
        let Gathered { tally, crowd, .. } = &mut gathered;
        conclude(&mut outcome, tally, crowd);
        Ok(outcome)
    }

    /// What a server takes for speaking at all shall not be counted to those who stop reading.
    async fn warm_up(&self, gathered: &Gathered) -> Result<()> {
        let pace = Pace::per_second(self.rate);
        let times = pace.count(Duration::from_secs_f64(self.warmup));
        for nth in 0..times {
            gathered.say(1, pace.wait(nth).await.into_std(), self.bytes).await?;
        }
        ensure!(settled(&gathered.tally, times).await, "what was said before the measurement did not arrive");
        gathered.tally.begin();
        Ok(())
    }

    /// What the server may hold at most, if both are known.
    fn bound(&self, before: Option<u64>) -> Option<u64> {
        let each = self.outbox_bytes? + PLACE_BYTES;
        Some(before? + self.stalled as u64 * each + GROWTH_BYTES)
    }

    fn judge(&self, watch: &Watch, before: Option<u64>) -> Vec<String> {
        let mut faults = Vec::new();
        let within = Duration::from_secs_f64(self.within);
        match watch.last {
            None => {
                faults.push(format!("not all who stopped reading were gone after {} s", self.patience));
            }
            Some(last) if last > within + SLACK => {
                let late = last.as_secs_f64();
                faults.push(format!("who stopped reading was gone after {late:.2} s, not {}", self.within));
            }
            Some(_) => {}
        }
        if let Some(bound) = self.bound(before).filter(|bound| watch.rss > *bound) {
            faults.push(format!("the server held {} bytes, more than {bound}", watch.rss));
        }
        faults
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

#[cfg(test)]
mod tests {
    use super::*;

    const EVICTION: Eviction = Eviction {
        readers: 2,
        stalled: 2,
        rate: 1.0,
        bytes: 1,
        warmup: 0.0,
        within: 10.0,
        outbox_bytes: Some(1 << 20),
        patience: 60.0,
    };

    fn judged(last: Option<u64>, rss: u64) -> Vec<String> {
        let last = last.map(Duration::from_secs);
        EVICTION.judge(&Watch { begun: Instant::now(), first: last, last, rss }, Some(5 << 20))
    }

    #[test]
    fn who_is_kept_too_long_or_at_too_high_a_cost_is_a_fault() {
        let bound = (5 << 20) + 2 * ((1 << 20) + PLACE_BYTES) + GROWTH_BYTES;
        assert_eq!(EVICTION.bound(Some(5 << 20)), Some(bound));
        assert!(judged(Some(11), bound).is_empty());
        assert_eq!(judged(Some(12), bound), ["who stopped reading was gone after 12.00 s, not 10"]);
        assert_eq!(judged(None, bound), ["not all who stopped reading were gone after 60 s"]);
        let held = format!("the server held {} bytes, more than {bound}", bound + 1);
        assert_eq!(judged(Some(9), bound + 1), [held]);
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let eviction = Eviction { outbox_bytes: None, ..EVICTION };
        assert_eq!(eviction.bound(Some(1)), None);
        assert_eq!(EVICTION.bound(None), None);
    }
}
