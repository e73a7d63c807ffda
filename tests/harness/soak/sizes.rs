//! How large a run is, and what the program is told of its limits.

use std::time::Duration;

/// What a listener takes by default (`listener.connections_max`).
pub const TAKEN: usize = 10_000;

/// Everything that can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub hostile: usize,
    /// How many of them may be connected, or wait for it, at a time: each takes a file of this process.
    pub at_once: usize,
    /// Addresses that they come from.
    pub addresses: usize,
    pub honest: usize,
    /// How long the honest are alone, and how long they are not.
    pub calm: Duration,
    pub attack: Duration,
    /// Between two messages of one honest client.
    pub every: Duration,
    /// What is below this counts as soon: a machine that others use is never quiet.
    pub floor: Duration,
    /// What the program is told: the defaults where it is the campaign.
    pub join_timeout: Duration,
    pub message_timeout: Duration,
}

impl Sizes {
    /// So small that it is one of the tests.
    #[must_use]
    pub const fn short() -> Self {
        Self {
            hostile: 1_500,
            at_once: 1_500,
            addresses: 50,
            honest: 30,
            calm: Duration::from_secs(6),
            attack: Duration::from_secs(18),
            every: Duration::from_millis(500),
            // Whatever else a machine does that builds and tests is felt in a short time.
            floor: Duration::from_millis(500),
            join_timeout: Duration::from_secs(3),
            message_timeout: Duration::from_secs(4),
        }
    }

    /// The campaign: for a quarter of an hour, at the program's defaults.
    #[must_use]
    pub const fn campaign() -> Self {
        Self {
            hostile: 20_000,
            at_once: 20_000,
            addresses: 200,
            honest: 500,
            calm: Duration::from_secs(60),
            attack: Duration::from_secs(14 * 60),
            every: Duration::from_secs(2),
            floor: Duration::from_millis(50),
            join_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(20),
        }
    }

    /// The longest that the server bears with somebody: a head and a body have 10 and 15 seconds, an upgrade 10 beside
    /// what there is to join.
    #[must_use]
    pub fn unfinished(&self) -> Duration {
        let socketio = self.join_timeout + Duration::from_secs(10);
        socketio.max(Duration::from_secs(15)) + self.message_timeout
    }

    /// More connect than a listener takes by default: the others wait with the kernel, which no client can tell from being
    /// taken before it has an answer.
    #[must_use]
    pub const fn overflows(&self) -> bool {
        self.hostile > TAKEN
    }
}
