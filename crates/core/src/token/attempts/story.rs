//! Who tries to sign in over time, told by bytes: names and networks, attempts and right passwords, and the clock between.
//! Whatever it is, the tables stay within their bounds, nobody guesses faster than they may, and whoever was here before
//! gets in from where they were as if nobody else had tried.
//!
//! The tests tell some, and a fuzzer (`fuzz/fuzz_targets/story_sign_in.rs`) more. It is compiled for them alone.

use std::collections::{HashMap, VecDeque};

use super::{Attempts, Key, NAME, NAME_ANYWHERE, PEER};
use crate::buckets::Rate;

/// Small, so that stories fill them.
const BUCKETS: usize = 400;
const KNOWN: usize = 8;

/// Two tenants, with a few names each.
const TENANTS: [&str; 2] = ["shop", "other"];
const NAMES: u8 = 5;
const NETWORKS: u8 = 90;

/// A crowd comes from the others: enough of them to empty a name's bucket of all networks.
const QUIET: u8 = 10;

/// Bytes of a key, whatever was written: a network, a name's hash, and which of both it is.
const KEY_BYTES_MAX: usize = 40;

/// The longest time that a bucket takes to be full again, and one attempt more.
const ALL_FULL_MS: i64 = 301_000;

/// A name in a tenant, and where from, as numbers.
type Name = (usize, u8);
type Network = Option<u8>;

/// What the bounds are said of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Bound {
    Network(u8),
    NameFrom(Network, Name),
    /// From networks where the name's owner was not seen.
    Name(Name),
}

/// What came true so far.
struct Story<'a> {
    bytes: &'a [u8],
    attempts: Attempts,
    now_ms: i64,
    latest_ms: i64,
    /// How far the clock has gone forward in all: what can have come back.
    forward_ms: i64,
    taken: HashMap<Bound, i64>,
    /// From where people have signed in, the oldest first.
    known: VecDeque<(Name, u8)>,
    /// Buckets that a network alone empties, by the moment at which they are full again at the latest: where the clock was set
    /// back, one may have been forgotten as full.
    own: HashMap<Bound, i64>,
}

/// Tells a story to its end.
///
/// # Panics
/// If something of what is said above does not hold.
pub fn sign_in(bytes: &[u8]) {
    assert!(size_of::<Key>() <= KEY_BYTES_MAX);
    let mut story = Story {
        bytes,
        attempts: Attempts::new(BUCKETS, KNOWN),
        now_ms: 0,
        latest_ms: 0,
        forward_ms: 0,
        taken: HashMap::new(),
        known: VecDeque::new(),
        own: HashMap::new(),
    };
    while let Some(step) = story.byte() {
        match step % 8 {
            0 | 1 => story.attempt(),
            2 => story.sign_in(),
            3 => story.again(),
            4 => story.crowd(),
            5 => story.forward(100),
            6 => story.forward(3_000),
            _ => story.back(),
        }
        story.is_bounded();
    }
    story.all_recover();
}

