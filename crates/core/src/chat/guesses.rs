//! How often somebody may name a conversation that does not exist: whoever knows a key may read, so keys must not be
//! tried out.
//!
//! A bucket for each client address. Only keys that do not exist take from it, and creating a conversation does not. Once
//! it is empty, possession of a key opens nothing for that address, whether the key exists or not: otherwise one could go
//! on guessing and look for the one answer that differs. Staff and owners who prove themselves are not concerned.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{Error, Result};

/// About 60 bytes each. When all are in use, keys that do not exist are refused for new addresses until one recovers.
const MAX_ADDRESSES: usize = 65_536;

/// How many unknown keys an address may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// At once; 0 for no limit.
    pub burst: u32,
    /// One comes back in so long.
    pub refill: Duration,
}

impl Default for Options {
    /// A front-end that opens names three unknown keys, and a hundred people behind one address may open it at once. To
    /// find one of a million live conversations by such guesses takes longer than anybody lives.
    fn default() -> Self {
        Self { burst: 300, refill: Duration::from_secs(1) }
    }
}

/// Counts unknown keys.
#[derive(Debug)]
pub struct Guesses {
    burst_ms: i64,
    refill_ms: i64,
    /// For each address the moment at which its bucket will be full again, which says all there is to say.
    full_at: Mutex<HashMap<IpAddr, i64>>,
}

impl Guesses {
    #[must_use]
    pub fn new(options: Options) -> Self {
        let refill_ms = i64::try_from(options.refill.as_millis()).unwrap_or(i64::MAX);
        let burst_ms = refill_ms.saturating_mul(options.burst.into());
        Self { burst_ms, refill_ms, full_at: Mutex::default() }
    }

    /// Fails if the address has none left. Takes nothing.
    pub fn check(&self, peer: &str, now_ms: i64) -> Result<()> {
        let Some(address) = self.limited(peer) else { return Ok(()) };
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.left(full_at.get(&address).copied(), now_ms).map(drop)
    }

    /// Takes one.
    pub fn take(&self, peer: &str, now_ms: i64) -> Result<()> {
        let Some(address) = self.limited(peer) else { return Ok(()) };
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MAX_ADDRESSES && !full_at.contains_key(&address) {
            full_at.retain(|_, at| now_ms < *at);
            if full_at.len() >= MAX_ADDRESSES {
                return Err(Error::RateLimited { retry_after_ms: self.refill_ms.unsigned_abs() });
            }
        }
        let taken = self.left(full_at.get(&address).copied(), now_ms)?;
        full_at.insert(address, taken);
        Ok(())
    }

    /// The moment at which the bucket will be full once one more is taken.
    fn left(&self, full_at: Option<i64>, now_ms: i64) -> Result<i64> {
        let taken = full_at.map_or(now_ms, |at| at.max(now_ms)) + self.refill_ms;
        let late_ms = taken - now_ms - self.burst_ms;
        if late_ms > 0 {
            return Err(Error::RateLimited { retry_after_ms: late_ms.unsigned_abs() });
        }
        Ok(taken)
    }

    /// Whose bucket it is; `None` without a limit, or where no gateway tells the address.
    fn limited(&self, peer: &str) -> Option<IpAddr> {
        if self.burst_ms == 0 {
            return None;
        }
        Some(match peer.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            // One customer of an IPv6 network has a /64 of addresses.
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(burst: u32) -> Guesses {
        Guesses::new(Options { burst, refill: Duration::from_secs(1) })
    }

    #[test]
    fn an_address_has_its_burst_and_one_more_waits() {
        let guesses = guesses(3);
        for _ in 0..3 {
            guesses.check("192.0.2.1", 0).unwrap();
            guesses.take("192.0.2.1", 0).unwrap();
        }
        let refused = Err(Error::RateLimited { retry_after_ms: 1_000 });
        assert_eq!(guesses.check("192.0.2.1", 0), refused);
        assert_eq!(guesses.take("192.0.2.1", 0), refused);
        guesses.take("192.0.2.2", 0).unwrap();
        // What was refused has cost nothing.
        guesses.take("192.0.2.1", 1_000).unwrap();
        assert_eq!(guesses.take("192.0.2.1", 1_000), refused);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_together() {
        let guesses = guesses(1);
        guesses.take("2001:db8::1", 0).unwrap();
        assert!(guesses.take("2001:db8::ffff:2", 0).is_err());
        guesses.take("2001:db8:0:1::1", 0).unwrap();
    }

    #[test]
    fn nobody_is_limited_without_a_limit_or_an_address() {
        let (none, one) = (guesses(0), guesses(1));
        for _ in 0..10 {
            none.take("192.0.2.1", 0).unwrap();
            one.take("", 0).unwrap();
        }
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_recovers() {
        let guesses = guesses(1);
        let address = |number: usize| Ipv6Addr::from_bits((number as u128) << 64).to_string();
        for number in 1..=MAX_ADDRESSES {
            guesses.take(&address(number), 0).unwrap();
        }
        assert!(guesses.take(&address(MAX_ADDRESSES + 1), 0).is_err());
        guesses.check(&address(MAX_ADDRESSES + 1), 0).unwrap();
        guesses.take(&address(MAX_ADDRESSES + 1), 1_000).unwrap();
        assert_eq!(guesses.full_at.lock().unwrap().len(), 1);
    }
}
