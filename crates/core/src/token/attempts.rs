//! How often somebody may guess: a bucket for each client address and one for each name in each tenant. Both hold for
//! right answers too, so that nobody learns from being let through.

use std::net::IpAddr;

use parlor_api::network::network;

use crate::{
    Result,
    buckets::{Buckets, Rate},
};

/// A household or office behind one address signs in without noticing.
const PEER: Rate = Rate { burst: 30, refill_ms: 2_000 };
/// A person mistypes; a dictionary needs years.
const NAME: Rate = Rate { burst: 10, refill_ms: 6_000 };
/// About 100 bytes each. When all are in use, attempts are refused until one recovers.
const MAX_BUCKETS: usize = 100_000;

/// Counts attempts.
#[derive(Debug)]
pub struct Attempts(Buckets<String>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Buckets::new(MAX_BUCKETS))
    }
}

impl Attempts {
    /// Takes one attempt from each bucket, or none from any.
    pub fn take(&self, peer: &str, tenant: &str, username: &str, now_ms: i64) -> Result<()> {
        let mut wanted = vec![(format!("n/{tenant}/{username}"), NAME)];
        if !peer.is_empty() {
            let peer = peer.parse::<IpAddr>().map_or_else(|_| peer.to_owned(), |ip| network(ip).to_string());
            wanted.push((format!("p/{peer}"), PEER));
        }
        self.0.take(&wanted, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

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
    fn the_addresses_of_one_ipv6_network_count_together() {
        let attempts = Attempts::default();
        for number in 0..PEER.burst {
            attempts.take(&format!("2001:db8::{number:x}"), "shop", &number.to_string(), 0).unwrap();
        }
        assert!(attempts.take("2001:db8::ffff:2", "shop", "new", 0).is_err());
        attempts.take("2001:db8:0:1::1", "shop", "new", 0).unwrap();
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_recovers() {
        let attempts = Attempts::default();
        for number in 0..MAX_BUCKETS {
            attempts.take("", "shop", &number.to_string(), 0).unwrap();
        }
        assert!(attempts.take("", "shop", "one more", 0).is_err());
        attempts.take("", "shop", "one more", NAME.refill_ms).unwrap();
        assert_eq!(attempts.0.len(), 1);
    }
}
