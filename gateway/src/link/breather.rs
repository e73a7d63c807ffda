//! When what a topic delivers is written: at once, or, right after a costly delivery, a little later and all together.
//!
//! A write to a thousand sockets is a thousand system calls. A topic that has just made them rests, three times as long as
//! they took; what comes meanwhile is owed, and goes out with one write to each. So a burst costs a few writes to each
//! socket instead of one for each event, a busy topic leaves most of the time to others, and an event that comes alone
//! waits for nothing.

use std::time::Duration;

use tokio::time::Instant;

/// A delivery that took less is no load, however often it comes.
const COSTLY: Duration = Duration::from_millis(1);

/// How much longer than its writing a topic rests.
const BREATHER_TIMES: u32 = 3;

/// The longest rest: nobody sees that something came so much later.
const BREATHER_MAX: Duration = Duration::from_millis(30);

/// Whether a topic rests, and what it owes.
#[derive(Debug, Default)]
pub(crate) struct Breather {
    until: Option<Instant>,
    owing: bool,
}

impl Breather {
    /// True if what is delivered now shall only be owed.
    pub fn is_resting(&self, now: Instant) -> bool {
        self.owing || self.until.is_some_and(|until| now < until)
    }

    /// Something is owed. Answers when it is to be written, if it is the first.
    pub fn owe(&mut self, now: Instant) -> Option<Instant> {
        let first = !self.owing;
        self.owing = true;
        first.then(|| self.until.unwrap_or(now))
    }

    /// Sockets were written from `began` to `now`, with all that was owed.
    pub fn wrote(&mut self, began: Instant, now: Instant) {
        let took = now - began;
        self.owing = false;
        self.until = (took >= COSTLY).then(|| now + (took * BREATHER_TIMES).min(BREATHER_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_cheap_delivery_is_followed_by_the_next_at_once() {
        let (mut breather, now) = (Breather::default(), Instant::now());
        assert!(!breather.is_resting(now));
        breather.wrote(now, now + COSTLY / 2);
        assert!(!breather.is_resting(now + COSTLY / 2));
    }

    #[test]
    fn a_costly_one_is_followed_by_a_longer_rest() {
        let (mut breather, now) = (Breather::default(), Instant::now());
        breather.wrote(now, now + 5 * MS);
        assert!(breather.is_resting(now + 19 * MS));
        assert!(!breather.is_resting(now + 20 * MS));
        breather.wrote(now, now + 500 * MS);
        assert!(!breather.is_resting(now + 500 * MS + BREATHER_MAX), "and never a long one");
    }

    #[test]
    fn what_is_owed_is_due_once_at_the_end_of_the_rest() {
        let (mut breather, now) = (Breather::default(), Instant::now());
        breather.wrote(now, now + 5 * MS);
        assert_eq!(breather.owe(now + 6 * MS), Some(now + 20 * MS));
        assert_eq!(breather.owe(now + 7 * MS), None);
        assert!(breather.is_resting(now + 21 * MS), "what comes later stays behind what is owed");
        breather.wrote(now + 21 * MS, now + 21 * MS);
        assert!(!breather.is_resting(now + 21 * MS));
    }
}
