//! One timing wheel for all connections: a connection at rest holds no timer, only a weak place in a slot.
//!
//! An entry is visited, says when it wants to be visited next, and is put there. It may move its own deadline without
//! telling the wheel: a visit that comes too early costs nothing. So an answered ping is no operation here at all.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet, time::Instant};

/// A slot is so small a part of the shortest time that anybody waits for, within these bounds: to wake is what costs, more
/// than the visits.
const PART: u32 = 400;
const NARROWEST: Duration = Duration::from_millis(10);
const WIDEST: Duration = Duration::from_millis(50);

/// Slots of a shard: a hundred seconds ahead with the widest. What is later is visited in between.
const SLOTS: u64 = 2048;

/// A visit is far shorter than a slot: one shard serves so many cores.
const CORES_OF_A_SHARD: usize = 4;

/// What the wheel visits.
pub trait Timed: Send + Sync + 'static {
    /// Does what is due at `now` and says when to come again; `None` if never.
    fn visit(self: Arc<Self>, now: Instant) -> Option<Instant>;
}

/// A cheap handle to the wheel; its tasks end with the last one.
#[derive(Clone)]
pub struct Wheel(Arc<Shards>);

struct Shards {
    slot: Duration,
    shards: Box<[Arc<Shard>]>,
    next: AtomicUsize,
    /// Drives the shards; dropping it ends them.
    _drivers: JoinSet<()>,
}

struct Shard {
    epoch: Instant,
    slot: Duration,
    slots: Mutex<Slots>,
    /// Told when the first entry comes into an empty shard.
    filled: Notify,
}

struct Slots {
    /// A ring: the slot of turn `t` is at `t % SLOTS`.
    ring: Box<[Vec<Weak<dyn Timed>>]>,
    /// The turn that is visited next.
    turn: u64,
    entries: usize,
}

impl Wheel {
    /// A wheel that runs in the current runtime, fine enough for those whose `shortest` time to wait is this.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(shortest: Duration) -> Self {
        let slot = (shortest / PART).clamp(NARROWEST, WIDEST);
        let count = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(CORES_OF_A_SHARD);
        let shards: Box<[_]> = (0..count).map(|_| Arc::new(Shard::new(slot))).collect();
        let mut drivers = JoinSet::new();
        for shard in &shards {
            drivers.spawn(Arc::clone(shard).drive());
        }
        Self(Arc::new(Shards { slot, shards, next: AtomicUsize::new(0), _drivers: drivers }))
    }

    /// The width of a slot: by so much a visit may come too early, never too late.
    pub fn slot(&self) -> Duration {
        self.0.slot
    }

    /// Visits the entry at `due` for the first time, or a slot earlier.
    pub fn add<T: Timed>(&self, entry: &Arc<T>, due: Instant) {
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        let shard = &self.0.shards[turn % self.0.shards.len()];
        let weak: Weak<T> = Arc::downgrade(entry);
        shard.add(weak, due);
    }
}

impl Shard {
    fn new(slot: Duration) -> Self {
        let ring = (0..SLOTS).map(|_| Vec::new()).collect();
        Self {
            epoch: Instant::now(),
            slot,
            slots: Mutex::new(Slots { ring, turn: 0, entries: 0 }),
            filled: Notify::new(),
        }
    }

    /// The turn in which `at` lies, rounded down.
    fn turn_of(&self, at: Instant) -> u64 {
        let slots = at.saturating_duration_since(self.epoch).as_nanos() / self.slot.as_nanos();
        u64::try_from(slots).unwrap_or(u64::MAX)
    }

