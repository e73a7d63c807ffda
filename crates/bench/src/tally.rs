//! Who heard what: every delivery is counted, in its order, with the time since it was meant to be sent.
//!
//! For each connection and room it is known which sequence comes next and which are still missing below it, so "each
//! once and in order" is checked and not sampled.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Instant,
};

use tokio::sync::Notify;

use crate::{histogram::Histogram, stamp::Stamp};

/// What went wrong, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A message that this connection already had.
    pub repeated: u64,
    /// A message that came after a later one of its room.
    pub late: u64,
    /// A message that never came.
    pub missing: u64,
}

/// The deliveries of one run.
pub struct Tally {
    /// Which run this is; stamps of others are not ours.
    pub run: u16,
    begun: Instant,
    counts: RefCell<Counts>,
    complete: Cell<u64>,
    changed: Notify,
}

#[derive(Default)]
struct Counts {
    delivered: u64,
    repeated: u64,
    late: u64,
    latency: Histogram,
    rooms: Vec<Room>,
    /// By connection, then by room: most hear one of thousands.
    connections: Vec<HashMap<u16, Heard>>,
}

/// A room: how many hear each message, and how many have.
struct Room {
    hearers: u32,
    heard: Vec<u32>,
}

/// What one connection heard of one room.
#[derive(Clone, Debug, Default)]
struct Heard {
    next: u32,
    holes: Vec<u32>,
}

impl Tally {
    /// Of a run that begins now.
    #[must_use]
    pub fn new(run: u16) -> Self {
        Self {
            run,
            begun: Instant::now(),
            counts: RefCell::default(),
            complete: Cell::new(0),
            changed: Notify::new(),
        }
    }

    /// Another room, each of whose messages so many connections hear.
    pub fn add_room(&self, hearers: usize) -> u16 {
        let mut counts = self.counts.borrow_mut();
        counts.rooms.push(Room { hearers: hearers as u32, heard: Vec::new() });
        (counts.rooms.len() - 1) as u16
    }

    /// The stamp of the room's next message, which is meant to be sent at this instant.
    pub fn stamp(&self, room: u16, intended: Instant) -> Stamp {
        let mut counts = self.counts.borrow_mut();
        let heard = &mut counts.rooms[usize::from(room)].heard;
        heard.push(0);
        Stamp {
            run: self.run,
            room,
            sequence: (heard.len() - 1) as u32,
            intended_micros: intended.saturating_duration_since(self.begun).as_micros() as u64,
        }
    }

    /// This connection was delivered this.
    pub fn heard(&self, connection: usize, stamp: Stamp) {
        if stamp.run != self.run {
            return;
        }
        let micros = (self.begun.elapsed().as_micros() as u64).saturating_sub(stamp.intended_micros);
        let mut counts = self.counts.borrow_mut();
        if counts.note(connection, stamp) {
            counts.delivered += 1;
            counts.latency.record(micros);
            if counts.rooms[usize::from(stamp.room)].hears(stamp.sequence) {
                self.complete.set(self.complete.get() + 1);
                self.changed.notify_waiters();
            }
        }
    }

    /// Forgets what was counted so far, but not who heard what: a measurement begins.
    pub fn begin(&self) {
        let mut counts = self.counts.borrow_mut();
        counts.delivered = 0;
        counts.latency = Histogram::default();
        self.complete.set(0);
    }

    /// Waits until so many messages have reached everybody since `begin`.
    pub async fn completed(&self, messages: u64) {
        loop {
            let changed = self.changed.notified();
            if self.complete.get() >= messages {
                return;
            }
            changed.await;
        }
    }

