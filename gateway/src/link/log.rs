//! The order of one log: each event once, none missing, however they arrive.
//!
//! ```text
//!            the next number             a gap, a lag, a new head
//!   Live ───────────────────► deliver  ───────────────────────────► Catching: fetch above what was seen,
//!    ▲                                                               keep what comes meanwhile (bounded)
//!    └──────── seen == head ─────────────────────────────────────────┘
//! ```
//!
//! Pure: what is to be delivered and fetched is returned, so that a property test can be the network.

use std::collections::BTreeMap;

/// How many newer events are kept while older ones are fetched. What is beyond is fetched too, later.
pub const KEPT_WHILE_CATCHING: usize = 512;

/// What shall be done after something arrived.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step<E> {
    /// To be delivered now, in this order.
    pub deliver: Vec<(u64, E)>,
    /// Fetch the events above this number.
    pub fetch: Option<u64>,
}

/// The answer of a fetch.
#[derive(Debug)]
pub(crate) struct Page<E> {
    pub after: u64,
    pub events: Vec<(u64, E)>,
    pub through: u64,
    pub head: u64,
}

/// Where a consumer is in a log.
#[derive(Debug)]
pub(crate) struct Log<E> {
    /// Everything up to this number was delivered, or never will be.
    seen: u64,
    /// The newest number that is known of.
    head: u64,
    kept: BTreeMap<u64, E>,
    fetching: bool,
}

impl<E> Log<E> {
    /// A consumer that is given the events above `position`.
    pub fn new(position: u64) -> Self {
        Self { seen: position, head: position, kept: BTreeMap::new(), fetching: false }
    }

    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// An event arrived.
    pub fn event(&mut self, number: u64, event: E) -> Step<E> {
        let mut deliver = Vec::new();
        self.head = self.head.max(number);
        if number == self.seen + 1 {
            self.seen = number;
            deliver.push((number, event));
            self.take_kept(&mut deliver);
        } else if number > self.seen {
            self.keep(number, event);
        }
        self.step(deliver)
    }

    /// Events up to `head` exist, whether they arrive or not.
    pub fn head(&mut self, head: u64) -> Step<E> {
        self.head = self.head.max(head);
        self.retry()
    }

    /// A page came: every event above what was asked for and up to `through`, of those that the core still has.
    pub fn fetched(&mut self, page: Page<E>) -> Step<E> {
        let mut deliver = Vec::new();
        self.fetching = false;
        self.head = self.head.max(page.head).max(page.through);
        // A page that begins above what was seen was asked for before a rewind; what is below it comes first.
        if page.after <= self.seen {
            for (number, event) in page.events {
                if number > self.seen && number <= page.through {
                    self.seen = number;
                    deliver.push((number, event));
                }
            }
            self.seen = self.seen.max(page.through);
            self.take_kept(&mut deliver);
        }
        self.step(deliver)
    }

    /// The fetch under way will not be answered. [`Self::retry`] asks again.
    pub fn fetch_lost(&mut self) {
        self.fetching = false;
    }

    /// Asks for what is missing, unless that is under way.
    pub fn retry(&mut self) -> Step<E> {
        self.step(Vec::new())
    }

    /// A consumer joins who has seen less: goes back, so that the events between are fetched. Those who have seen them
    /// are protected by their own numbers.
    pub fn rewind(&mut self, position: u64) -> Step<E> {
        self.seen = self.seen.min(position);
        self.retry()
    }

    fn keep(&mut self, number: u64, event: E) {
        self.kept.insert(number, event);
        if self.kept.len() > KEPT_WHILE_CATCHING {
            self.kept.pop_last();
        }
    }

    fn take_kept(&mut self, deliver: &mut Vec<(u64, E)>) {
        while let Some(entry) = self.kept.first_entry() {
            let number = *entry.key();
            if number > self.seen + 1 {
                break;
            }
            let event = entry.remove();
            if number == self.seen + 1 {
                self.seen = number;
                deliver.push((number, event));
            }
        }
    }

