//! What is measured of each server, and which of the numbers count.

use std::fmt;

use clap::{Args, ValueEnum};
use parlor_bench::{
    cli::{Bench, Dialect, Scenario, Target},
    scenario::{connect::Connect, cuts::Cuts, eviction::Eviction, idle::Idle, pairs::Pairs, room::Room},
    script::person::Range,
    target::Url,
};

use super::{
    server::Running,
    settings::{SECRET, Settings},
};

/// The people every server knows.
const ADMINS: Range = Range { first: 1, last: 1000 };
const CUSTOMERS: Range = Range { first: 1001, last: 9000 };

/// Longer than any measurement: what a ping costs is not what is asked there.
const NEVER_MS: u64 = 600_000;
/// As a deployment has them.
const PING_MS: u64 = 25_000;
/// For who stops reading: short, so that the limit is seen and not the wait.
const EVICTION_PING_MS: u64 = 5_000;

/// Everybody, and how they prove who they are.
pub fn people() -> Target {
    Target {
        url: Url { authority: String::new(), path: String::new() },
        dialect: Dialect::Support,
        pid: None,
        socket_path: "/socket.io/".to_owned(),
        origin: None,
        admins: ADMINS,
        customers: CUSTOMERS,
        as_customers: false,
        recovery: false,
        secret: Some(SECRET.to_owned()),
        staff_token: None,
    }
}

/// How much of it.
#[derive(Clone, Debug, Args)]
pub struct Sizes {
    /// Seconds of each measurement that lasts
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
    /// People in a room
    #[arg(long, default_value_t = 1000)]
    people: usize,
    /// Connections of `connect`
    #[arg(long, default_value_t = 4000)]
    connections: usize,
    /// Connections of `idle`, two steps
    #[arg(long, value_delimiter = ',', default_value = "2000,8000")]
    idle: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measured {
    /// Authenticated connects
    Connect,
    /// Memory of connections at rest
    Idle,
    /// The same, of customers who each have a conversation
    IdleCustomers,
    /// One room, 50 single messages a second
    Room,
    /// One room, 64 messages at once, once a second
    Burst,
    /// One room, 64 messages on their way all the time
    Saturated,
    /// Conversations of two, 2,000 messages a second
    Pairs,
    /// 20 who stop reading while 5,000 deliveries a second flow
    Eviction,
    /// Cuts of 2 seconds every 15
    Cuts,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("none is hidden").get_name())
    }
}

impl Measured {
    pub fn settings(self) -> Settings {
        let ping_interval_ms = match self {
            Self::Connect | Self::Pairs | Self::Cuts => PING_MS,
            Self::Idle | Self::IdleCustomers | Self::Room | Self::Burst | Self::Saturated => NEVER_MS,
            Self::Eviction => EVICTION_PING_MS,
        };
        let ping_timeout_ms = if self == Self::Eviction { EVICTION_PING_MS } else { 20_000 };
        Settings { ping_interval_ms, ping_timeout_ms, recovery: self == Self::Cuts }
    }

    /// The scenario against this server.
    pub fn bench(self, sizes: &Sizes, server: &Running) -> Bench {
        let target = Target {
            url: server.url.clone(),
            pid: Some(server.process()),
            recovery: self == Self::Cuts && server.recovers(),
            as_customers: self == Self::IdleCustomers,
            ..people()
        };
        Bench { target, json: false, scenario: self.scenario(sizes, server) }
    }

    fn scenario(self, sizes: &Sizes, server: &Running) -> Scenario {
        let room = Room { people: sizes.people, seconds: sizes.seconds, ..Room::default() };
        match self {
            Self::Connect => Scenario::Connect(Connect { connections: sizes.connections }),
            Self::Idle | Self::IdleCustomers => {
                Scenario::Idle(Idle { connections: sizes.idle.clone(), settle: 3.0, hold: sizes.seconds })
            }
            Self::Room => Scenario::Room(room),
            Self::Burst => Scenario::Room(Room { rate: 1.0, burst: 64, ..room }),
            Self::Saturated => Scenario::Room(Room { outstanding: Some(64), ..room }),
            Self::Pairs => Scenario::Pairs(Pairs {
                pairs: 500,
                rate: 2000.0,
                seconds: sizes.seconds,
                warmup: 1.0,
                bytes: 100,
            }),
            Self::Eviction => Scenario::Eviction(Eviction {
                readers: sizes.people - 20,
                stalled: 20,
                rate: 5.0,
                bytes: 100,
                warmup: 2.0,
                // The server's ping, and the time to answer it.
                within: 2.0 * EVICTION_PING_MS as f64 / 1000.0,
                outbox_bytes: server.outbox_bytes(),
                patience: 60.0,
            }),
            Self::Cuts => Scenario::Cuts(Cuts {
                clients: sizes.people,
                rooms: 3,
                rate: 1.0,
                every: 15.0,
                away: 2.0,
                seconds: 120.0,
                bytes: 100,
                patience: 20.0,
            }),
        }
    }

    /// The number whose ratios are told.
    pub fn ratio_of(self) -> &'static str {
        match self {
            Self::Connect => "connects per CPU second",
            Self::Idle | Self::IdleCustomers => "RSS each, second step",
            Self::Eviction => "all gone after",
            Self::Room | Self::Burst | Self::Saturated | Self::Pairs | Self::Cuts => "CPU each",
        }
    }

    /// The numbers that make the columns.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Connect => &["connects per CPU second", "connects per second", "CPU each", "p50", "p99"],
            Self::Idle | Self::IdleCustomers => &[
                "RSS empty",
                "RSS each, first step",
                "RSS each, second step",
                "RSS each, of those added",
                "CPU each second and connection",
            ],
            Self::Eviction => {
                &["first gone after", "all gone after", "RSS before", "RSS at most", "RSS bound", "p99"]
            }
            Self::Room | Self::Burst | Self::Saturated => {
                &["CPU each", "of it user", "deliveries per CPU second", "p50", "p99", "p99.9", "RSS"]
            }
            Self::Pairs => &["CPU each", "messages per CPU second", "p50", "p99", "p99.9"],
            Self::Cuts => &["cuts", "deliveries", "CPU each", "p50", "p99", "max"],
        }
    }
}
