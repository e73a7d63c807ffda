//! How often somebody may name a conversation that does not exist: whoever knows a key may read, so keys must not be
//! tried out.
//!
//! A bucket for each client address. Keys that do not exist take from it; where a conversation is to be created, those that
//! do. Once it is empty, possession of a key opens nothing for that address, whether the key exists or not: otherwise one
//! could go on guessing and look for the one answer that differs. Staff and owners who prove themselves are not concerned.
//!
//! A second bucket bounds how many conversations guests of an address create, since each is kept.

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

impl Options {
    /// How many conversations guests of an address may create. A school may open as many at once.
    #[must_use]
    pub fn of_creations() -> Self {
        Self { burst: 1_000, refill: Duration::from_secs(1) }
    }

    fn rate(self) -> Rate {
        Rate::every(i64::try_from(self.refill.as_millis()).unwrap_or(i64::MAX), self.burst)
    }
}

/// What each address has left.
#[derive(Debug)]
struct Addresses {
    rate: Rate,
    buckets: Buckets<IpAddr>,
}

/// Counts unknown keys, and conversations that guests create.
#[derive(Debug)]
pub struct Guesses {
    unknown: Addresses,
    creations: Addresses,
}

impl Guesses {
    #[must_use]
    pub fn new(unknown: Options, creations: Options) -> Self {
        Self { unknown: Addresses::new(unknown.rate()), creations: Addresses::new(creations.rate()) }
    }

    /// Fails if the address has no guess left. Takes nothing.
    pub fn check(&self, peer: &str, now_ms: i64) -> Result<()> {
        self.unknown.check(peer, now_ms)
    }

    /// Takes a guess.
    pub fn take(&self, peer: &str, now_ms: i64) -> Result<()> {
        self.unknown.take(peer, now_ms)
    }

    /// Takes a guess for a conversation that was found where one was to be created. Who may create none any more could
    /// tell what is there from what is not, so they find none either.
    pub fn find(&self, peer: &str, now_ms: i64) -> Result<()> {
        self.creations.check(peer, now_ms)?;
        self.unknown.take(peer, now_ms)
    }

    /// Takes a conversation that a guest creates.
    pub fn create(&self, peer: &str, now_ms: i64) -> Result<()> {
        self.unknown.check(peer, now_ms)?;
        self.creations.take(peer, now_ms)
    }
}

impl Addresses {
    fn new(rate: Rate) -> Self {
        Self { rate, buckets: Buckets::new(MAX_ADDRESSES) }
    }

    /// Fails if the address has none left. Takes nothing.
    fn check(&self, peer: &str, now_ms: i64) -> Result<()> {
        let Some(address) = self.limited(peer) else { return Ok(()) };
        self.buckets.check(&address, self.rate, now_ms)
    }

    /// Takes one.
    fn take(&self, peer: &str, now_ms: i64) -> Result<()> {
        let Some(address) = self.limited(peer) else { return Ok(()) };
        self.buckets.take(&[(address, self.rate)], now_ms)
    }

    /// Whose bucket it is; `None` without a limit, or where no gateway tells the address.
    fn limited(&self, peer: &str) -> Option<IpAddr> {
        // Nothing to wait for is no limit either.
        if self.rate.is_no_limit() {
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
        Guesses::new(Options { burst, refill: Duration::from_secs(1) }, Options::of_creations())
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
        assert_eq!(guesses.unknown.buckets.len(), 1);
    }

    #[test]
    fn who_has_no_conversation_left_finds_none_either() {
        let one = Options { burst: 1, refill: Duration::from_secs(1) };
        let guesses = Guesses::new(Options { burst: 3, ..one }, one);
        guesses.find("192.0.2.1", 0).unwrap();
        guesses.create("192.0.2.1", 0).unwrap();
        let refused = Err(Error::RateLimited { retry_after_ms: 1_000 });
        assert_eq!(guesses.create("192.0.2.1", 0), refused);
        assert_eq!(guesses.find("192.0.2.1", 0), refused);
        guesses.check("192.0.2.1", 0).unwrap();
        // And who has no guess left creates none: an answer would tell that nobody has it.
        for _ in 0..3 {
            guesses.take("192.0.2.2", 0).unwrap();
        }
        assert_eq!(guesses.create("192.0.2.2", 0), refused);
    }
}
