//! Whose turn it is: what a client sends waits, in order, while it is faster than its dialect allows, or while too much
//! of what it asked for is under way. Rates delay; only a dialect that says so refuses.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::pace::Bucket;
use crate::{dialect::Pace, outbox::ITEM_BYTES};

/// What waits for its turn; above it, the client is read no further.
const WAITING_BYTES: usize = 64 * 1024;

/// A client that is held back for so long without a pause is too fast for good.
const HELD_BACK: Duration = Duration::from_secs(30);

/// What a client has sent and is not stepped yet.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    pace: Pace,
    bucket: Bucket,
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    since: Option<Instant>,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    bytes: usize,
    /// It has its token already.
    paid: bool,
}

/// What becomes of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Waits,
    TooFast,
    TooBig,
}

impl<T> Turns<T> {
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { bucket: Bucket::new(&pace, now), pace, waiting: VecDeque::new(), bytes: 0, since: None }
    }

    /// It is more than one may send at a time.
    pub fn is_too_big(&self, bytes: usize) -> bool {
        bytes > self.pace.max_frame_bytes
    }

    /// Takes what came, or refuses it.
    pub fn arrive(&mut self, item: T, bytes: usize, now: Instant) -> Verdict {
        if self.is_too_big(bytes) {
            return Verdict::TooBig;
        }
        let paid = self.pace.refuse && self.bucket.take(now);
        if self.pace.refuse && !paid {
            return Verdict::TooFast;
        }
        let bytes = bytes + ITEM_BYTES;
        self.bytes += bytes;
        self.waiting.push_back(Waiting { item, bytes, paid });
        Verdict::Waits
    }

    /// The next one, if it is its turn.
    pub fn next(&mut self, now: Instant) -> Option<T> {
        if !self.waiting.front()?.paid && !self.bucket.take(now) {
            self.since.get_or_insert(now);
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.bytes -= next.bytes;
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
            self.since = None;
        }
        Some(next.item)
    }

    /// Something waits for what is under way.
    pub fn hold(&mut self, now: Instant) {
        if !self.waiting.is_empty() {
            self.since.get_or_insert(now);
        }
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// False while enough waits.
    pub fn reads(&self) -> bool {
        self.bytes < WAITING_BYTES
    }

    /// True if the client never paused for as long as may be.
    pub fn is_held_back(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now - since >= HELD_BACK)
    }

    /// When there is something to do: the turn of the next one, or the end of all patience.
    pub fn wakes(&self, now: Instant, has_room: bool) -> Option<Instant> {
        let turn = self.waiting.front().filter(|_| has_room);
        let turn = turn.map(|next| if next.paid { now } else { self.bucket.next(now) });
        let patience = self.since.map(|since| since + HELD_BACK);
        [turn, patience].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { burst: 2, per_second: 10, refuse: false, max_frame_bytes: 1_000 };

    fn filled(count: u32, now: Instant) -> Turns<u32> {
        let mut turns = Turns::new(PACE, now);
        for number in 0..count {
            assert_eq!(turns.arrive(number, 10, now), Verdict::Waits);
        }
        turns
    }

    #[test]
    fn over_the_rate_they_wait_in_order() {
        let start = Instant::now();
        let mut turns = filled(4, start);
        assert_eq!([turns.next(start), turns.next(start), turns.next(start)], [Some(0), Some(1), None]);
        let turn = turns.wakes(start, true).unwrap();
        assert_eq!(turn, start + Duration::from_millis(100));
        assert_eq!([turns.next(turn), turns.next(turn)], [Some(2), None]);
        assert_eq!(turns.wakes(start, false), Some(start + HELD_BACK), "no turn while there is no room");
    }

    #[test]
    fn who_never_pauses_is_held_back_and_a_pause_forgives() {
        let start = Instant::now();
        let mut turns = filled(3, start);
        while turns.next(start).is_some() {}
        assert!(!turns.is_held_back(start + HELD_BACK - Duration::from_millis(1)));
        assert!(turns.is_held_back(start + HELD_BACK));
        let later = start + Duration::from_secs(1);
        assert_eq!(turns.next(later), Some(2));
        assert!(!turns.is_held_back(start + HELD_BACK));
    }

    #[test]
    fn a_client_is_read_until_enough_waits() {
        let now = Instant::now();
        let mut turns = Turns::new(Pace { max_frame_bytes: WAITING_BYTES, ..PACE }, now);
        assert_eq!(turns.arrive(0, WAITING_BYTES - ITEM_BYTES - 1, now), Verdict::Waits);
        assert!(turns.reads());
        turns.arrive(1, 0, now);
        assert!(!turns.reads());
        turns.next(now);
        assert!(turns.reads());
    }

    #[test]
    fn a_dialect_that_refuses_says_so_at_once() {
        let now = Instant::now();
        let mut turns = Turns::new(Pace { refuse: true, ..PACE }, now);
        assert_eq!(turns.arrive(0, 1_000, now), Verdict::Waits, "exactly the largest");
        assert_eq!(turns.arrive(1, 1_001, now), Verdict::TooBig);
        assert_eq!(turns.arrive(2, 1, now), Verdict::Waits);
        assert_eq!(turns.arrive(3, 1, now), Verdict::TooFast);
        assert_eq!([turns.next(now), turns.next(now), turns.next(now)], [Some(0), Some(2), None]);
    }
}
