//! The places of a listener's connections: so many in all, and so many for each address.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use parlor_api::{network::network, places};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::seldom::Seldom;

/// The places there are.
#[derive(Debug)]
pub(super) struct Places {
    listener: Arc<str>,
    all: Arc<Semaphore>,
    of_addresses: Arc<places::Places<IpAddr>>,
    /// Their connections are those of many clients.
    proxies: Arc<[IpNet]>,
    seldom: Seldom,
}

/// A connection's place, for as long as there is a connection.
#[derive(Debug)]
pub struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: Option<places::Place<IpAddr>>,
}

/// Whose places are all taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    OfAll,
    OfAddress,
}

impl Places {
    pub fn new(listener: Arc<str>, most: usize, of_address: usize, proxies: Arc<[IpNet]>) -> Self {
        let (all, of_addresses) = (Arc::new(Semaphore::new(most)), places::Places::new(of_address));
        Self { listener, all, of_addresses, proxies, seldom: Seldom::default() }
    }

    /// A place for a connection from an address.
    pub fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let address = address.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&address));
        let of_address = if is_proxy { None } else { self.of_addresses.take(network(address)) };
        if of_address.is_none() && !is_proxy {
            self.refused(Some(address));
            return Err(Full::OfAddress);
        }
        let Ok(of_all) = Arc::clone(&self.all).try_acquire_owned() else {
            self.refused(None);
            return Err(Full::OfAll);
        };
        Ok(Place { _of_all: of_all, _of_address: of_address })
    }

    fn refused(&self, address: Option<IpAddr>) {
        let (listener, now) = (&*self.listener, Instant::now());
        metrics::counter!(crate::metric::LISTENER_REFUSED, "listener" => listener.to_owned()).increment(1);
        match address {
            Some(address) => {
                if let Some(times) = self.seldom.is_time(listener, "share", now) {
                    let most = self.of_addresses.most();
                    tracing::warn!(
                        listener, %address, times,
                        "connections are closed: their address has {most} open, all it may (connections_per_address); if it \
                         is a proxy of yours, name it in trusted_proxies"
                    );
                }
            }
            None => {
                if let Some(times) = self.seldom.is_time(listener, "full", now) {
                    tracing::warn!(listener, times, "connections are closed: connections_max are open");
                }
            }
        }
    }
}
