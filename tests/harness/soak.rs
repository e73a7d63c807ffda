//! Hostile connections from many addresses beside honest clients of every dialect: what the limits promise, seen from
//! outside the real program.
//!
//! The honest lose nothing, hear everything in order, and about as soon as before; the program stays ready, and its memory
//! below what the limits add up to; who begins and does not finish, or never says who they are, is gone in time.

mod beats;
mod ground;
mod honest;
mod hostile;
mod sizes;

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::sizes::{Sizes, TAKEN};
use self::{
    beats::Beats,
    ground::{Ground, Seen},
    hostile::Kind,
};

/// What a run has seen.
#[derive(Debug)]
pub struct Report {
    pub sizes: Sizes,
    /// Messages said and heard by the honest before the attack and during it, and how late the slowest hundredth was.
    pub calm: Beats,
    pub attacked: Beats,
    /// Connections of each kind of hostile client, and how many of them were refused or ended by the server.
    pub hostile: Vec<(Kind, hostile::Count)>,
    pub seen: Seen,
    /// What the process may hold.
    pub bound: u64,
}

/// Plays it, and fails at the first promise that is broken.
pub async fn play(sizes: Sizes) -> Report {
    let ground = Arc::new(Ground::make(&sizes).await);
    let rooms = honest::open(&ground, sizes.honest).await;
    let before = ground.resident();
    let ended = CancellationToken::new();
    let began = Instant::now();
    let mut talks = JoinSet::new();
    for room in rooms {
        talks.spawn(room.talk(sizes.every, began, ended.clone()));
    }
    let mut watched = JoinSet::new();
    watched.spawn(Arc::clone(&ground).watch(ended.clone()));
    let _ = tokio::time::timeout(sizes.calm, talks.join_next()).await.map(fail);

    let attack = Instant::now();
    let hostile = hostile::attack(&ground, &sizes, &ended);
    let _ = tokio::time::timeout(sizes.attack, talks.join_next()).await.map(fail);
    let over = Instant::now();
    ended.cancel();

    let mut told = Vec::new();
    for room in talks.join_all().await {
        told.extend(room);
    }
    let seen = watched.join_next().await.unwrap().unwrap();
    let hostile = hostile.count().await;
    Report {
        calm: Beats::between(&told, began, attack),
        attacked: Beats::between(&told, attack, over),
        hostile,
        seen,
        bound: before + hostile::may_hold(&sizes),
        sizes,
    }
}

/// Nobody ends before the end.
fn fail<T: std::fmt::Debug>(ended: T) {
    panic!("an honest client ended early: {ended:?}");
}

impl Report {
    /// Fails unless every promise was kept.
    pub fn check(&self) {
        println!("{self}");
        assert!(self.calm.count > 0 && self.attacked.count > 0, "the honest talk");
        let allowed = 3 * self.calm.p99.max(self.sizes.floor);
        assert!(self.attacked.p99 <= allowed, "{:?} is later than {allowed:?}", self.attacked.p99);
        assert!(self.seen.most <= self.bound, "{} bytes are more than {}", self.seen.most, self.bound);
        assert!(self.seen.probes > 0 && self.seen.unready.is_empty(), "it is ready: {:?}", self.seen.unready);
        for (kind, count) in &self.hostile {
            assert!(count.opened > 0, "{kind:?} has connected");
            // Who never reads may stay for as long as there is nothing to read.
            let is_known = kind.is_answered() || !self.sizes.overflows();
            let allowed = self.sizes.unfinished() + PATIENCE;
            let stays = *kind == Kind::NeverReads || !is_known;
            assert!(stays || count.longest <= allowed, "{kind:?}: {:?}", count.longest);
        }
    }
}

/// How much later than its time a hostile connection may see its end, where server and attackers share a machine.
const PATIENCE: Duration = Duration::from_secs(10);

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = |bytes: u64| bytes >> 20;
        writeln!(f, "calm: {}", self.calm)?;
        writeln!(f, "attacked: {}", self.attacked)?;
        for (kind, count) in &self.hostile {
            writeln!(
                f,
                "{kind:?}: opened {}, refused {}, unanswered {}, longest {:.1} s",
                count.opened,
                count.refused,
                count.unanswered,
                count.longest.as_secs_f64()
            )?;
        }
        let (most, bound) = (mebibytes(self.seen.most), mebibytes(self.bound));
        let (probes, unready) = (self.seen.probes, self.seen.unready.len());
        write!(
            f,
            "resident at most {most} MiB of {bound} MiB; ready at {} of {probes} probes",
            probes - unready as u64
        )
    }
}