impl Story<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn name(&mut self) -> Name {
        let byte = self.byte().unwrap_or(0);
        (usize::from(byte / NAMES) % TENANTS.len(), byte % NAMES)
    }

    fn network(&mut self) -> Network {
        let byte = self.byte().unwrap_or(0) % (NETWORKS + 1);
        (byte < NETWORKS).then_some(byte)
    }

    fn attempt(&mut self) {
        let (name, network) = (self.name(), self.network());
        self.take(name, network);
    }

    /// One that is right.
    fn sign_in(&mut self) {
        let (name, network) = (self.name(), self.network());
        if !self.take(name, network) {
            return;
        }
        self.attempts.succeeded(&peer(network, self.now_ms), TENANTS[name.0], &spelt(name, self.now_ms));
        let Some(network) = network else { return };
        if !self.known.contains(&(name, network)) {
            self.known.push_back((name, network));
            if self.known.len() > KNOWN {
                self.known.pop_front();
            }
        }
    }

    /// The same so many times.
    fn again(&mut self) {
        let (name, network, times) = (self.name(), self.network(), self.byte().unwrap_or(0));
        for _ in 0..times {
            self.take(name, network);
        }
    }

    /// A name from many networks, over and over.
    fn crowd(&mut self) {
        let (name, times) = (self.name(), u16::from(self.byte().unwrap_or(0)) * 3);
        for number in 0..times {
            let nth = u8::try_from(number % u16::from(NETWORKS - QUIET)).unwrap_or(0);
            self.take(name, Some(QUIET + nth));
        }
    }

    fn forward(&mut self, unit_ms: i64) {
        let by = i64::from(self.byte().unwrap_or(0)) * unit_ms;
        self.now_ms += by;
        self.forward_ms += by;
        self.latest_ms = self.latest_ms.max(self.now_ms);
    }

    fn back(&mut self) {
        self.now_ms -= i64::from(self.byte().unwrap_or(0)) * 1_000;
    }

    /// One attempt; true if it may go on.
    fn take(&mut self, name: Name, network: Network) -> bool {
        let was_known = network.is_some_and(|network| self.known.contains(&(name, network)));
        let own = self.own_have_room(name, network);
        let had_room = self.attempts.len() + 3 <= BUCKETS;
        let spelt = spelt(name, self.now_ms + i64::try_from(self.bytes.len()).unwrap_or(0));
        let taken = self.attempts.take(&peer(network, self.now_ms), TENANTS[name.0], &spelt, self.now_ms);
        if let Ok(client) = &taken {
            assert_eq!(client.is_known, was_known, "whoever was here is known");
            self.count(name, network, was_known);
        }
        if was_known && own && had_room {
            assert!(taken.is_ok(), "others have locked out who was here before");
        }
        taken.is_ok()
    }

    /// Whether the buckets have room that only this network empties.
    fn own_have_room(&self, name: Name, network: Network) -> bool {
        own_of(name, network)
            .into_iter()
            .all(|(bound, rate)| self.full_at(bound, rate) <= self.empty_at(rate))
    }

    fn full_at(&self, bound: Bound, rate: Rate) -> i64 {
        let full_at = self.own.get(&bound).copied().unwrap_or(i64::MIN);
        full_at.max(self.now_ms) + rate.refill_ms()
    }

    fn empty_at(&self, rate: Rate) -> i64 {
        self.now_ms + rate.refill_ms() * i64::from(rate.burst)
    }

    /// Counts what was taken, and holds it against what can have been there.
    fn count(&mut self, name: Name, network: Network, was_known: bool) {
        let mut bounds = own_of(name, network);
        for (bound, rate) in bounds.clone() {
            let full_at = self.full_at(bound, rate);
            self.own.insert(bound, full_at);
        }
        if network.is_some() && !was_known {
            bounds.push((Bound::Name(name), NAME_ANYWHERE));
        }
        for (bound, rate) in bounds {
            let taken = self.taken.entry(bound).or_default();
            *taken += 1;
            let most = i64::from(rate.burst) + self.forward_ms / rate.refill_ms();
            assert!(*taken <= most, "more than a bucket holds and gets back");
        }
    }

    fn is_bounded(&self) {
        let (buckets, in_order, places, by_age) = self.attempts.sizes();
        assert!(buckets <= BUCKETS && buckets == in_order, "{buckets} {in_order}");
        assert!(places <= KNOWN && places == by_age, "{places} {by_age}");
        assert_eq!(places, self.known.len(), "the oldest go, and only they");
    }

    /// Once time has passed, what is full leaves with those who come, a few with each.
    fn all_recover(mut self) {
        // The clock may have been set back: what was taken before that is full only after the latest moment.
        self.now_ms = self.latest_ms + ALL_FULL_MS;
        for _ in 0..=BUCKETS {
            let _ = self.attempts.take("", TENANTS[0], "somebody else", self.now_ms);
        }
        assert_eq!(self.attempts.len(), 1, "only the one who comes now is left");
    }
}

/// The bounds that nobody else's attempts touch.
fn own_of(name: Name, network: Network) -> Vec<(Bound, Rate)> {
    let of_network = network.map(|network| (Bound::Network(network), PEER));
    std::iter::once((Bound::NameFrom(network, name), NAME)).chain(of_network).collect()
}

/// An address of a network; of IPv6, any one of it.
fn peer(network: Network, choice: i64) -> String {
    match network {
        None if choice % 2 == 0 => String::new(),
        None => "not an address".to_owned(),
        Some(network) if network % 3 == 0 => {
            format!("2001:db8:0:{network:x}::{:x}", choice.rem_euclid(0xffff))
        }
        Some(network) => format!("192.0.2.{network}"),
    }
}

/// A name as somebody may write it.
fn spelt((_, name): Name, choice: i64) -> String {
    match choice.rem_euclid(3) {
        0 => format!("ann-{name}@shop.example"),
        1 => format!(" ANN-{name}@Shop.example "),
        _ => format!("Ann-{name}@shop.EXAMPLE\n"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{QUIET, sign_in};

    /// Bytes that are whole steps more often than not.
    fn steps() -> impl Strategy<Value = Vec<u8>> {
        let step = prop_oneof![
            (0..3_u8, 0..10_u8, 0..QUIET + 2).prop_map(|(step, name, network)| vec![step, name, network]),
            (0..10_u8, 0..QUIET + 2, any::<u8>())
                .prop_map(|(name, network, times)| vec![3, name, network, times]),
            (0..3_u8, any::<u8>()).prop_map(|(name, times)| vec![4, name, times]),
            (5..8_u8, any::<u8>()).prop_map(|(step, by)| vec![step, by]),
            vec(any::<u8>(), 1..6),
        ];
        vec(step, 0..80).prop_map(|steps| steps.concat())
    }

    proptest! {
        #[test]
        fn no_story_of_sign_ins_passes_a_bound_or_locks_out_who_was_here(bytes in steps()) {
            sign_in(&bytes);
        }
    }

    /// A crowd has emptied a name's bucket of all networks, and its owner gets in where they were.
    #[test]
    fn an_owner_gets_in_past_a_crowd() {
        sign_in(&[2, 0, 1, 4, 0, 255, 2, 0, 1]);
    }
}
