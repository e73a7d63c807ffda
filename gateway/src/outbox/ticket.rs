//! When an event has left for every socket it was meant for.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// Held by everything that carries one event; the last one to be dropped says that the event has left.
pub(crate) type Ticket = Arc<Departure>;

/// Tells who waits that an event has left for every socket it was meant for.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    token: CancellationToken,
    /// Where the event stands in the log of its tenant, if it came from there.
    position: Option<u64>,
}

impl Departure {
    /// Of the event at this position of its tenant's log, if it has one.
    pub fn of(position: Option<u64>) -> Self {
        Self { token: CancellationToken::new(), position }
    }

    /// It does not stand at or before this position.
    pub fn is_past(&self, position: u64) -> bool {
        self.position.is_none_or(|own| own > position)
    }

    /// What completes when the last holder of the ticket is gone.
    pub fn left(&self) -> CancellationToken {
        self.token.clone()
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.token.cancel();
    }
}
