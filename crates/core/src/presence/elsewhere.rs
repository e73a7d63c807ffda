//! Whether another core lives on this database.
//!
//! A core says so again and again, by changing when its life was renewed. Clocks of two machines differ, so what is
//! compared is whether that changes, not how old it is. A core that is dead cannot be told from one that is slow but by
//! waiting: for longer than a core that lives stays silent.

use std::time::Duration;

use parlor_store::{Life, Millis, Store};

use crate::{Error, clock::Clock};

/// How often a core says that it lives. What a crash leaves uncertain of "last seen" is at most this.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(5);

/// A core that is silent for so long is dead: one renewal, and as much again as a busy database may hold it up.
const WATCH: Duration = Duration::from_secs(7);

/// How often it is looked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Nobody waits for a core that was silent for so long already. Clocks do not differ by so much.
const LONG_DEAD: Duration = Duration::from_secs(3600);

/// Another core lives on this database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another core lives on this database, as node \"{node}\"")]
pub struct Occupied {
    pub node: String,
    /// When it last said so, by its clock.
    pub renewed_at: Millis,
}

impl From<Life> for Occupied {
    fn from(life: Life) -> Self {
        Self { node: life.node, renewed_at: life.renewed_at }
    }
}

/// Why a core does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    #[error(transparent)]
    Occupied(#[from] Occupied),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<parlor_store::Error> for NotStarted {
    fn from(error: parlor_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Answers the lives of other homes that are dead, as they were seen, once no other goes on.
pub(super) async fn dead(store: &Store, clock: &Clock, home: &str) -> Result<Vec<Life>, NotStarted> {
    let began = clock.now();
    let (mut dead, mut watched): (Vec<Life>, Vec<Life>) = others(store, home)
        .await?
        .into_iter()
        .partition(|life| began.saturating_sub(life.renewed_at) > milliseconds(LONG_DEAD));
    if let Some(life) = watched.first() {
        tracing::info!(node = life.node, within = ?WATCH, "whether another core lives is being watched");
    }
    let until = began.saturating_add(milliseconds(WATCH));
    while !watched.is_empty() && clock.now() < until {
        clock.sleep_until(clock.now().saturating_add(milliseconds(LOOK_EVERY)).min(until)).await;
        let now = others(store, home).await?;
        let known = |life: &Life| watched.iter().chain(&dead).any(|seen| life.is_as(seen));
        if let Some(living) = now.iter().find(|life| !known(life)) {
            return Err(Occupied::from(living.clone()).into());
        }
        // Whose life has ended meanwhile need not be waited for.
        watched.retain(|seen| now.iter().any(|life| life.is_as(seen)));
    }
    dead.append(&mut watched);
    Ok(dead)
}

/// Lives of other homes that have not ended well.
async fn others(store: &Store, home: &str) -> Result<Vec<Life>, NotStarted> {
    let mut lives = store.presence.lives().await?;
    lives.retain(|life| life.ended_at.is_none() && (life.home.is_empty() || life.home != home));
    Ok(lives)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
