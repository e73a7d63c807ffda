//! How many REST requests an address may make: one window for each, in a bounded map.

use std::{collections::HashMap, net::IpAddr, sync::Mutex, time::Duration};

use parlor_api::network::network;
use tokio::time::Instant;

/// Addresses that are remembered, about 5 MB. When more come in one window, those that used least are forgotten.
const ADDRESSES_MAX: usize = 65_536;

/// The windows of all addresses.
#[derive(Debug)]
pub(crate) struct RestLimits {
    requests: u32,
    window: Duration,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    used: u32,
}

impl RestLimits {
    pub fn new(requests: u32, window: Duration) -> Self {
        Self { requests, window, windows: Mutex::default() }
    }

    /// Counts a request; if it is over, how long until the window ends.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.requests == 0 {
            return Ok(());
        }
        let mut windows = self.windows.lock().expect("nothing panics while it holds the windows");
        let network = network(address);
        if windows.len() >= ADDRESSES_MAX && !windows.contains_key(&network) {
            self.forget(&mut windows, now);
        }
        let window = windows.entry(network).or_insert(Window { began: now, used: 0 });
        if now - window.began >= self.window {
            *window = Window { began: now, used: 0 };
        }
        if window.used >= self.requests {
            return Err(self.window.saturating_sub(now - window.began));
        }
        window.used += 1;
        Ok(())
    }

    /// Drops what is over; if that is little, also those that used less than the rest on average.
    fn forget(&self, windows: &mut HashMap<IpAddr, Window>, now: Instant) {
        windows.retain(|_, window| now - window.began < self.window);
        if windows.len() > ADDRESSES_MAX / 2 {
            let all: u64 = windows.values().map(|window| u64::from(window.used)).sum();
            let average = all / windows.len() as u64;
            windows.retain(|_, window| u64::from(window.used) > average);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    #[test]
    fn the_limit_passes_and_one_over_waits_for_the_window() {
        let limits = RestLimits::new(3, Duration::from_secs(60));
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(limits.take(address(1), now), Ok(()));
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(limits.take(address(1), later), Err(Duration::from_secs(40)));
        assert_eq!(limits.take(address(2), later), Ok(()), "others are not harmed");
        assert_eq!(limits.take(address(1), now + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_together() {
        let limits = RestLimits::new(1, Duration::from_secs(60));
        let now = Instant::now();
        assert_eq!(limits.take("2001:db8::1".parse().unwrap(), now), Ok(()));
        assert!(limits.take("2001:db8::ffff:2".parse().unwrap(), now).is_err());
    }

    #[test]
    fn the_map_is_bounded_and_remembers_the_busiest() {
        let limits = RestLimits::new(2, Duration::from_secs(60));
        let now = Instant::now();
        assert_eq!(limits.take(address(0), now), Ok(()));
        assert_eq!(limits.take(address(0), now), Ok(()));
        for number in 1..=ADDRESSES_MAX as u32 + 10 {
            assert_eq!(limits.take(address(number), now), Ok(()));
            assert!(limits.windows.lock().unwrap().len() <= ADDRESSES_MAX);
        }
        assert!(limits.take(address(0), now).is_err());
    }
}
