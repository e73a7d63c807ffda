//! What would fill the log if it were said each time: said at once, then once a minute, with how often it was meanwhile.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Whoever watches the log sees it soon, and nobody can fill a disk with it.
const EVERY: Duration = Duration::from_secs(60);

/// Where it happened, and what.
type Key = (String, &'static str);

/// What was said lately. There is an entry for each place of the configuration and each reason there is a word for.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<HashMap<Key, Said>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    since: u64,
}

impl Seldom {
    /// How often it happened since it was last said, this time included, if it is to be said now.
    pub fn is_time(&self, place: &str, what: &'static str, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&(place.to_owned(), what)) {
            Some(said) if now - said.at < EVERY => {
                said.since += 1;
                None
            }
            Some(said) => {
                let times = said.since + 1;
                *said = Said { at: now, since: 0 };
                Some(times)
            }
            None => {
                said.insert((place.to_owned(), what), Said { at: now, since: 0 });
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_said_once_a_minute_and_counted() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.is_time("shop", "no proof", now), Some(1));
        assert_eq!(seldom.is_time("shop", "no proof", now + EVERY / 2), None);
        assert_eq!(seldom.is_time("shop", "origin", now), Some(1), "another reason");
        assert_eq!(seldom.is_time("other", "no proof", now), Some(1), "another place");
        assert_eq!(seldom.is_time("shop", "no proof", now + EVERY), Some(2));
        assert_eq!(seldom.is_time("shop", "no proof", now + EVERY + EVERY / 2), None);
    }
}
