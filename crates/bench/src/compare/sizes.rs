//! How much of what is measured.

use clap::Args;
use parlor_bench::{
    cli::Scenario,
    scenario::{crowd::Crowd, idle::Idle, knee::Knee, pairs::Pairs},
};

#[derive(Clone, Debug, Args)]
pub struct Sizes {
    /// Seconds of each measurement that lasts
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// People in a room
    #[arg(long, default_value_t = 1000)]
    pub people: usize,
    /// Connections of connect, connect-customers and connect-new
    #[arg(long, default_value_t = 4000)]
    pub connections: usize,
    /// Seconds the server is given after connects, and a third of it between the steps of a knee
    #[arg(long, default_value_t = 3.0)]
    pub settle: f64,
    /// Connections of idle and idle-customers, two steps
    #[arg(long, value_delimiter = ',', default_value = "2000,8000")]
    pub idle: Vec<usize>,
    /// Seconds of idle-customers over which the server's time is looked at, after the joins
    #[arg(long, default_value_t = 25.0)]
    pub idle_seconds: f64,
    /// How often the server of idle-customers pings; by default not within the measurement
    #[arg(long, default_value_t = 600_000)]
    pub idle_ping_ms: u64,
    /// Rooms of pairs, two connections each (support: one, and an admin who hears all)
    #[arg(long, default_value_t = 200)]
    pub pairs: usize,
    /// Messages a second of pairs, over all rooms
    #[arg(long, default_value_t = 4000.0)]
    pub rate: f64,
    /// Seconds of pairs before the measurement
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// Do not look for the knee of pairs
    #[arg(long)]
    pub without_knee: bool,
    /// Rooms while the knee is looked for [default: as --pairs]
    #[arg(long)]
    pub knee_pairs: Option<usize>,
    /// Messages a second with which the search for the knee begins
    #[arg(long, default_value_t = 1000.0)]
    pub knee_start: f64,
    /// The highest rate that is tried in that search
    #[arg(long, default_value_t = 1_000_000.0)]
    pub knee_most: f64,
    /// Seconds of each step of that search
    #[arg(long, default_value_t = 4.0)]
    pub knee_seconds: f64,
    /// The limit of p99 at the knee, in milliseconds
    #[arg(long, default_value_t = 50.0)]
    pub knee_limit_ms: f64,
    /// Connections of crowds, three steps
    #[arg(long, value_delimiter = ',', default_value = "200,2000,8000")]
    pub crowd: Vec<usize>,
    /// Messages a second of crowds, over all rooms
    #[arg(long, default_value_t = 1000.0)]
    pub crowd_rate: f64,
    /// Length of a message's text in pairs and crowds
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Clients of Converse that share a connection
    #[arg(long, default_value_t = 1)]
    pub clients_per_connection: usize,
}

impl Sizes {
    /// The most customers that any scenario needs.
    pub fn customers(&self) -> usize {
        let steps = self.idle.iter().chain(&self.crowd).copied();
        let rooms = self.pairs.max(self.knee_pairs.unwrap_or_default());
        steps.max().unwrap_or_default().max(rooms).max(self.connections)
    }

    pub fn idle(&self, hold: f64) -> Scenario {
        Scenario::Idle(Idle { connections: self.idle.clone(), settle: self.settle, hold })
    }

    pub fn pairs(&self) -> Pairs {
        let Self { pairs, rate, seconds, warmup, bytes, .. } = *self;
        Pairs { pairs, rate, seconds, warmup, bytes }
    }

    pub fn knee(&self) -> Knee {
        Knee {
            pairs: self.knee_pairs.unwrap_or(self.pairs),
            start: self.knee_start,
            most: self.knee_most,
            seconds: self.knee_seconds,
            settle: self.settle / 3.0,
            limit_ms: self.knee_limit_ms,
            bytes: self.bytes,
        }
    }

    pub fn crowd(&self) -> Crowd {
        Crowd {
            connections: self.crowd.clone(),
            rate: self.crowd_rate,
            seconds: self.seconds,
            settle: self.settle,
            bytes: self.bytes,
        }
    }
}
