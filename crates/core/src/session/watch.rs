//! Watching one's own sessions: those that are pending or active first, then every change in order.
//!
//! A watcher that falls behind gets a new snapshot. So what it holds is late at most, never wrong.

use std::sync::Arc;

use futures::{
    future::BoxFuture,
    stream::{self, StreamExt as _},
};
use parlor_api::v1;
use tonic::Status;

use super::{Sessions, person};
use crate::{
    Error, Result,
    caller::Caller,
    hub::{Item, Mailbox, StateOf, Topic, Watch},
    request::Answers,
};

/// What waits for one watcher; more becomes a new snapshot.
const QUEUE_BYTES: usize = 256 * 1024;

/// The sessions of one person, for one watcher.
pub(super) struct Feed {
    mailbox: Arc<Mailbox<Arc<v1::Event>>>,
    watch: Watch,
    /// What is not above it was given, or is in a snapshot that was.
    given: i64,
}

impl Sessions {
    /// The caller's own sessions, from now on.
    pub(super) async fn feed(&self, caller: &Caller) -> Result<Feed> {
        let principal = caller.principal()?;
        let topic = Topic::State(principal.tenant, StateOf::Sessions(person(principal)?));
        let mailbox = Arc::new(Mailbox::new(QUEUE_BYTES));
        let (snapshots, mut given) = (Arc::clone(&mailbox), 0);
        let began = |began: crate::hub::Began| {
            given = began.position;
            began.snapshot.into_iter().for_each(|snapshot| snapshots.note(snapshot));
        };
        let watch = self.hub.watch(topic, mailbox.clone(), began).await?;
        Ok(Feed { mailbox, watch, given })
    }

    /// When a stream of the caller's must end.
    pub(super) fn ended(&self, caller: &Caller) -> Result<BoxFuture<'static, Error>> {
        Ok(self.hub.ended(&self.rights, caller.principal()?))
    }

    /// The events of the caller's own sessions.
    pub(super) async fn watch(&self, caller: &Caller) -> Result<Answers<v1::WatchSessionsResponse>> {
        let (feed, ended) = (self.feed(caller).await?, self.ended(caller)?);
        let events = stream::unfold(Some((feed, ended)), async |state| {
            let (mut feed, mut ended) = state?;
            tokio::select! {
                error = &mut ended => Some((Err(Status::from(error)), None)),
                event = feed.next() => {
                    let response = v1::WatchSessionsResponse { event: Some(Arc::unwrap_or_clone(event)) };
                    Some((Ok(response), Some((feed, ended))))
                }
            }
        });
        Ok(events.boxed())
    }
}

impl Feed {
    /// The next event. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Arc<v1::Event> {
        loop {
            match self.mailbox.next().await {
                Item::Note(snapshot) => return snapshot,
                Item::Event(_, announced) if announced.number > self.given => {
                    self.given = announced.number;
                    return announced.event;
                }
                // A snapshot had it.
                Item::Event(..) => {}
                Item::Lagged { .. } => {
                    let (position, snapshot) = self.watch.at_head(|began| (began.position, began.snapshot));
                    self.given = position;
                    if let Some(snapshot) = snapshot {
                        return snapshot;
                    }
                }
            }
        }
    }
}
