//! How often somebody may guess: a bucket for each client network, one for each name from each network, and a much larger one
//! for each name from everywhere. All hold for right answers too, so that nobody learns from being let through.
//!
//! Whoever tries a name empties their own bucket of it, not its owner's. The large one bounds those who come from many
//! networks; a network that the owner has signed in from passes it, so it locks them out of nowhere they were.

#[cfg(any(test, feature = "testing"))]
pub mod story;

use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
    sync::Mutex,
};

use parlor_api::network::network;
use sha2::{Digest as _, Sha256};

use crate::{
    Result,
    buckets::{Buckets, Rate},
    locked::lock,
    password::Client,
};

/// A household or office behind one address signs in without noticing.
const PEER: Rate = Rate::every(2_000, 30);
/// From one network. A person mistypes; a dictionary needs years.
const NAME: Rate = Rate::every(6_000, 10);
/// From all networks together. It takes a dozen of them to keep it empty; whoever has more still needs months for a
/// dictionary.
const NAME_ANYWHERE: Rate = Rate::every(500, 600);
/// About 200 bytes each, whatever was asked. When all are in use, attempts are refused until one recovers.
const MAX_BUCKETS: usize = 100_000;
/// From where people have signed in; the oldest go first. About 150 bytes each.
const MAX_KNOWN: usize = 50_000;

/// A name in a tenant, by its hash: bounded, however long it was.
type Name = [u8; 16];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Network(IpAddr),
    /// From a network, or from wherever nobody tells.
    NameFrom(Option<IpAddr>, Name),
    Name(Name),
}

/// Counts attempts.
#[derive(Debug)]
pub struct Attempts {
    buckets: Buckets<Key>,
    known: Mutex<Known>,
    max_known: usize,
}

/// From where people have signed in.
#[derive(Debug, Default)]
struct Known {
    places: HashSet<(Name, IpAddr)>,
    /// The oldest first.
    order: VecDeque<(Name, IpAddr)>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new(MAX_BUCKETS, MAX_KNOWN)
    }
}

impl Attempts {
    fn new(max_buckets: usize, max_known: usize) -> Self {
        Self { buckets: Buckets::new(max_buckets), known: Mutex::default(), max_known }
    }

    /// Takes one attempt from each bucket, or none from any. Answers who tries.
    pub fn take(&self, peer: &str, tenant: &str, username: &str, now_ms: i64) -> Result<Client> {
        let (name, network) = (hash(tenant, username), network_of(peer));
        let mut wanted = vec![(Key::NameFrom(network, name), NAME)];
        let is_known = network.is_some_and(|network| lock(&self.known).places.contains(&(name, network)));
        if let Some(network) = network {
            wanted.push((Key::Network(network), PEER));
            if !is_known {
                wanted.push((Key::Name(name), NAME_ANYWHERE));
            }
        }
        self.buckets.take(&wanted, now_ms)?;
        Ok(Client { network, is_known })
    }

    /// Remembers from where somebody has signed in.
    pub fn succeeded(&self, peer: &str, tenant: &str, username: &str) {
        let Some(network) = network_of(peer) else { return };
        let place = (hash(tenant, username), network);
        let mut known = lock(&self.known);
        if known.places.insert(place) {
            known.order.push_back(place);
            if known.order.len() > self.max_known
                && let Some(oldest) = known.order.pop_front()
            {
                known.places.remove(&oldest);
            }
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Buckets, and those in the order in which they fill; places, and those by age.
    #[cfg(any(test, feature = "testing"))]
    fn sizes(&self) -> (usize, usize, usize, usize) {
        let known = lock(&self.known);
        (self.buckets.len(), self.buckets.len_in_order(), known.places.len(), known.order.len())
    }
}

fn network_of(peer: &str) -> Option<IpAddr> {
    peer.parse().ok().map(network)
}

/// However it is spelt: whoever writes a name in another way tries the same one.
fn hash(tenant: &str, username: &str) -> Name {
    let digest = Sha256::digest(format!("{tenant}/{}", username.trim().to_lowercase()));
    let mut name = Name::default();
    name.copy_from_slice(&digest[..16]);
    name
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
        attempts.take("", "shop", "one more", NAME.refill_ms()).unwrap();
        assert_eq!(attempts.len(), 1);
    }

    #[test]
    fn a_name_is_bounded_over_all_networks_but_not_from_where_its_owner_was() {
        let attempts = Attempts::default();
        let peer = |number: u32| std::net::Ipv4Addr::from_bits(0xc000_0000 + number).to_string();
        attempts.succeeded("192.0.2.1", "shop", "ann");
        for number in 0..NAME_ANYWHERE.burst {
            assert!(!attempts.take(&peer(number / 10), "shop", "ann", 0).unwrap().is_known);
        }
        assert!(attempts.take("198.51.100.1", "shop", "ann", 0).is_err());
        assert!(attempts.take("192.0.2.1", "shop", "ann", 0).unwrap().is_known);
        attempts.take("198.51.100.1", "shop", "bob", 0).unwrap();
        attempts.take("198.51.100.1", "shop", "ann", NAME_ANYWHERE.refill_ms()).unwrap();
    }

    #[test]
    fn from_where_people_were_is_bounded() {
        let attempts = Attempts::default();
        for number in 0..=MAX_KNOWN {
            attempts.succeeded("192.0.2.1", "shop", &number.to_string());
            attempts.succeeded("192.0.2.1", "shop", &number.to_string());
        }
        let known = lock(&attempts.known);
        assert_eq!((known.places.len(), known.order.len()), (MAX_KNOWN, MAX_KNOWN));
        drop(known);
        assert!(!attempts.take("192.0.2.1", "shop", "0", 0).unwrap().is_known);
        assert!(attempts.take("192.0.2.1", "shop", "1", 0).unwrap().is_known);
    }
}
