//! What the tasks of all gateways need.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{past::Past, registry::Registry};
use crate::{auth::Auth, chat::find::Finder, hub::Hub, presence::Presence, subject::Subjects};

/// How links behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// The core's name, for logs.
    pub node: String,
    /// A link that is silent for so long is broken, and a broken one may come back within so long.
    pub lease: Duration,
    /// How many bytes of events may wait for one gateway.
    pub queue_bytes: usize,
    /// How many connections one gateway may hold.
    pub connections: usize,
}

impl Options {
    /// The lease is long enough for a restart of a network, and short enough that nobody is shown who is gone. The queue
    /// is a second of events for a gateway on a slow network. The connections are
    /// what one machine can hold.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            lease: Duration::from_secs(15),
            queue_bytes: 8 * 1024 * 1024,
            connections: 250_000,
        }
    }
}

/// What the task of every gateway needs.
pub(super) struct Shared {
    pub options: Options,
    pub chat: Finder,
    pub presence: Presence,
    pub hub: Hub,
    pub rights: Arc<Auth>,
    pub past: Past,
    pub subjects: Subjects,
    pub registry: Registry,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}
