//! Rooms of two: in each one client speaks and another hears, both with a connection of their own.
//!
//! Over `support` an admin hears every room, so one admin is the other of all: so many pairs are as many customers and one
//! admin, and a customer hears its own words too.

mod talk;

use std::rc::Rc;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use crate::{
    converse::{self, Converse},
    crowd::{AT_A_TIME, Crowd},
    member::{Member, Opening},
    process::Process,
    script::Script,
    tally::Tally,
    world::{World, a_run},
};

pub use talk::{GENERATOR_IS_LATE, Load, Talk};

/// What pairs speak over.
pub enum Wire {
    /// WebSockets, in the words of a script.
    Sockets(World),
    /// Streams of gRPC.
    Streams(Converse),
}

/// Pairs that are in. Dropping them ends their connections.
pub struct Duos {
    pub tally: Rc<Tally>,
    server: Option<Process>,
    /// By room.
    speakers: Vec<Rc<Speaker>>,
    /// How sockets are opened; there is none for streams.
    opening: Option<Opening>,
    crowds: Vec<Crowd>,
    streams: JoinSet<anyhow::Error>,
    connections: usize,
}

enum Speaker {
    Socket { member: Rc<Member>, room: u16 },
    Stream(converse::Speaker),
}

impl Wire {
    fn server(&self) -> Option<Process> {
        match self {
            Self::Sockets(world) => world.server,
            Self::Streams(converse) => converse.server,
        }
    }

    /// How many pairs have this many connections, about.
    #[must_use]
    pub fn pairs_of(&self, connections: usize) -> usize {
        match self {
            Self::Sockets(world) if world.script.hearers_hear_all() => connections.saturating_sub(1).max(1),
            _ => (connections / 2).max(1),
        }
    }
}

impl Duos {
    /// Brings in so many pairs.
    pub async fn gather(wire: &Wire, pairs: usize) -> Result<Self> {
        let (tally, opening) = match wire {
            Wire::Sockets(world) => {
                let (tally, opening) = world.open().await?;
                (tally, Some(opening))
            }
            Wire::Streams(_) => (Rc::new(Tally::new(a_run())), None),
        };
        let mut duos = Self {
            tally,
            server: wire.server(),
            speakers: Vec::new(),
            opening,
            crowds: Vec::new(),
            streams: JoinSet::new(),
            connections: 0,
        };
        duos.grow(wire, pairs).await?;
        Ok(duos)
    }

    /// Brings in as many more as make so many pairs.
    pub async fn grow(&mut self, wire: &Wire, pairs: usize) -> Result<()> {
        match wire {
            Wire::Sockets(world) => self.grow_by_sockets(world, pairs).await,
            Wire::Streams(converse) => self.grow_by_streams(converse, pairs).await,
        }
    }

    #[must_use]
    pub fn pairs(&self) -> usize {
        self.speakers.len()
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// How many connections have ended, and why one of them did.
    pub fn ended(&mut self) -> Option<(usize, String)> {
        let mut ended = None;
        let mut note = |count: usize, how: String| {
            let (before, _) = ended.take().unwrap_or_default();
            ended = Some((before + count, how));
        };
        for crowd in &mut self.crowds {
            if let Some((count, how)) = crowd.ended() {
                note(count, how.to_string());
            }
        }
        while let Some(stream) = self.streams.try_join_next() {
            note(1, stream.map_or_else(|error| error.to_string(), |error| format!("{error:#}")));
        }
        ended
    }

    async fn grow_by_sockets(&mut self, world: &World, pairs: usize) -> Result<()> {
        let opening = self.opening.as_ref().context("pairs of streams do not grow by sockets")?;
        let script = &world.script;
        let rooms = self.speakers.len()..pairs.max(self.speakers.len());
        prepare(opening, script.as_ref(), rooms.clone()).await?;
        let mut people: Vec<_> = rooms.clone().map(|room| script.speaker(room)).collect();
        match script.hearers_hear_all() {
            true if self.speakers.is_empty() => people.push(script.hearer(0, 0)),
            true => {}
            false => people.extend(rooms.clone().map(|room| script.hearer(room, 0))),
        }
        let (first, count) = (self.connections, people.len());
        let crowd = Crowd::gather(opening, first, people).await?;
        self.connections += count;
        for member in &crowd.members[..rooms.len()] {
            let room = self.tally.add_room(1 + usize::from(script.echoes()));
            self.speakers.push(Rc::new(Speaker::Socket { member: member.clone(), room }));
        }
        self.crowds.push(crowd);
        Ok(())
    }

    async fn grow_by_streams(&mut self, converse: &Converse, pairs: usize) -> Result<()> {
        while self.speakers.len() < pairs {
            let room = self.tally.add_room(1);
            let entered = converse.enter(&self.tally, room, &mut self.streams).await;
            let speaker = entered.with_context(|| format!("pair {room} could not come in"))?;
            self.speakers.push(Rc::new(Speaker::Stream(speaker)));
            self.connections += 2;
        }
        Ok(())
    }
}

/// Asks for what the rooms need, a few at a time.
async fn prepare(opening: &Opening, script: &dyn Script, rooms: std::ops::Range<usize>) -> Result<()> {
    let mut waiting = JoinSet::new();
    for preparation in rooms.filter_map(|room| script.prepare(room)) {
        if waiting.len() >= AT_A_TIME
            && let Some(done) = waiting.join_next().await
        {
            done.context("a task of the generator broke")??;
        }
        let opening = opening.clone();
        waiting.spawn_local(async move { opening.prepare(&preparation).await });
    }
    while let Some(done) = waiting.join_next().await {
        done.context("a task of the generator broke")??;
    }
    Ok(())
}

impl Speaker {
    async fn say(&self, text: String) -> Result<()> {
        match self {
            Self::Socket { member, room } => {
                let word = member.words(usize::from(*room), &text);
                member.say(&[word]).await.context("a speaker's connection broke")
            }
            Self::Stream(speaker) => speaker.say(text).await,
        }
    }

    /// How often the server took nothing more at once.
    fn held(&self) -> u64 {
        match self {
            Self::Socket { member, .. } => member.held(),
            Self::Stream(speaker) => speaker.held(),
        }
    }
}
