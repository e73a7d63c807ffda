//! What one address may hold of what everybody shares: so many places, given back when they are dropped.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parlor_api::network::network;

/// The places that addresses hold. Only those who hold some are remembered, so the table is as bounded as the places.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One place of an address.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    network: IpAddr,
}

impl Shares {
    /// Of `most` places for each address, or network of IPv6; 0 for no limit.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// How many places one address may hold.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A place for an address; `None` if it holds all it may.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let network = network(address);
        let mut held = self.lock();
        let count = held.entry(network).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Share { shares: Arc::clone(self), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.lock();
        if let Some(count) = held.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_no_more_until_it_gives_back() {
        let shares = Shares::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = shares.take(address("192.0.2.1"));
        let second = shares.take(address("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(address("192.0.2.1")).is_none());
        assert!(shares.take(address("192.0.2.2")).is_some(), "others are not harmed");
        drop(first);
        assert!(shares.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_has_one_share() {
        let shares = Shares::new(1);
        let _held = shares.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(shares.take("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(shares.take("2001:db8:0:1::1".parse().unwrap()).is_some());
    }

    #[test]
    fn who_holds_nothing_is_forgotten() {
        let shares = Shares::new(0);
        let address = "192.0.2.1".parse().unwrap();
        let held: Vec<_> = (0..10).map(|_| shares.take(address).unwrap()).collect();
        drop(held);
        assert!(shares.lock().is_empty());
    }
}
