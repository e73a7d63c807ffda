//! How often somebody may guess: a bucket for each client address and one for each name in each tenant. Both hold for
//! right answers too, so that nobody learns from being let through.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{Error, Result};

/// A household or office behind one address signs in without noticing.
const PEER: Rate = Rate { burst: 30, refill_ms: 2_000 };
/// A person mistypes; a dictionary needs years.
const NAME: Rate = Rate { burst: 10, refill_ms: 6_000 };
/// About 100 bytes each. When all are in use, attempts are refused until one recovers.
const MAX_BUCKETS: usize = 100_000;

#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: i64,
    /// One attempt comes back in so long.
    refill_ms: i64,
}

/// Counts attempts.
#[derive(Debug, Default)]
pub struct Attempts {
    /// For each bucket the moment at which it will be full again, which says all there is to say.
    full_at: Mutex<HashMap<String, i64>>,
}

impl Attempts {
    /// Takes one attempt from each bucket, or none from any.
    pub fn take(&self, peer: &str, tenant: &str, username: &str, now_ms: i64) -> Result<()> {
        let name = format!("n/{tenant}/{username}");
        let mut wanted = vec![(name, NAME)];
        if !peer.is_empty() {
            wanted.push((format!("p/{peer}"), PEER));
        }
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() + wanted.len() > MAX_BUCKETS {
            full_at.retain(|_, at| now_ms < *at);
            if full_at.len() + wanted.len() > MAX_BUCKETS {
                return Err(limited(NAME.refill_ms));
            }
        }
        for (bucket, rate) in &wanted {
            let taken = full_at.get(bucket).map_or(now_ms, |at| (*at).max(now_ms)) + rate.refill_ms;
            let late_ms = taken - now_ms - rate.burst * rate.refill_ms;
            if late_ms > 0 {
                return Err(limited(late_ms));
            }
        }
        for (bucket, rate) in wanted {
            let at = full_at.entry(bucket).or_insert(now_ms);
            *at = (*at).max(now_ms) + rate.refill_ms;
        }
        Ok(())
    }
}

fn limited(wait_ms: i64) -> Error {
    Error::RateLimited { retry_after_ms: wait_ms.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_burst_and_one_more_waits() {
        let attempts = Attempts::default();
        for _ in 0..NAME.burst {
            attempts.take("", "shop", "ann", 0).unwrap();
        }
        assert_eq!(attempts.take("", "shop", "ann", 0), Err(Error::RateLimited { retry_after_ms: 6_000 }));
        attempts.take("", "shop", "bob", 0).unwrap();
        attempts.take("", "other", "ann", 0).unwrap();
        attempts.take("", "shop", "ann", 6_000).unwrap();
        assert!(attempts.take("", "shop", "ann", 6_000).is_err());
    }

    #[test]
    fn an_address_is_bounded_over_all_names() {
        let attempts = Attempts::default();
        for number in 0..PEER.burst {
            attempts.take("192.0.2.1", "shop", &number.to_string(), 0).unwrap();
        }
        assert!(attempts.take("192.0.2.1", "shop", "new", 0).is_err());
        // The refused attempt has cost the name nothing.
        for _ in 0..NAME.burst {
            attempts.take("192.0.2.2", "shop", "new", 0).unwrap();
        }
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_recovers() {
        let attempts = Attempts::default();
        for number in 0..MAX_BUCKETS {
            attempts.take("", "shop", &number.to_string(), 0).unwrap();
        }
        assert!(attempts.take("", "shop", "one more", 0).is_err());
        attempts.take("", "shop", "one more", NAME.refill_ms).unwrap();
        assert_eq!(attempts.full_at.lock().unwrap().len(), 1);
    }
}
