//! One caller's share of what everybody uses: so many at once, and so many in a time. People have one each, wherever they
//! are; guests of a tenant have one for each network, since anybody can be many guests.
//!
//! Programs with a key, and the operator, are ours and have no share.

use std::net::IpAddr;

use parlor_api::network::network;
use parlor_store::{TenantId, UserId};

use crate::{
    Result,
    buckets::{Buckets, Rate},
    caller::{Actor, Caller},
    clock::Clock,
};

/// Callers that have taken something lately: some 10 MB. Those who come when so many are busy wait for one to rest.
const CALLERS_MAX: usize = 100_000;

/// What one caller may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At once; 0 for no limit.
    pub burst: u32,
    /// In each second after that.
    pub per_second: u32,
}

/// Whose share it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Person(TenantId, UserId),
    Guests(TenantId, Option<IpAddr>),
}

impl Who {
    /// Whose share a caller takes from; `None` for who has none.
    #[must_use]
    pub fn of(caller: &Caller) -> Option<Self> {
        let principal = caller.principal.as_ref()?;
        match &principal.actor {
            Actor::User(user) => Some(Self::Person(principal.tenant, user.id)),
            Actor::Guest => Some(Self::Guests(principal.tenant, caller.peer.parse().ok().map(network))),
            Actor::Key(_) | Actor::Operator => None,
        }
    }
}

/// The shares of all callers.
#[derive(Debug)]
pub struct Shares {
    rate: Option<Rate>,
    callers: Buckets<Who>,
    clock: Clock,
}

impl Shares {
    /// All of them full.
    #[must_use]
    pub fn new(pace: Pace, clock: Clock) -> Self {
        let rate = (pace.burst > 0).then(|| Rate::per_second(pace.per_second, pace.burst));
        Self { rate, callers: Buckets::new(CALLERS_MAX), clock }
    }

    /// Takes one of a caller's; fails if there is none left.
    pub fn take(&self, caller: &Caller) -> Result<()> {
        let (Some(rate), Some(who)) = (self.rate, Who::of(caller)) else { return Ok(()) };
        self.callers.take(&[(who, rate)], self.clock.steady())
    }
}
