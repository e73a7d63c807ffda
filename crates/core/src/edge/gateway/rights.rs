//! When the rights of connections end.
//!
//! Rights of staff end with their token; those of customers and guests last as long as their connection, unless they are
//! withdrawn (common rule 4 of the dialects). One look at the clock and one ear for withdrawals serve all connections.

use std::{collections::BTreeMap, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    auth::{Auth, revocation::Withdrawal},
    caller::Principal,
    clock::Clock,
    optional::some,
};

/// Whose rights may have ended.
pub(super) enum Ended {
    /// Those of this proof of this connection, at their time.
    Expired { connection: Arc<str>, generation: u64 },
    /// Those that came from what was withdrawn.
    Withdrawn(Withdrawal),
    /// Anybody's: some withdrawals were not heard.
    Unknown,
}

/// A time, and what completes then.
type Alarm = (i64, BoxFuture<'static, ()>);

/// Waits for the end of the connections' rights.
pub(super) struct RightsTimers {
    clock: Clock,
    withdrawals: broadcast::Receiver<Withdrawal>,
    next_generation: u64,
    /// The proofs that end by themselves, by their time.
    ends: BTreeMap<(i64, u64), Arc<str>>,
    alarm: Option<Alarm>,
}

/// When a connection's rights end by themselves, if they do.
pub(super) fn until(principal: &Principal) -> Option<i64> {
    principal.rights_until.filter(|_| principal.is_staff())
}

impl RightsTimers {
    /// Hears of everything that is withdrawn from now on.
    pub fn new(rights: &Auth, clock: Clock) -> Self {
        let withdrawals = rights.standing().withdrawals();
        Self { clock, withdrawals, next_generation: 0, ends: BTreeMap::new(), alarm: None }
    }

    /// Waits for the end of what a connection has just proven. The answer names this proof.
    pub fn watch(&mut self, connection: &Arc<str>, principal: &Principal) -> u64 {
        self.next_generation += 1;
        if let Some(until) = until(principal) {
            self.ends.insert((until, self.next_generation), Arc::clone(connection));
        }
        self.next_generation
    }

    /// Waits no longer for a proof.
    pub fn forget(&mut self, principal: &Principal, generation: u64) {
        if let Some(until) = until(principal) {
            self.ends.remove(&(until, generation));
        }
    }

    /// The next end. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Ended {
        self.set_alarm();
        let expires = some(self.alarm.as_mut().map(|(_, alarm)| alarm));
        tokio::select! {
            heard = self.withdrawals.recv() => match heard {
                Ok(withdrawal) => Ended::Withdrawn(withdrawal),
                Err(RecvError::Lagged(_)) => Ended::Unknown,
                // Whoever withdraws has gone: nothing will be any more.
                Err(RecvError::Closed) => std::future::pending().await,
            },
            () = expires => {
                self.alarm = None;
                match self.ends.pop_first() {
                    Some(((_, generation), connection)) => Ended::Expired { connection, generation },
                    None => std::future::pending().await,
                }
            }
        }
    }

    fn set_alarm(&mut self) {
        let first = self.ends.first_key_value().map(|((until, _), _)| *until);
        if first != self.alarm.as_ref().map(|(until, _)| *until) {
            self.alarm = first.map(|until| {
                let clock = self.clock.clone();
                (until, async move { clock.sleep_until(until).await }.boxed())
            });
        }
    }
}
