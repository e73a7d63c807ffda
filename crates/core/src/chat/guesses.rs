//! How often somebody may name a conversation that does not exist: whoever knows a key may read, so keys must not be
//! tried out.
//!
//! A bucket for each client address. Only keys that do not exist take from it, and creating a conversation does not. Once
//! it is empty, possession of a key opens nothing for that address, whether the key exists or not: otherwise one could go
//! on guessing and look for the one answer that differs. Staff and owners who prove themselves are not concerned.

use std::{net::IpAddr, time::Duration};

use parlor_api::network::network;

use crate::{
    Result,
    buckets::{Buckets, Rate},
};

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
    rate: Rate,
    addresses: Buckets<IpAddr>,
}

impl Guesses {
    #[must_use]
    pub fn new(options: Options) -> Self {
        let refill_ms = i64::try_from(options.refill.as_millis()).unwrap_or(i64::MAX);
        let rate = Rate { burst: options.burst, refill_ms };
        Self { rate, addresses: Buckets::new(MAX_ADDRESSES) }
    }

    /// Fails if the address has none left. Takes nothing.
    pub fn check(&self, peer: &str, now_ms: i64) -> Result<()> {
        let Some(address) = self.limited(peer) else { return Ok(()) };
        self.addresses.check(&address, self.rate, now_ms)
    }

    /// Takes one.
    pub fn take(&self, peer: &str, now_ms: i64) -> Result<()> {
        let Some(address) = self.limited(peer) else { return Ok(()) };
        self.addresses.take(&[(address, self.rate)], now_ms)
    }

    /// Whose bucket it is; `None` without a limit, or where no gateway tells the address.
    fn limited(&self, peer: &str) -> Option<IpAddr> {
        // Nothing to wait for is no limit either.
        if self.rate.burst == 0 || self.rate.refill_ms == 0 {
            return None;
        }
        peer.parse().ok().map(network)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::Error;

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
        assert_eq!(guesses.addresses.len(), 1);
    }
}
