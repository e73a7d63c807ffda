//! All pairs speak for a while, in open loop, and it is told what became of it.
//!
//! The generator watches itself: how much later than meant it says a message. While a server takes no more of a connection,
//! what that speaker says late is the server's doing and does not count.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{task::JoinSet, time::timeout};

use super::{Duos, Speaker};
use crate::{
    histogram::Histogram,
    outcome::{Outcome, Spending, Unit},
    pace::Pace,
    process::Cpu,
    scenario::said_all,
    tally::{Faults, Tally},
};

/// When the generator says one in a hundred messages later than this, latencies are its own and not the server's. Its
/// timers are a millisecond wide.
pub const GENERATOR_IS_LATE: Duration = Duration::from_millis(5);

/// So long after the last delivery what has not come is missing.
const QUIET: Duration = Duration::from_secs(10);
/// And so long after the last word in any case.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Messages a second, over all pairs.
    pub rate: f64,
    pub seconds: f64,
    /// Length of a message's text.
    pub bytes: usize,
}

/// What became of it.
pub struct Talk {
    pub messages: u64,
    pub deliveries: u64,
    /// From the first word to the last delivery.
    pub took: Duration,
    /// What the server spent meanwhile.
    pub spent: Option<Cpu>,
    pub latency: Histogram,
    /// By how much the generator was late.
    pub lateness: Histogram,
    pub faults: Faults,
}

impl Talk {
    #[must_use]
    pub fn generator_is_late(&self) -> bool {
        self.lateness.quantile(0.99) > GENERATOR_IS_LATE
    }

    /// CPU time of the server for each message, in microseconds.
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        Some(self.spent?.total().as_secs_f64() * 1e6 / self.messages.max(1) as f64)
    }

    pub fn tell(&self, outcome: &mut Outcome) {
        outcome.add("messages", self.messages as f64, Unit::Count);
        let per_second = self.messages as f64 / self.took.as_secs_f64();
        outcome.add("messages per second", per_second, Unit::PerSecond);
        outcome.add("deliveries", self.deliveries as f64, Unit::Count);
        outcome.add_cost(self.spent, self.messages, "messages per CPU second");
        outcome.add_latency(&self.latency);
        let late = self.lateness.quantile(0.99).as_secs_f64() * 1e3;
        outcome.add("generator late, p99", late, Unit::Millis);
        if self.generator_is_late() {
            outcome.notes.push("the generator was late: the latencies are partly its own".to_owned());
        }
    }
}

impl Duos {
    /// Every pair speaks, evenly in turn; returns when all has been heard, or is missing.
    pub async fn talk(&self, load: &Load) -> Result<Talk> {
        let before = self.tally.faults();
        self.tally.begin();
        let lateness = Rc::new(RefCell::new(Histogram::default()));
        let spending = Spending::from_now(self.server)?;
        let begun = Instant::now();
        let messages = self.speak(load, &lateness).await?;
        drain(&self.tally, messages).await;
        let after = self.tally.faults();
        Ok(Talk {
            messages,
            deliveries: self.tally.delivered(),
            took: begun.elapsed(),
            spent: spending.so_far()?,
            latency: self.tally.latency(),
            lateness: lateness.take(),
            faults: Faults {
                repeated: after.repeated - before.repeated,
                late: after.late - before.late,
                missing: after.missing.saturating_sub(before.missing),
            },
        })
    }

    async fn speak(&self, load: &Load, lateness: &Rc<RefCell<Histogram>>) -> Result<u64> {
        let before = self.tally.sent();
        let mut talks = JoinSet::new();
        let speakers = self.speakers.len() as f64;
        let pace = Pace::per_second(load.rate / speakers);
        for (nth, speaker) in self.speakers.iter().enumerate() {
            let one = One {
                speaker: speaker.clone(),
                room: nth as u16,
                tally: self.tally.clone(),
                lateness: lateness.clone(),
            };
            let (pace, load) = (pace.later(nth as f64 / speakers), *load);
            talks.spawn_local(async move { one.speak(pace, load).await });
        }
        said_all(talks).await?;
        Ok(self.tally.sent() - before)
    }
}

/// One speaker at work.
struct One {
    speaker: Rc<Speaker>,
    room: u16,
    tally: Rc<Tally>,
    lateness: Rc<RefCell<Histogram>>,
}

impl One {
    async fn speak(&self, pace: Pace, load: Load) -> Result<()> {
        // True while it is behind because the server took no more.
        let mut held = false;
        for nth in 0..pace.count(Duration::from_secs_f64(load.seconds)) {
            let is_overdue = pace.at(nth) <= tokio::time::Instant::now();
            held &= is_overdue;
            let intended = pace.wait(nth).await.into_std();
            if !held {
                self.lateness.borrow_mut().record(intended.elapsed().as_micros() as u64);
            }
            let before = self.speaker.held();
            self.speaker.say(self.tally.stamp(self.room, intended).text(load.bytes)).await?;
            held |= self.speaker.held() > before;
        }
        Ok(())
    }
}

/// Waits until so many messages are complete, or nothing comes any more.
async fn drain(tally: &Tally, messages: u64) {
    let whole = async {
        loop {
            let delivered = tally.delivered();
            let complete = timeout(QUIET, tally.completed(messages)).await.is_ok();
            if complete || tally.delivered() == delivered {
                return;
            }
        }
    };
    // What is not there by then is counted as missing.
    let _ = timeout(PATIENCE, whole).await;
}
