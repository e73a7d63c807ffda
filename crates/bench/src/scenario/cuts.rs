//! Short cuts: every client loses its connection again and again and takes up where it was.
//!
//! A cut is the end of the TCP connection without a word. Afterwards the client comes back as an official one does: with
//! its `pid` and offset where the server gave it some, else by joining again.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    crowd::{Crowd, bring_in},
    member::{Member, Opening},
    outcome::{Outcome, Spending, Unit},
    pace::Pace,
    scenario::{PATIENCE, conclude, said_all},
    tally::Tally,
    world::World,
};

/// A server that is down refuses; a client tries again so much later.
const AGAIN: Duration = Duration::from_millis(500);

/// Clients whose connections are cut while they are spoken to; nothing may be missing, nothing come twice
#[derive(Clone, Debug, Args)]
pub struct Cuts {
    /// How many clients
    #[arg(long, default_value_t = 1000)]
    pub clients: usize,
    /// Conversations that all of them hear
    #[arg(long, default_value_t = 3)]
    pub rooms: usize,
    /// Messages a second in each of those
    #[arg(long, default_value_t = 1.0)]
    pub rate: f64,
    /// Seconds from one cut to the next
    #[arg(long, default_value_t = 15.0)]
    pub every: f64,
    /// Seconds that a cut lasts
    #[arg(long, default_value_t = 2.0)]
    pub away: f64,
    /// Seconds that all of it lasts
    #[arg(long, default_value_t = 120.0)]
    pub seconds: f64,
    /// Length of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Seconds that the last messages may take
    #[arg(long, default_value_t = 20.0)]
    pub patience: f64,
}

/// What happened to all clients together.
#[derive(Default)]
struct Happened {
    cuts: Cell<u64>,
    /// Connections that the server ended, not we.
    ended: Cell<u64>,
}

/// One client over all of its lives.
struct Life {
    opening: Opening,
    happened: Rc<Happened>,
    every: Duration,
    away: Duration,
    /// When its first cut is, and the time after which there are no more.
    first: Instant,
    last: Instant,
}

impl Cuts {
    pub async fn run(&self, world: &World) -> Result<Outcome> {
        let (tally, opening) = world.open().await?;
        let speakers = (0..self.rooms).map(|room| world.script.speaker(room)).collect();
        let mut speakers = Crowd::gather(&opening, self.clients, speakers).await?;
        // A speaker hears its own where the server echoes, and is never cut.
        let hearers = self.clients + usize::from(world.script.echoes());
        let rooms: Vec<u16> = (0..self.rooms).map(|_| tally.add_room(hearers)).collect();
        let people = (0..self.clients).map(|nth| world.script.hearer(0, nth)).collect();
        let (members, _) = bring_in(&opening, 0, people).await?;

        let happened = Rc::new(Happened::default());
        let mut lives = self.begin(&opening, &happened, members);
        let spending = Spending::from_now(world.server)?;
        tokio::select! {
            said = said_all(self.talk(&tally, &rooms, &speakers)) => said?,
            Some(broken) = lives.join_next() => broken??,
        }
        // What did not come by then is missing, and is told.
        let _ = timeout(Duration::from_secs_f64(self.patience), tally.completed(tally.sent())).await;
        let spent = spending.so_far()?;
        let mut outcome = Outcome::default();
        outcome.add("cuts", happened.cuts.get() as f64, Unit::Count);
        outcome.add("ended by the server", happened.ended.get() as f64, Unit::Count);
        outcome.add("messages", tally.sent() as f64, Unit::Count);
        outcome.add("deliveries", tally.delivered() as f64, Unit::Count);
        outcome.add_cost(spent, tally.delivered(), "deliveries per CPU second");
        outcome.add_latency(&tally.latency());
        conclude(&mut outcome, &tally, &mut speakers);
        Ok(outcome)
    }

    /// The lives of all, whose cuts are spread evenly over the interval.
    fn begin(&self, opening: &Opening, happened: &Rc<Happened>, members: Vec<Member>) -> JoinSet<Result<()>> {
        let now = Instant::now();
        let mut lives = JoinSet::new();
        for member in members {
            let part = member.index as f64 / self.clients as f64;
            let life = Life {
                opening: opening.clone(),
                happened: happened.clone(),
                every: Duration::from_secs_f64(self.every),
                away: Duration::from_secs_f64(self.away),
                first: now + Duration::from_secs_f64(self.every * part),
                last: now + Duration::from_secs_f64((self.seconds - self.away).max(0.0)),
            };
            lives.spawn_local(life.live(member));
        }
        lives
    }

    fn talk(&self, tally: &Rc<Tally>, rooms: &[u16], speakers: &Crowd) -> JoinSet<Result<()>> {
        let mut talks = JoinSet::new();
        for (member, room) in speakers.members.iter().zip(rooms) {
            let (member, room, tally, bytes) = (member.clone(), *room, tally.clone(), self.bytes);
            let pace = Pace::per_second(self.rate).later(f64::from(room) / rooms.len() as f64);
            let count = pace.count(Duration::from_secs_f64(self.seconds));
            talks.spawn_local(async move {
                for nth in 0..count {
                    let intended = pace.wait(nth).await;
                    let text = tally.stamp(room, intended.into_std()).text(bytes);
                    let word = member.words(usize::from(room), &text);
                    member.say(&[word]).await.context("a speaker's connection broke")?;
                }
                Ok(())
            });
        }
        talks
    }
}

impl Life {
    /// Lives until the last cut is over and then goes on hearing; ends only if it cannot come back.
    async fn live(self, mut member: Member) -> Result<()> {
        let mut cut = self.first;
        loop {
            let far = Instant::now() + Duration::from_secs(24 * 3600);
            let end = if cut <= self.last { cut } else { far };
            match timeout_at(end, member.listen()).await {
                Ok(_) => self.happened.ended.set(self.happened.ended.get() + 1),
                Err(_) => {
                    self.happened.cuts.set(self.happened.cuts.get() + 1);
                    cut += self.every;
                }
            }
            let (index, person, memory) = (member.index, member.person, member.memory());
            drop(member);
            sleep(self.away).await;
            let back = async {
                loop {
                    match Member::join(&self.opening, index, person, memory.clone()).await {
                        Ok(member) => break member,
                        Err(_) => sleep(AGAIN).await,
                    }
                }
            };
            member = timeout(PATIENCE, back).await.context("a client could not come back after a cut")?;
        }
    }
}