    /// Delivers these, and fetches if it is behind.
    fn step(&mut self, deliver: Vec<(u64, E)>) -> Step<E> {
        let fetches = self.seen < self.head && !self.fetching;
        self.fetching |= fetches;
        Step { deliver, fetch: fetches.then_some(self.seen) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_is_fetched_before_what_is_newer_is_delivered() {
        let mut log = Log::new(3);
        assert_eq!(log.event(4, "four").deliver, [(4, "four")]);
        let gap = log.event(7, "seven");
        assert_eq!((gap.deliver.len(), gap.fetch), (0, Some(4)));
        let more = log.event(8, "eight");
        assert_eq!(more, Step { deliver: vec![], fetch: None }, "one fetch at a time");
        let page = log.fetched(Page { after: 4, events: vec![(5, "five"), (6, "six")], through: 6, head: 6 });
        assert_eq!(page.deliver, [(5, "five"), (6, "six"), (7, "seven"), (8, "eight")]);
        assert_eq!(page.fetch, None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_rest_is_fetched() {
        let mut log = Log::new(0);
        let last = KEPT_WHILE_CATCHING as u64 + 10;
        for number in 2..=last {
            log.event(number, number);
        }
        assert_eq!(log.kept.len(), KEPT_WHILE_CATCHING);
        let page = log.fetched(Page { after: 0, events: vec![(1, 1)], through: 1, head: last });
        assert_eq!(page.deliver.len(), KEPT_WHILE_CATCHING + 1);
        assert_eq!(page.fetch, Some(KEPT_WHILE_CATCHING as u64 + 1));
    }

    #[test]
    fn what_the_core_does_not_keep_any_more_is_asked_for_once() {
        let mut log = Log::new(3);
        assert_eq!(log.head(9).fetch, Some(3));
        let nothing = log.fetched(Page { after: 3, events: vec![], through: 9, head: 9 });
        assert_eq!((nothing, log.seen()), (Step { deliver: vec![], fetch: None }, 9));
        let rest = log.event(10, "ten");
        assert_eq!((rest.deliver, rest.fetch), (vec![(10, "ten")], None));
        log.head(14);
        let from_the_floor =
            log.fetched(Page { after: 10, events: vec![(13, "thirteen")], through: 14, head: 14 });
        assert_eq!((from_the_floor.deliver, from_the_floor.fetch), (vec![(13, "thirteen")], None));
    }

    /// What the network does next.
    #[derive(Clone, Debug)]
    enum Move {
        Append,
        Deliver { slot: usize, again: bool },
        Lose { slot: usize },
        Lag,
        AnswerFetch { page: u64 },
        LoseFetch,
        Rewind { by: u64 },
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            4 => Just(Move::Append),
            4 => (any::<usize>(), any::<bool>()).prop_map(|(slot, again)| Move::Deliver { slot, again }),
            2 => any::<usize>().prop_map(|slot| Move::Lose { slot }),
            1 => Just(Move::Lag),
            3 => (1..5_u64).prop_map(|page| Move::AnswerFetch { page }),
            1 => Just(Move::LoseFetch),
            1 => (0..4_u64).prop_map(|by| Move::Rewind { by }),
        ];
        prop::collection::vec(one, 0..200)
    }

    /// A log, the network to it, and a consumer that joined at `from`, with those who joined later by a rewind.
    struct World {
        start: u64,
        head: u64,
        on_the_way: Vec<u64>,
        fetch: Option<u64>,
        log: Log<u64>,
        consumers: Vec<(u64, Vec<u64>)>,
    }

    impl World {
        fn apply(&mut self, step: Step<u64>) {
            if let Some(after) = step.fetch {
                assert!(self.fetch.is_none(), "one fetch at a time");
                self.fetch = Some(after);
            }
            for (number, event) in step.deliver {
                assert_eq!(number, event);
                for (from, heard) in &mut self.consumers {
                    if number > *from {
                        heard.push(number);
                    }
                }
            }
        }

        fn make(&mut self, what: &Move) {
            match *what {
                Move::Append => {
                    self.head += 1;
                    self.on_the_way.push(self.head);
                }
                Move::Deliver { slot, again } if !self.on_the_way.is_empty() => {
                    let slot = slot % self.on_the_way.len();
                    let number = if again { self.on_the_way[slot] } else { self.on_the_way.remove(slot) };
                    let step = self.log.event(number, number);
                    self.apply(step);
                }
                Move::Lose { slot } if !self.on_the_way.is_empty() => {
                    let slot = slot % self.on_the_way.len();
                    self.on_the_way.remove(slot);
                }
                Move::Deliver { .. } | Move::Lose { .. } => {}
                Move::Lag => {
                    let step = self.log.head(self.head);
                    self.apply(step);
                }
                Move::AnswerFetch { page } => {
                    if let Some(after) = self.fetch.take() {
                        let through = (after + page).min(self.head);
                        let events = (after + 1..=through).map(|number| (number, number)).collect();
                        let step = self.log.fetched(Page { after, events, through, head: self.head });
                        self.apply(step);
                    }
                }
                Move::LoseFetch => {
                    self.fetch = None;
                    self.log.fetch_lost();
                }
                Move::Rewind { by } => {
                    let position = self.log.seen().saturating_sub(by).max(self.start);
                    for (from, _) in &mut self.consumers {
                        *from = (*from).max(self.log.seen());
                    }
                    self.consumers.push((position, Vec::new()));
                    let step = self.log.rewind(position);
                    self.apply(step);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_event_is_delivered_once_and_in_order(start in 0..100_u64, moves in moves()) {
            let mut world = World {
                start,
                head: start,
                on_the_way: Vec::new(),
                fetch: None,
                log: Log::new(start),
                consumers: vec![(start, Vec::new())],
            };
            let mut joined = vec![start];
            for what in &moves {
                world.make(what);
                if world.consumers.len() > joined.len() {
                    joined.push(world.consumers.last().map_or(start, |(from, _)| *from));
                }
            }
            // The link comes back: heads are compared, and every fetch is answered.
            world.make(&Move::LoseFetch);
            world.make(&Move::Lag);
            let retry = world.log.retry();
            world.apply(retry);
            while world.fetch.is_some() {
                world.make(&Move::AnswerFetch { page: 3 });
            }
            for (from, (_, heard)) in joined.iter().zip(&world.consumers) {
                let wanted: Vec<u64> = (from + 1..=world.head).collect();
                prop_assert_eq!(heard, &wanted);
            }
        }
    }
}
