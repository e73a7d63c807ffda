//! One room: one speaks, N hear. Single messages, bursts, or as many as are taken.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    crowd::Crowd,
    member::{Member, Opening},
    outcome::{Outcome, Spending, Unit},
    pace::Pace,
    scenario::{conclude, settled},
    tally::Tally,
    world::World,
};

/// One speaks in a room of so many; every delivery is counted and its order checked
#[derive(Clone, Debug, Args)]
pub struct Room {
    /// How many hear each message
    #[arg(long, default_value_t = 1000)]
    pub people: usize,
    /// How many times a second something is said
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// How many messages are said at once, in one write
    #[arg(long, default_value_t = 1)]
    pub burst: usize,
    /// Instead of a rate: so many messages are on their way all the time (a closed loop; latency is then not that of
    /// an open one)
    #[arg(long, conflicts_with_all = ["rate", "burst"])]
    pub outstanding: Option<usize>,
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

impl Default for Room {
    fn default() -> Self {
        Self { people: 1000, rate: 50.0, burst: 1, outstanding: None, seconds: 8.0, warmup: 1.0, bytes: 100 }
    }
}

impl Room {
    pub async fn run(&self, world: &World) -> Result<Outcome> {
        let mut gathered = Gathered::gather(world, self.people).await?;
        if self.warmup > 0.0 {
            let said = self.talk(&gathered, self.warmup).await?;
            ensure!(
                settled(&gathered.tally, said).await,
                "what was said before the measurement did not arrive"
            );
        }
        gathered.tally.begin();
        let spending = Spending::from_now(world.server)?;
        let begun = Instant::now();
        let said = self.talk(&gathered, self.seconds).await?;
        settled(&gathered.tally, said).await;
        let (spent, took) = (spending.so_far()?, begun.elapsed());
        let Gathered { tally, crowd, .. } = &mut gathered;
        let mut outcome = Outcome::default();
        outcome.add("messages", said as f64, Unit::Count);
        outcome.add("deliveries", tally.delivered() as f64, Unit::Count);
        outcome.add("deliveries per second", tally.delivered() as f64 / took.as_secs_f64(), Unit::PerSecond);
        outcome.add_cost(spent, tally.delivered(), "deliveries per CPU second");
        outcome.add_latency(&tally.latency());
        if let Some(rss) = world.rss()? {
            outcome.add("RSS", rss as f64, Unit::Bytes);
        }
        conclude(&mut outcome, tally, crowd);
        Ok(outcome)
    }

    /// Speaks for so many seconds; gives how many messages it said.
    async fn talk(&self, gathered: &Gathered, seconds: f64) -> Result<u64> {
        match self.outstanding {
            Some(outstanding) => self.talk_closed(gathered, outstanding, seconds).await,
            None => self.talk_open(gathered, seconds).await,
        }
    }

    async fn talk_open(&self, gathered: &Gathered, seconds: f64) -> Result<u64> {
        let pace = Pace::per_second(self.rate);
        let times = pace.count(Duration::from_secs_f64(seconds));
        for nth in 0..times {
            let intended = pace.wait(nth).await;
            gathered.say(self.burst, intended.into_std(), self.bytes).await?;
        }
        Ok(times * self.burst as u64)
    }

    async fn talk_closed(&self, gathered: &Gathered, outstanding: usize, seconds: f64) -> Result<u64> {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let before = gathered.tally.complete();
        let mut said = 0;
        while Instant::now() < end {
            let on_the_way = said - (gathered.tally.complete() - before);
            let more = outstanding as u64 - on_the_way;
            gathered.say(more as usize, Instant::now(), self.bytes).await?;
            said += more;
            let next = before + said - outstanding as u64 + 1;
            let arrived = tokio::time::timeout(super::PATIENCE, gathered.tally.completed(next)).await;
            arrived.context("nothing arrives any more")?;
        }
        Ok(said)
    }
}

/// A room with everybody in it.
pub struct Gathered {
    pub tally: Rc<Tally>,
    pub crowd: Crowd,
    pub room: u16,
    pub opening: Opening,
    speaker: Rc<Member>,
    /// The speaker's own ears, where it does not belong to those who hear.
    _speakers: Crowd,
}

impl Gathered {
    /// Brings everybody in: the speaker, who is the last of those numbered, and as many as make `people` hear.
    pub async fn gather(world: &World, people: usize) -> Result<Self> {
        let (tally, opening) = world.open().await?;
        let script = &world.script;
        if let Some(preparation) = script.prepare(0) {
            opening.prepare(&preparation).await?;
        }
        let others = people - usize::from(script.echoes());
        let speakers = Crowd::gather(&opening, others, vec![script.speaker(0)]).await?;
        let hearers = (0..others).map(|nth| script.hearer(0, nth)).collect();
        let crowd = Crowd::gather(&opening, 0, hearers).await?;
        let room = tally.add_room(people);
        let speaker = speakers.members[0].clone();
        Ok(Self { tally, crowd, room, opening, speaker, _speakers: speakers })
    }

    /// Says so many messages that were meant for this instant.
    pub async fn say(&self, count: usize, intended: Instant, bytes: usize) -> Result<()> {
        let texts: Vec<String> = (0..count)
            .map(|_| {
                self.speaker.words(usize::from(self.room), &self.tally.stamp(self.room, intended).text(bytes))
            })
            .collect();
        self.speaker.say(&texts).await.context("the speaker's connection broke")
    }
}
