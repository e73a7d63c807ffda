//! Watching presence: a snapshot first, then every change in order, as far as the watcher may see it.
//!
//! A watcher that falls behind gets a new snapshot. So what it holds is late at most, never wrong.

use std::sync::Arc;

use futures::{Stream, stream};
use parlor_api::v1::{self, event::Payload};
use parlor_store::Roles;
use tonic::Status;

use super::seen::{availability_from_proto, hide_email, sees};
use crate::{
    Result,
    auth::Auth,
    caller::Principal,
    hub::{Hub, Item, Mailbox, StateOf, Topic, Watch},
    wire,
};

/// What waits for one watcher; more becomes a new snapshot.
const QUEUE_BYTES: usize = 256 * 1024;

/// The presence of a tenant, as one caller may see it.
pub(super) struct Feed {
    mailbox: Arc<Mailbox<Arc<v1::Event>>>,
    watch: Watch,
    sight: Sight,
    /// The revision that was given last; what is not newer was in a snapshot already.
    given: u64,
}

/// What one caller may see, and wants to.
pub(super) struct Sight {
    principal: Arc<Principal>,
    role: Option<Roles>,
}

impl Feed {
    pub async fn open(hub: &Hub, principal: Arc<Principal>, role: Option<Roles>) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::new(QUEUE_BYTES));
        let snapshots = Arc::clone(&mailbox);
        let began = move |began: crate::hub::Began| {
            if let Some(snapshot) = began.snapshot {
                snapshots.note(snapshot);
            }
        };
        let watch =
            hub.watch(Topic::State(principal.tenant, StateOf::Presence), mailbox.clone(), began).await?;
        Ok(Self { mailbox, watch, sight: Sight { principal, role }, given: 0 })
    }

    /// The next event for this caller. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> v1::Event {
        loop {
            let event = match self.mailbox.next().await {
                Item::Event(_, announced) => Some(announced.event),
                Item::Note(snapshot) => Some(snapshot),
                Item::Lagged { .. } => self.watch.at_head(|began| began.snapshot),
            };
            if let Some(event) = event.and_then(|event| self.take(&event)) {
                return event;
            }
        }
    }

    fn take(&mut self, event: &v1::Event) -> Option<v1::Event> {
        let revision = match event.payload.as_ref()? {
            Payload::PresenceSnapshot(snapshot) => snapshot.revision,
            Payload::PresenceChanged(changed) if changed.revision > self.given => changed.revision,
            _ => return None,
        };
        self.given = self.given.max(revision);
        self.sight.of(event)
    }
}

impl Sight {
    /// An event as the caller may see it; `None` if it concerns nobody they may see.
    fn of(&self, event: &v1::Event) -> Option<v1::Event> {
        let mut event = event.clone();
        match event.payload.as_mut()? {
            Payload::PresenceSnapshot(snapshot) => {
                snapshot.presences.retain(|presence| self.wants(presence) && self.sees(presence));
                snapshot.presences.iter_mut().for_each(|presence| hide_email(presence, &self.principal));
            }
            Payload::PresenceChanged(changed) => self.changed(changed)?,
            _ => return None,
        }
        Some(event)
    }

    fn changed(&self, changed: &mut v1::PresenceChanged) -> Option<()> {
        let presence = changed.presence.as_mut().filter(|presence| self.wants(presence))?;
        if !self.sees(presence) {
            // Somebody who chose to be off leaves, for those who saw them.
            let shown = v1::Availability::Available;
            presence.set_availability(shown);
            if !self.sees(presence) {
                return None;
            }
            presence.reachable = false;
            presence.connections = 0;
            presence.online_since = None;
        }
        hide_email(presence, &self.principal);
        changed.person.clone_from(&presence.person);
        Some(())
    }

    fn wants(&self, presence: &v1::Presence) -> bool {
        self.role.is_none_or(|role| roles_of(presence).contains(role))
    }

    fn sees(&self, presence: &v1::Presence) -> bool {
        let id = presence.person.as_ref().map_or("", |person| &person.user_id);
        sees(&self.principal, id, roles_of(presence), availability_from_proto(presence.availability()))
    }
}

fn roles_of(presence: &v1::Presence) -> Roles {
    presence.roles().filter_map(wire::role).fold(Roles::default(), Roles::with)
}

/// The events of a `WatchPresence` call.
pub(super) async fn watch(
    hub: &Hub,
    auth: Arc<Auth>,
    principal: Arc<Principal>,
    role: Option<Roles>,
) -> Result<impl Stream<Item = Result<v1::WatchPresenceResponse, Status>> + Send + use<>> {
    let feed = Feed::open(hub, Arc::clone(&principal), role).await?;
    let ended = Box::pin(async move { auth.standing().ended(&principal).await });
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