    fn start_of(&self, turn: u64) -> Instant {
        let nanos = self.slot.as_nanos().saturating_mul(turn.into());
        self.epoch + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn add(&self, entry: Weak<dyn Timed>, due: Instant) {
        let now = Instant::now();
        let first = {
            let mut slots = self.lock();
            if slots.entries == 0 {
                // Nobody has turned an empty wheel: it catches up.
                slots.turn = slots.turn.max(self.turn_of(now));
            }
            slots.put(entry, self.turn_of(due));
            slots.entries == 1
        };
        if first {
            self.filled.notify_one();
        }
    }

    /// Visits slot after slot, and sleeps while there is nothing in any.
    async fn drive(self: Arc<Self>) {
        loop {
            let (turn, entries) = {
                let slots = self.lock();
                (slots.turn, slots.entries)
            };
            if entries == 0 {
                self.filled.notified().await;
                continue;
            }
            tokio::time::sleep_until(self.start_of(turn)).await;
            self.turn(Instant::now());
        }
    }

    /// Visits the slot whose turn it is. The lock is free meanwhile: an entry may add others.
    fn turn(&self, now: Instant) {
        let due = {
            let mut slots = self.lock();
            let place = slots.place(slots.turn);
            slots.turn += 1;
            let due = mem::take(&mut slots.ring[place]);
            slots.entries -= due.len();
            due
        };
        for entry in due {
            let next = entry.upgrade().and_then(|timed| timed.visit(now));
            if let Some(next) = next {
                self.add(entry, next);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        // Nothing in here panics between two consistent states.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn place(&self, turn: u64) -> usize {
        usize::try_from(turn % SLOTS).expect("SLOTS fits a usize")
    }

    /// What is past comes with the next turn, what lies beyond the ring with the last one.
    fn put(&mut self, entry: Weak<dyn Timed>, turn: u64) {
        let turn = turn.clamp(self.turn, self.turn + SLOTS - 1);
        let place = self.place(turn);
        self.ring[place].push(entry);
        self.entries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_secs(8);

    struct Counter {
        every: Duration,
        visits: Mutex<Vec<Instant>>,
        told: Notify,
    }

    impl Timed for Counter {
        fn visit(self: Arc<Self>, now: Instant) -> Option<Instant> {
            self.visits.lock().unwrap().push(now);
            self.told.notify_one();
            Some(now + self.every)
        }
    }

    fn counter(every: Duration) -> Arc<Counter> {
        Arc::new(Counter { every, visits: Mutex::default(), told: Notify::new() })
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_visited_when_it_said_and_never_later() {
        let wheel = Wheel::new(SHORTEST);
        let start = Instant::now();
        let every = Duration::from_millis(75);
        let entry = counter(every);
        wheel.add(&entry, start + every);
        for _ in 0..20 {
            entry.told.notified().await;
        }
        let visits = entry.visits.lock().unwrap().clone();
        let mut before = start;
        for at in visits {
            let waited = at - before;
            // The clock itself counts in milliseconds.
            assert!(
                waited <= every + Duration::from_millis(1) && waited + wheel.slot() > every,
                "{waited:?}"
            );
            before = at;
        }
    }

    #[tokio::test]
    async fn a_slot_is_as_wide_as_the_shortest_time_allows() {
        let slot = |seconds| Wheel::new(Duration::from_secs_f64(seconds)).slot().as_millis();
        assert_eq!([slot(0.2), slot(4.0), slot(8.0), slot(20.0), slot(600.0)], [10, 10, 20, 50, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_beyond_the_ring_is_visited_early_not_lost() {
        let wheel = Wheel::new(SHORTEST);
        let start = Instant::now();
        let entry = counter(Duration::from_secs(3600));
        wheel.add(&entry, start + Duration::from_secs(3600));
        entry.told.notified().await;
        assert!(start.elapsed() <= wheel.slot() * 2049, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_wheel_sleeps_and_wakes_in_time() {
        let wheel = Wheel::new(SHORTEST);
        tokio::time::sleep(Duration::from_secs(1000)).await;
        let start = Instant::now();
        let entry = counter(Duration::from_secs(1));
        wheel.add(&entry, start + Duration::from_secs(1));
        entry.told.notified().await;
        assert!(start.elapsed() <= Duration::from_millis(1001), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_is_gone_leaves_the_wheel_empty() {
        let wheel = Wheel::new(SHORTEST);
        let entry = counter(Duration::from_millis(20));
        wheel.add(&entry, Instant::now());
        entry.told.notified().await;
        drop(entry);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(wheel.0.shards.iter().map(|shard| shard.lock().entries).sum::<usize>(), 0);
    }
}
