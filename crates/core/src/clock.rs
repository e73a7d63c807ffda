//! Where time comes from. Nothing else in the core asks the system for it, so a test can move it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

/// The longest single timer; a later moment is waited for in steps of this, so that no sum overflows.
const LONGEST_SLEEP_MS: i64 = 24 * 3600 * 1000;

/// The time of day in milliseconds since 1970, a time that is never set back, and how far a test has moved both.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    begun: Instant,
    /// How far the time of day was moved.
    shift_ms: AtomicI64,
    /// How far the steady time was moved.
    steady_shift_ms: AtomicI64,
    moved: Notify,
}

impl Default for Shared {
    fn default() -> Self {
        let (shift_ms, steady_shift_ms) = (AtomicI64::default(), AtomicI64::default());
        Self { begun: Instant::now(), shift_ms, steady_shift_ms, moved: Notify::default() }
    }
}

impl Clock {
    /// Now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one place that asks")]
    pub fn now(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        now_ms.saturating_add(self.shared.shift_ms.load(Ordering::Relaxed))
    }

    /// Milliseconds since this clock was made: for what is measured and not remembered, since the time of day may be set.
    #[must_use]
    pub fn steady(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.shared.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        elapsed_ms.saturating_add(self.shared.steady_shift_ms.load(Ordering::Relaxed))
    }

    /// Moves this clock, and all its clones, forward, and wakes who sleeps until a moment that has come. Other timers
    /// are not hurried.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shared.shift_ms.fetch_add(by_ms, Ordering::Relaxed);
        self.shared.steady_shift_ms.fetch_add(by_ms, Ordering::Relaxed);
        self.shared.moved.notify_waiters();
    }

    /// Sets the time of day back, as an administrator may.
    #[cfg(test)]
    pub fn set_back(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shared.shift_ms.fetch_sub(by_ms, Ordering::Relaxed);
    }

    /// Completes at the moment, or at once if it has passed.
    pub async fn sleep_until(&self, at_ms: i64) {
        loop {
            let moved = self.shared.moved.notified();
            tokio::pin!(moved);
            // Registered before the clock is read: a move in between is not missed.
            moved.as_mut().enable();
            let left_ms = at_ms.saturating_sub(self.now()).min(LONGEST_SLEEP_MS);
            let Ok(left_ms) = u64::try_from(left_ms) else { return };
            if left_ms == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
                () = &mut moved => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moved_clock_wakes_its_sleepers() {
        let clock = Clock::default();
        let sleep = clock.sleep_until(clock.now() + 3_600_000);
        tokio::pin!(sleep);
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.clone().advance(Duration::from_secs(3600));
        sleep.await;
        clock.sleep_until(0).await;
    }
}
