//! Watching presence: a snapshot first, then every change in order.
//!
//! A watcher that falls behind gets a new snapshot. So what it holds is late at most, never wrong.

use std::sync::Arc;

use futures::{Stream, stream};
use parlor_api::{
    v1::{self, event::Payload},
    veil,
};
use parlor_store::TenantId;
use tonic::Status;

use crate::{
    Result,
    auth::Auth,
    caller::Principal,
    hub::{Hub, Item, Mailbox, StateOf, Topic, Watch},
};

/// What waits for one watcher; more becomes a new snapshot.
const QUEUE_BYTES: usize = 256 * 1024;

/// The presence of a tenant, for one watcher.
pub(super) struct Feed {
    mailbox: Arc<Mailbox<Arc<v1::Event>>>,
    watch: Watch,
    /// Only people with this role.
    role: Option<v1::Role>,
    /// The revision that was given last; what is not newer was in a snapshot already.
    given: u64,
}

impl Feed {
    pub async fn open(hub: &Hub, tenant: TenantId, role: Option<v1::Role>) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::new(QUEUE_BYTES));
        let snapshots = Arc::clone(&mailbox);
        let began = move |began: crate::hub::Began| {
            if let Some(snapshot) = began.snapshot {
                snapshots.note(snapshot);
            }
        };
        let watch = hub.watch(Topic::State(tenant, StateOf::Presence), mailbox.clone(), began).await?;
        Ok(Self { mailbox, watch, role, given: 0 })
    }

    /// The next event. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> v1::Event {
        loop {
            let event = match self.mailbox.next().await {
                Item::Event(_, announced) => Some(announced.event),
                Item::Note(snapshot) => Some(snapshot),
                Item::Lagged { .. } => self.watch.at_head(|began| began.snapshot),
            };
            if let Some(event) = event.and_then(|event| self.take(event)) {
                return event;
            }
        }
    }

    fn take(&mut self, event: Arc<v1::Event>) -> Option<v1::Event> {
        let revision = match event.payload.as_ref()? {
            Payload::PresenceSnapshot(snapshot) => snapshot.revision,
            Payload::PresenceChanged(changed) if changed.revision > self.given => changed.revision,
            _ => return None,
        };
        self.given = self.given.max(revision);
        let mut event = Arc::unwrap_or_clone(event);
        veil::is_about(&mut event, self.role).then_some(event)
    }
}

/// The events of a `WatchPresence` call.
pub(super) async fn watch(
    hub: &Hub,
    auth: &Arc<Auth>,
    principal: &Arc<Principal>,
    role: Option<v1::Role>,
) -> Result<impl Stream<Item = Result<v1::WatchPresenceResponse, Status>> + Send + use<>> {
    let feed = Feed::open(hub, principal.tenant, role).await?;
    let ended = hub.ended(auth, principal);
    Ok(stream::unfold(Some((feed, ended)), async |state| {
        let (mut feed, mut ended) = state?;
        tokio::select! {
            error = &mut ended => Some((Err(error.into()), None)),
            event = feed.next() => {
                let response = v1::WatchPresenceResponse { event: Some(event) };
                Some((Ok(response), Some((feed, ended))))
            }
        }
    }))
}
