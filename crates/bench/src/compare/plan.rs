//! What is measured of each server, and which of the numbers count.

use std::fmt;

use clap::ValueEnum;
use parlor_bench::{
    cli::{Bench, Dialect, Scenario, Target},
    scenario::{connect::Connect, cuts::Cuts, eviction::Eviction, room::Room},
    script::person::Range,
    target::Url,
};

use super::{
    server::{Kind, Running},
    settings::{SECRET, Settings},
    sizes::Sizes,
};

/// The people every server knows.
const ADMINS: Range = Range { first: 1, last: 1000 };
const FIRST_CUSTOMER: u64 = 1001;
/// People nobody knows yet.
const STRANGERS: Range = Range { first: 1_000_001, last: 2_000_000 };

/// Longer than any measurement: what a ping costs is not what is asked there.
const NEVER_MS: u64 = 600_000;
/// As a deployment has them.
const PING_MS: u64 = 25_000;
/// For who stops reading: short, so that the limit is seen and not the wait.
const EVICTION_PING_MS: u64 = 5_000;

/// Everybody, as many customers as are needed, and how they prove who they are.
pub fn people(sizes: &Sizes) -> Target {
    Target {
        url: Url { authority: String::new(), path: String::new() },
        dialect: Dialect::Support,
        pid: None,
        socket_path: "/socket.io/".to_owned(),
        origin: None,
        admins: ADMINS,
        customers: Range {
            first: FIRST_CUSTOMER,
            last: FIRST_CUSTOMER + sizes.customers().max(1) as u64 - 1,
        },
        as_customers: false,
        recovery: false,
        secret: Some(SECRET.to_owned()),
        staff_token: None,
        clients_per_connection: 1,
    }
}

/// What is measured with a server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Main,
    Knee,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measured {
    /// Authenticated connects of a thousand admins in turn
    Connect,
    /// The same of customers, each another person who is known
    ConnectCustomers,
    /// The same, each another person whom the server has never seen: known from then on by their token
    ConnectNew,
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
    /// Rooms of two over a raw WebSocket: one of the staff writes, a customer hears
    PairsStaff,
    /// Over Socket.IO: a customer writes, it and an admin hear, and the admin's list moves
    PairsSupport,
    /// Over gRPC: one stream of Converse for each client
    PairsConverse,
    /// As pairs-staff, at one rate with more and more connections
    CrowdStaff,
    /// As pairs-support, at one rate with more and more connections
    CrowdSupport,
    /// As pairs-converse, at one rate with more and more connections
    CrowdConverse,
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
    /// Who is compared if nobody is named.
    pub fn servers(self) -> &'static [Kind] {
        match self {
            _ if self.is_of_two() => &[Kind::Ceiling, Kind::NodeStored, Kind::Parlor],
            Self::ConnectCustomers | Self::ConnectNew | Self::IdleCustomers => &[Kind::Node, Kind::Parlor],
            _ => &[Kind::Floor, Kind::Node, Kind::Parlor],
        }
    }

    fn is_pairs(self) -> bool {
        matches!(self, Self::PairsStaff | Self::PairsSupport | Self::PairsConverse)
    }

    fn is_crowd(self) -> bool {
        matches!(self, Self::CrowdStaff | Self::CrowdSupport | Self::CrowdConverse)
    }

    /// Rooms of two.
    fn is_of_two(self) -> bool {
        self.is_pairs() || self.is_crowd()
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::PairsStaff | Self::CrowdStaff => Dialect::Staff,
            Self::PairsConverse | Self::CrowdConverse => Dialect::Converse,
            _ => Dialect::Support,
        }
    }

    pub fn settings(self, sizes: &Sizes) -> Settings {
        let ping_interval_ms = match self {
            Self::Idle | Self::Room | Self::Burst | Self::Saturated => NEVER_MS,
            Self::IdleCustomers => sizes.idle_ping_ms,
            Self::Eviction => EVICTION_PING_MS,
            _ => PING_MS,
        };
        let ping_timeout_ms = if self == Self::Eviction { EVICTION_PING_MS } else { 20_000 };
        let recovery = self == Self::Cuts;
        Settings { dialect: self.dialect(), ping_interval_ms, ping_timeout_ms, recovery }
    }

    /// One of its scenarios against this server.
    pub fn bench(self, sizes: &Sizes, server: &Running, scenario: Part) -> Bench {
        let everybody = people(sizes);
        let target = Target {
            url: server.url.clone(),
            dialect: server.dialect,
            pid: Some(server.process()),
            recovery: self == Self::Cuts && server.recovers(),
            as_customers: matches!(self, Self::ConnectCustomers | Self::ConnectNew | Self::IdleCustomers),
            customers: if self == Self::ConnectNew { STRANGERS } else { everybody.customers },
            clients_per_connection: sizes.clients_per_connection,
            ..everybody
        };
        let scenario = match scenario {
            Part::Knee => Scenario::Knee(sizes.knee()),
            Part::Main => self.scenario(sizes, server),
        };
        Bench { target, json: false, scenario }
    }

    /// What it consists of.
    pub fn scenarios(self, sizes: &Sizes) -> &'static [Part] {
        if self.is_pairs() && !sizes.without_knee { &[Part::Main, Part::Knee] } else { &[Part::Main] }
    }

    fn scenario(self, sizes: &Sizes, server: &Running) -> Scenario {
        let room = Room { people: sizes.people, seconds: sizes.seconds, ..Room::default() };
        match self {
            Self::Connect | Self::ConnectCustomers | Self::ConnectNew => {
                Scenario::Connect(Connect { connections: sizes.connections })
            }
            Self::Idle => sizes.idle(sizes.seconds),
            Self::IdleCustomers => sizes.idle(sizes.idle_seconds),
            Self::Room => Scenario::Room(room),
            Self::Burst => Scenario::Room(Room { rate: 1.0, burst: 64, ..room }),
            Self::Saturated => Scenario::Room(Room { outstanding: Some(64), ..room }),
            Self::PairsStaff | Self::PairsSupport | Self::PairsConverse => Scenario::Pairs(sizes.pairs()),
            Self::CrowdStaff | Self::CrowdSupport | Self::CrowdConverse => Scenario::Crowd(sizes.crowd()),
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
            Self::Connect | Self::ConnectCustomers | Self::ConnectNew => "connects per CPU second",
            Self::Idle | Self::IdleCustomers => "RSS each, second step",
            Self::Eviction => "all gone after",
            _ if self.is_crowd() => "CPU each, third step",
            _ => "CPU each",
        }
    }

    /// The numbers whose ratios make columns too, and over whom.
    pub fn ratio_columns(self) -> (&'static [&'static str], &'static [Kind]) {
        match self.is_pairs() {
            true => (&["CPU each", "knee"], &[Kind::NodeStored, Kind::Ceiling]),
            false => (&[], &[]),
        }
    }

    /// The numbers that make the columns.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Connect | Self::ConnectCustomers | Self::ConnectNew => {
                &["connects per CPU second", "connects per second", "CPU each", "p50", "p99"]
            }
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
            Self::PairsStaff | Self::PairsSupport | Self::PairsConverse => {
                &["CPU each", "p50", "p99", "generator late, p99", "knee"]
            }
            Self::CrowdStaff | Self::CrowdSupport | Self::CrowdConverse => &[
                "CPU each, first step",
                "CPU each, second step",
                "CPU each, third step",
                "p99, first step",
                "p99, second step",
                "p99, third step",
            ],
            Self::Cuts => &["cuts", "deliveries", "CPU each", "p50", "p99", "max"],
        }
    }
}
