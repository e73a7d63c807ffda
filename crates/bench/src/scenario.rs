//! What is measured. Each scenario is a file: bounded in count and time, in open loop, every delivery counted.

pub mod connect;
pub mod crowd;
pub mod cuts;
pub mod eviction;
pub mod grpc;
pub mod idle;
pub mod knee;
pub mod pairs;
pub mod room;

use std::{rc::Rc, time::Duration};

use anyhow::Result;
use tokio::time::timeout;

use crate::{crowd::Crowd, outcome::Outcome, tally::Tally};

/// How long the last deliveries may take after the last message was sent.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until so many messages have reached everybody. What is missing after that is counted by the tally.
async fn settled(tally: &Rc<Tally>, messages: u64) -> bool {
    timeout(PATIENCE, tally.completed(messages)).await.is_ok()
}

/// Says what went wrong with the deliveries and with the connections.
fn conclude(outcome: &mut Outcome, tally: &Tally, crowd: &mut Crowd) {
    outcome.add_faults(tally.faults());
    if let Some((count, how)) = crowd.ended() {
        outcome.faults.push(format!("{count} connections ended, one {how}"));
    }
}

/// Ends with the error of whichever ends first; a task that says messages ends well when all are said.
pub(crate) async fn said_all(mut speakers: tokio::task::JoinSet<Result<()>>) -> Result<()> {
    while let Some(speaker) = speakers.join_next().await {
        speaker??;
    }
    Ok(())
}