    #[must_use]
    pub fn complete(&self) -> u64 {
        self.complete.get()
    }

    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.counts.borrow().delivered
    }

    #[must_use]
    pub fn latency(&self) -> Histogram {
        self.counts.borrow().latency.clone()
    }

    /// What went wrong over the whole run. A connection is told apart from one that hears nothing by what it heard.
    #[must_use]
    pub fn faults(&self) -> Faults {
        let counts = self.counts.borrow();
        let wanted = |room: &Room| u64::from(room.hearers) * room.heard.len() as u64;
        let arrived = |room: &Room| room.heard.iter().copied().map(u64::from).sum::<u64>();
        Faults {
            repeated: counts.repeated,
            late: counts.late,
            missing: counts.rooms.iter().map(|room| wanted(room).saturating_sub(arrived(room))).sum(),
        }
    }

    /// What this connection has not heard, of all that was sent to this room.
    #[must_use]
    pub fn missing(&self, connection: usize, room: u16) -> u64 {
        let counts = self.counts.borrow();
        let sent = counts.rooms[usize::from(room)].heard.len() as u64;
        let heard = counts.connections.get(connection).and_then(|rooms| rooms.get(&room));
        heard.map_or(sent, |heard| sent - u64::from(heard.next) + heard.holes.len() as u64)
    }

    /// How many messages were sent in the whole run.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.counts.borrow().rooms.iter().map(|room| room.heard.len() as u64).sum()
    }
}

impl Counts {
    /// False if this connection had it already, or if nobody sent it.
    fn note(&mut self, connection: usize, stamp: Stamp) -> bool {
        let room = usize::from(stamp.room);
        if self.rooms.get(room).is_none_or(|room| room.heard.len() <= stamp.sequence as usize) {
            return false;
        }
        if self.connections.len() <= connection {
            self.connections.resize_with(connection + 1, HashMap::new);
        }
        let heard = self.connections[connection].entry(stamp.room).or_default();
        if stamp.sequence >= heard.next {
            heard.holes.extend(heard.next..stamp.sequence);
            heard.next = stamp.sequence + 1;
            return true;
        }
        match heard.holes.iter().position(|hole| *hole == stamp.sequence) {
            Some(hole) => {
                heard.holes.swap_remove(hole);
                self.late += 1;
                true
            }
            None => {
                self.repeated += 1;
                false
            }
        }
    }
}

impl Room {
    /// True if now everybody has heard it.
    fn hears(&mut self, sequence: u32) -> bool {
        let heard = &mut self.heard[sequence as usize];
        *heard += 1;
        *heard == self.hearers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(tally: &Tally, room: u16, count: usize) -> Vec<Stamp> {
        (0..count).map(|_| tally.stamp(room, Instant::now())).collect()
    }

    #[test]
    fn each_once_and_in_order_is_no_fault() {
        let tally = Tally::new(1);
        let room = tally.add_room(2);
        for stamp in sent(&tally, room, 3) {
            tally.heard(0, stamp);
            tally.heard(1, stamp);
        }
        assert_eq!((tally.delivered(), tally.complete()), (6, 3));
        assert_eq!(tally.faults(), Faults::default());
    }

    #[test]
    fn what_is_late_twice_or_missing_is_told_apart() {
        let tally = Tally::new(1);
        let room = tally.add_room(1);
        let stamps = sent(&tally, room, 4);
        for heard in [0, 2, 1, 1, 0] {
            tally.heard(7, stamps[heard]);
        }
        assert_eq!(tally.faults(), Faults { repeated: 2, late: 1, missing: 1 });
        assert_eq!((tally.missing(7, room), tally.missing(8, room)), (1, 4));
        assert_eq!(tally.delivered(), 3);
    }

    #[test]
    fn other_runs_and_messages_nobody_sent_do_not_count() {
        let tally = Tally::new(1);
        let room = tally.add_room(1);
        let stamp = tally.stamp(room, Instant::now());
        tally.heard(0, Stamp { run: 2, ..stamp });
        tally.heard(0, Stamp { sequence: 9, ..stamp });
        tally.heard(0, Stamp { room: 9, ..stamp });
        assert_eq!((tally.delivered(), tally.faults().missing), (0, 1));
    }

    #[test]
    fn latency_counts_from_the_time_that_was_meant() {
        let tally = Tally::new(1);
        let room = tally.add_room(1);
        let long_ago = tally.begun;
        let stamp = tally.stamp(room, long_ago);
        tally.heard(0, stamp);
        let later = tally.stamp(room, long_ago + std::time::Duration::from_secs(3600));
        tally.heard(0, later);
        let latency = tally.latency();
        assert_eq!(latency.count(), 2);
        assert!(latency.max() <= long_ago.elapsed());
        assert_eq!(latency.quantile(0.5), std::time::Duration::ZERO);
    }
}
