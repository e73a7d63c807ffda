//! Conversations of two: durable messages, spread evenly over many pairs.

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::task::JoinSet;

use crate::{
    crowd::Crowd,
    member::Member,
    outcome::{Outcome, Spending, Unit},
    pace::Pace,
    scenario::{conclude, said_all, settled},
    script::Person,
    tally::Tally,
    world::World,
};

/// Many conversations of two, in which messages are stored, delivered and counted
#[derive(Clone, Debug, Args)]
pub struct Pairs {
    /// How many conversations
    #[arg(long, default_value_t = 500)]
    pub pairs: usize,
    /// Messages a second, over all of them
    #[arg(long, default_value_t = 2000.0)]
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
    pub async fn run(&self, world: &World) -> Result<Outcome> {
        let (tally, opening) = world.open().await?;
        for room in 0..self.pairs {
            if let Some(preparation) = world.script.prepare(room) {
                opening.prepare(&preparation).await?;
            }
        }
        let (mut people, mut places) = (Vec::new(), HashMap::new());
        let mut place = |person: Person| {
            *places.entry(person).or_insert_with(|| {
                people.push(person);
                people.len() - 1
            })
        };
        let script = &world.script;
        let speakers: Vec<usize> = (0..self.pairs).map(|room| place(script.speaker(room))).collect();
        for room in 0..if script.hearers_hear_all() { 1 } else { self.pairs } {
            place(script.hearer(room, 0));
        }
        let mut crowd = Crowd::gather(&opening, 0, people).await?;
        let speakers: Vec<_> = speakers
            .into_iter()
            .map(|place| (crowd.members[place].clone(), tally.add_room(1 + usize::from(script.echoes()))))
            .collect();

        let warm = self.talk(&tally, &speakers, self.warmup).await?;
        settled(&tally, warm).await;
        tally.begin();
        let spending = Spending::from_now(world.server)?;
        let begun = Instant::now();
        let said = self.talk(&tally, &speakers, self.seconds).await?;
        settled(&tally, said).await;
        let (spent, took) = (spending.so_far()?, begun.elapsed());
        let mut outcome = Outcome::default();
        outcome.add("messages", said as f64, Unit::Count);
        outcome.add("messages per second", said as f64 / took.as_secs_f64(), Unit::PerSecond);
        outcome.add("deliveries", tally.delivered() as f64, Unit::Count);
        outcome.add_cost(spent, said, "messages per CPU second");
        outcome.add_latency(&tally.latency());
        conclude(&mut outcome, &tally, &mut crowd);
        Ok(outcome)
    }

    /// Every pair speaks for so many seconds, one after another in turn; gives how many messages that were.
    async fn talk(&self, tally: &Rc<Tally>, speakers: &[(Rc<Member>, u16)], seconds: f64) -> Result<u64> {
        let before = tally.sent();
        let mut talks = JoinSet::new();
        let pace = Pace::per_second(self.rate / speakers.len() as f64);
        for (nth, (member, room)) in speakers.iter().enumerate() {
            let (member, room, tally, bytes) = (member.clone(), *room, tally.clone(), self.bytes);
            let pace = pace.later(nth as f64 / speakers.len() as f64);
            talks.spawn_local(async move {
                for nth in 0..pace.count(Duration::from_secs_f64(seconds)) {
                    let intended = pace.wait(nth).await;
                    let text = tally.stamp(room, intended.into_std()).text(bytes);
                    let word = member.words(usize::from(room), &text);
                    member.say(&[word]).await.context("a speaker's connection broke")?;
                }
                Ok(())
            });
        }
        said_all(talks).await?;
        Ok(tally.sent() - before)
    }
}
