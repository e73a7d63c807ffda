//! The open loop: when each event is meant to happen, whatever became of those before.
//!
//! A server that stalls makes later events late, and that is counted: a generator that waited for it would measure its
//! own patience instead.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The times of a series of events.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    first: Instant,
    interval: Duration,
}

impl Pace {
    /// This many a second, the first one now.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        Self { first: Instant::now(), interval: Duration::from_secs_f64(1.0 / rate) }
    }

    /// The same, the first one this part of an interval later: what several do in turn falls evenly.
    #[must_use]
    pub fn later(self, part: f64) -> Self {
        Self { first: self.first + self.interval.mul_f64(part), ..self }
    }

    /// When the nth event is meant to happen.
    #[must_use]
    pub fn at(&self, nth: u64) -> Instant {
        self.first + Duration::from_nanos((self.interval.as_nanos() as u64).saturating_mul(nth))
    }

    /// Waits for the nth event; not at all if it is overdue.
    pub async fn wait(&self, nth: u64) -> Instant {
        let at = self.at(nth);
        if at > Instant::now() {
            sleep_until(at).await;
        }
        at
    }

    /// How many events fit into this time; at least one.
    #[must_use]
    pub fn count(&self, duration: Duration) -> u64 {
        (duration.as_nanos() / self.interval.as_nanos().max(1)).max(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_late_event_does_not_move_those_after_it() {
        let pace = Pace::per_second(100.0);
        let begun = pace.wait(0).await;
        tokio::time::advance(Duration::from_millis(35)).await;
        for nth in 1..=3 {
            assert_eq!(pace.wait(nth).await, begun + Duration::from_millis(10 * nth));
            assert_eq!(Instant::now(), begun + Duration::from_millis(35), "an overdue event does not wait");
        }
        assert_eq!(pace.wait(4).await, begun + Duration::from_millis(40));
        assert_eq!(Instant::now(), begun + Duration::from_millis(40));
    }

    #[test]
    fn a_duration_holds_so_many_events() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        assert_eq!(Pace::per_second(50.0).count(Duration::from_secs(8)), 400);
        assert_eq!(Pace::per_second(1.0).count(Duration::from_millis(1)), 1);
    }
}
