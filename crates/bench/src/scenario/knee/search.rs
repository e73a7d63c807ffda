//! Which rate is tried next, and what was found: up in steps until one fails, then between the two.

/// How much higher the next rate is while all are good.
const STEP: f64 = 1.25;
/// How much lower while none is.
const DOWN: f64 = 0.5;
/// How near the lowest bad rate is to the highest good one in the end.
const NEAR: f64 = 1.1;
/// Below this nobody looks for a knee.
const LEAST: f64 = 1.0;
/// So many rates are tried at most: from one a second this is beyond every machine.
const STEPS_MAX: usize = 100;

/// Why a rate cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The server loses messages, or is too slow.
    Server,
    /// The generator itself was late.
    Generator,
}

/// The search for the highest good rate.
#[derive(Debug)]
pub struct Search {
    start: f64,
    /// Nobody asks about higher rates.
    most: f64,
    good: Option<f64>,
    bad: Option<(f64, Bound)>,
    steps: usize,
}

impl Search {
    pub fn between(start: f64, most: f64) -> Self {
        Self { start, most, good: None, bad: None, steps: 0 }
    }

    /// The rate to try; none if it is over.
    pub fn next(&self) -> Option<f64> {
        let next = match (self.good, self.bad) {
            (None, None) => self.start,
            (Some(good), None) => good * STEP,
            (None, Some((bad, _))) => bad * DOWN,
            (Some(good), Some((bad, _))) if bad <= good * NEAR => return None,
            (Some(good), Some((bad, _))) => (good * bad).sqrt(),
        };
        (next >= LEAST && next <= self.most && self.steps < STEPS_MAX).then_some(next)
    }

    /// What came of a rate.
    pub fn note(&mut self, rate: f64, failed: Option<Bound>) {
        self.steps += 1;
        match failed {
            None => self.good = Some(rate),
            Some(bound) => self.bad = Some((rate, bound)),
        }
    }

    /// Why the lowest bad rate is bad.
    pub fn lowest_bad(&self) -> Option<Bound> {
        self.bad.map(|(_, bound)| bound)
    }

    /// The highest good rate, and what stands above it: nothing where no rate was bad.
    pub fn found(&self) -> Option<(f64, Option<Bound>)> {
        Some((self.good?, self.lowest_bad()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_found_is_good_and_a_tenth_more_is_not(start in 1.0_f64..10_000.0, knee in 2.0_f64..100_000.0) {
            let mut search = Search::between(start, f64::INFINITY);
            while let Some(rate) = search.next() {
                search.note(rate, (rate > knee).then_some(Bound::Server));
            }
            let (found, bound) = search.found().unwrap();
            prop_assert!(found <= knee && knee < found * NEAR, "{found} of {knee}");
            prop_assert_eq!(bound, Some(Bound::Server));
        }
    }

    #[test]
    fn the_lowest_bad_rate_says_whose_bound_it_is() {
        let mut search = Search::between(1000.0, f64::INFINITY);
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate.round());
            // The generator is late from 1,400 on, and only far above that the server too.
            let late = (rate > 1400.0).then_some(Bound::Generator);
            search.note(rate, if rate > 1550.0 { Some(Bound::Server) } else { late });
        }
        assert_eq!(tried, [1000.0, 1250.0, 1563.0, 1398.0, 1478.0]);
        assert_eq!(search.found().map(|(_, bound)| bound), Some(Some(Bound::Generator)));
    }

    #[test]
    fn where_nothing_is_good_nothing_is_found() {
        let mut search = Search::between(5.0, f64::INFINITY);
        let mut steps = 0;
        while let Some(rate) = search.next() {
            search.note(rate, Some(Bound::Server));
            steps += 1;
        }
        assert_eq!((search.found(), search.lowest_bad(), steps), (None, Some(Bound::Server), 3));
    }

    #[test]
    fn a_search_ends() {
        let mut search = Search::between(1.0, f64::INFINITY);
        while let Some(rate) = search.next() {
            search.note(rate, None);
        }
        assert_eq!(search.steps, STEPS_MAX);
        assert_eq!(search.found().unwrap().1, None);
    }

    #[test]
    fn a_search_goes_no_higher_than_is_asked() {
        let mut search = Search::between(10.0, 14.0);
        while let Some(rate) = search.next() {
            search.note(rate, None);
        }
        assert_eq!(search.found(), Some((12.5, None)));
    }
}
