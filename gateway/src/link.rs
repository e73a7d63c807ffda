//! The client of `EdgeService.Link`: one stream to the core for all connections of this gateway.
//!
//! One task owns the link's state; drivers send it commands and hear through their outboxes, in the order of the
//! stream. The task never waits for a connection, and every connection outlives the stream: after a break the heads of
//! its topics are compared and what is missing is fetched before anything newer is delivered.
//!
//! ```text
//! driver ─► Command ─► state ─► LinkRequest ─► core
//! outbox  ◄─ fan-out ◄─ state ◄─ LinkResponse ◄─ core
//! ```

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{call::Calls, dialect::After};

mod breather;
mod client;
mod command;
mod connections;
mod ledger;
mod log;

mod state;
mod topics;

pub(crate) use command::{Attach, Command, Proving, Wanted};
use topics::Key;

/// Commands that wait for the link's task. It only moves memory, so this is reached in bursts alone; then drivers wait.
const COMMANDS: usize = 1_024;

/// How long a reply waits, once its event is handed on, for the sockets to take it. One slow reader delays others by no
/// more than this.
const DEPARTURE: Duration = Duration::from_millis(100);

/// Reaches the link's task.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    commands: mpsc::Sender<Command>,
    up: watch::Receiver<bool>,
}

impl Link {
    /// Starts the link; it goes on until `stop`.
    pub fn start(
        gateway: &str,
        epoch: &str,
        calls: Calls,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (commands, received) = mpsc::channel(COMMANDS);
        let (up_sender, up) = watch::channel(false);
        let state = state::State::new(gateway.to_owned(), epoch.to_owned(), calls.deadline);
        tasks.spawn(client::Client { calls, state, commands: received, up: up_sender, stop }.run());
        Self { commands, up }
    }

    /// Gives the link's task a command. After the gateway's end nobody takes it, and nobody misses it.
    pub async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// True while the core answers.
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Follows [`Self::is_up`].
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.up.clone()
    }

    /// Completes when this gateway has handed on what `after` names, on the topics that it has open; within `bound`.
    pub async fn passed(&self, after: After, tenant: Option<&str>, bound: Duration) {
        let feed = after.position.zip(tenant);
        let feed = feed.map(|(position, tenant)| (Key::Feed { tenant: tenant.to_owned() }, position));
        let conversation = after.conversation.map(|(id, sequence)| (Key::Conversation { id }, sequence));
        let all = async {
            for (key, number) in feed.into_iter().chain(conversation) {
                let (reply, passed) = oneshot::channel();
                self.tell(Command::Wait { key, number, reply }).await;
                if let Ok(Some(left)) = passed.await {
                    let _ = tokio::time::timeout(DEPARTURE, left.cancelled()).await;
                }
            }
        };
        if tokio::time::timeout(bound, all).await.is_err() {
            metrics::counter!(crate::metric::REPLIES_NOT_HELD).increment(1);
        }
    }
}
