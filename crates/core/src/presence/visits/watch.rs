//! Watching visits: a snapshot first, then what changed. A watcher that falls behind gets a new snapshot.

use std::sync::Arc;

use futures::{Stream, stream};
use parlor_api::v1::{self, event::Payload};
use tonic::Status;

use crate::{
    Result,
    auth::Auth,
    caller::Principal,
    hub::{Began, Hub, Item, Mailbox, StateOf, Topic},
};

/// What waits for one watcher; more becomes a new snapshot.
const QUEUE_BYTES: usize = 256 * 1024;

/// The events of a `WatchVisits` call.
pub(crate) async fn watch(
    hub: &Hub,
    auth: &Arc<Auth>,
    principal: &Arc<Principal>,
) -> Result<impl Stream<Item = Result<v1::WatchVisitsResponse, Status>> + Send + use<>> {
    let mailbox = Arc::new(Mailbox::new(QUEUE_BYTES));
    let snapshots = Arc::clone(&mailbox);
    let began = move |began: Began| {
        if let Some(snapshot) = began.snapshot {
            snapshots.note(snapshot);
        }
    };
    let watch = hub.watch(Topic::State(principal.tenant, StateOf::Visits), mailbox.clone(), began).await?;
    let ended = hub.ended(auth, principal);
    let state = Some((mailbox, watch, ended, 0));
    Ok(stream::unfold(state, async |state| {
        let (mailbox, watch, mut ended, mut given) = state?;
        loop {
            let item = tokio::select! {
                error = &mut ended => return Some((Err(error.into()), None)),
                item = mailbox.next() => item,
            };
            let event: Option<Arc<v1::Event>> = match item {
                Item::Event(_, announced) => Some(announced.event),
                Item::Note(snapshot) => Some(snapshot),
                Item::Lagged { .. } => watch.at_head(|began| began.snapshot),
            };
            let Some(event) = event else { continue };
            let revision = match &event.payload {
                Some(Payload::VisitSnapshot(snapshot)) => snapshot.revision,
                Some(Payload::VisitChanged(changed)) if changed.revision > given => changed.revision,
                _ => continue,
            };
            given = std::cmp::max(given, revision);
            let response = v1::WatchVisitsResponse { event: Some(Arc::unwrap_or_clone(event)) };
            return Some((Ok(response), Some((mailbox, watch, ended, given))));
        }
    }))
}
