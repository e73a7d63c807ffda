//! How fast a connection may send: a bucket of tokens.

use std::time::Duration;

use tokio::time::Instant;

use crate::dialect::Pace;

/// A bucket that fills at a rate up to its burst.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// The time at which the bucket is full again; each token taken moves it on by one interval.
    full_at: Instant,
    interval: Duration,
    burst: Duration,
}

impl Bucket {
    pub fn new(pace: &Pace, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / pace.per_second.max(1);
        Self { full_at: now, interval, burst: interval * pace.burst.max(1) }
    }

    /// Takes a token if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.next(now) > now {
            return false;
        }
        self.full_at = self.full_at.max(now) + self.interval;
        true
    }

    /// When a token can be taken; `now` if one can.
    pub fn next(&self, now: Instant) -> Instant {
        let after_this_one = self.full_at.max(now) + self.interval;
        let latest = now + self.burst;
        if after_this_one <= latest { now } else { now + (after_this_one - latest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { burst: 20, per_second: 10, refuse: true, max_frame_bytes: 1 };

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let now = Instant::now();
        let mut bucket = Bucket::new(&PACE, now);
        assert_eq!((0..100).filter(|_| bucket.take(now)).count(), 20);
    }

    #[test]
    fn afterwards_it_passes_at_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(&PACE, start);
        while bucket.take(start) {}
        assert_eq!(bucket.next(start), start + Duration::from_millis(100));
        assert!(!bucket.take(start + Duration::from_millis(99)));
        assert!(bucket.take(start + Duration::from_millis(100)));
        assert!(!bucket.take(start + Duration::from_millis(100)));
        let later = start + Duration::from_secs(60);
        assert_eq!((0..100).filter(|_| bucket.take(later)).count(), 20, "it holds a burst, not more");
    }
}
