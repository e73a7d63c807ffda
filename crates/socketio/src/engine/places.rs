//! The places of an engine's sessions: so many in all, and so many for each address, or network of IPv6.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What of an IPv6 address names a network: one customer has at least so much, and all of it is theirs to use.
const NETWORK: u128 = !(u64::MAX as u128);

/// The places there are. Only those who hold some are remembered, so the table is as bounded as the places.
pub(super) struct Places {
    /// 0 for no limit, of both.
    most: usize,
    of_address: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// The place of one session, for as long as there is one.
pub(super) struct Place {
    places: Arc<Places>,
    network: Option<IpAddr>,
}

impl Places {
    pub fn new(most: usize, of_address: usize) -> Arc<Self> {
        Arc::new(Self { most, of_address, held: Mutex::default() })
    }

    /// A place, if there is one left, and one left for this address. Who has no address has no share of its own.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let network = address.map(network);
        let mut held = self.lock();
        let has = network.and_then(|network| held.of.get(&network).copied()).unwrap_or(0);
        if is_full(held.all, self.most) || is_full(has, self.of_address) {
            return None;
        }
        held.all += 1;
        if let Some(network) = network {
            held.of.insert(network, has + 1);
        }
        drop(held);
        Some(Place { places: Arc::clone(self), network })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing in here panics between two consistent states.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.all -= 1;
        let Some(network) = self.network else { return };
        if let Some(count) = held.of.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                held.of.remove(&network);
            }
        }
    }
}

const fn is_full(held: usize, most: usize) -> bool {
    most > 0 && held >= most
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_places_and_no_more() {
        let places = Places::new(0, 2);
        let one = address("10.0.0.1");
        let first = places.take(one).unwrap();
        let second = places.take(address("::ffff:10.0.0.1")).unwrap();
        assert!(places.take(one).is_none());
        assert!(places.take(address("10.0.0.2")).is_some());
        assert!(places.take(None).is_some(), "who has no address has no share");
        drop(first);
        let third = places.take(one).unwrap();
        drop((second, third));
        assert!(places.lock().of.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let places = Places::new(0, 1);
        let _held = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("2001:db8::ffff:2")).is_none());
        assert!(places.take(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn all_of_them_together_have_so_many_and_no_limit_is_none() {
        let places = Places::new(2, 0);
        let one = address("10.0.0.1");
        let first = places.take(one).unwrap();
        let _second = places.take(None).unwrap();
        assert!(places.take(address("10.0.0.2")).is_none());
        drop(first);
        assert!(places.take(one).is_some());
        let endless = Places::new(0, 0);
        let held: Vec<_> = (0..100).map(|_| endless.take(one).unwrap()).collect();
        drop(held);
        assert_eq!(endless.lock().all, 0);
    }
}
