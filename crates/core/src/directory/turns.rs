//! Turns to read a page of an export: what reads is bounded for all exports together.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Error, Result};

/// Pages that are read at once, of exports that admins ask for, and of those that people ask for themselves. Looking through
/// a tenant costs a reading connection, of which there are a few.
const OF_ADMINS: usize = 2;
const OWN: usize = 1;

/// Who reads, and in which turn.
#[derive(Clone)]
pub(super) struct Turns {
    of_admins: Turn,
    own: Turn,
}

/// The queue that an export stands in. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Turn(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        let places = |count| Turn(Arc::new(Semaphore::new(count)));
        Self { of_admins: places(OF_ADMINS), own: places(OWN) }
    }
}

impl Turns {
    /// The queue for an admin, or for everybody else.
    pub fn of(&self, is_admin: bool) -> Turn {
        if is_admin { self.of_admins.clone() } else { self.own.clone() }
    }
}

impl Turn {
    /// Waits for it; it lasts for as long as the answer is held.
    pub async fn come(&self) -> Result<SemaphorePermit<'_>> {
        self.0.acquire().await.map_err(|_| Error::TryAgain)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn as_many_read_at_once_as_the_limit_and_one_more_waits() {
        let turns = Turns::default();
        for (is_admin, limit) in [(true, OF_ADMINS), (false, OWN)] {
            let turn = turns.of(is_admin);
            let mut reading = Vec::new();
            for _ in 0..limit {
                reading.push(turn.come().now_or_never().expect("a place is free").unwrap());
            }
            assert!(turn.come().now_or_never().is_none());
            reading.pop();
            assert!(turn.come().now_or_never().is_some());
        }
    }
}
