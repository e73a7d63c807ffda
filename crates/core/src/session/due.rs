//! What the clock does to sessions: requests whose time is over expire, and of what is charged more is held, or it ends. One
//! task looks in the store what is the next, waits for its moment, and does it.
//!
//! Nothing is kept here but the waiting. So what was asked for before a restart expires after it, and what expires at the
//! moment at which somebody accepts it is decided by the store.

use std::sync::Arc;

use futures::future::join_all;
use parlor_store::{
    Author, AuthorKind, Cause, Error as StoreError, Millis, Mutation, SessionId, SessionMove, Step, Store,
    TenantId,
};
use tokio::sync::Notify;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{Result, clock::Clock};

/// Sessions of either kind that are moved with one change of the writer.
const SWEEP: u64 = 64;

/// When the store does not answer, it is asked again after this.
const RETRY_MS: Millis = 1_000;

/// Says that there is a session whose moment may come before all others.
#[derive(Clone, Debug, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Says so.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// The task that does what is due.
pub struct Due {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// A core that is dropped takes the task with it.
    _stops: DropGuard,
}

impl Due {
    /// Begins with what is due already; goes on until `lost` says that the database is another core's.
    #[must_use]
    pub fn start(store: Store, clock: Clock, nudge: Nudge, lost: CancellationToken) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = lost.cancelled() => {}
                () = work(&store, &clock, &nudge) => {}
            }
        });
        tasks.close();
        let _stops = stop.clone().drop_guard();
        Self { tasks, stop, _stops }
    }

    /// Does nothing any more.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

async fn work(store: &Store, clock: &Clock, nudge: &Nudge) {
    loop {
        let next = match sweep(store, clock).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "sessions could not be moved on by the clock; they are tried again");
                Some(clock.now().saturating_add(RETRY_MS))
            }
        };
        tokio::select! {
            () = clock.sleep_until(next.unwrap_or(Millis::MAX)) => {}
            () = nudge.0.notified() => {}
        }
    }
}

/// Does everything that is due. Answers when the next one is.
async fn sweep(store: &Store, clock: &Clock) -> Result<Option<Millis>> {
    loop {
        let at = clock.now();
        let due = store.sessions.due(at, SWEEP).await?;
        if due.is_empty() {
            return Ok(store.sessions.next_due().await?);
        }
        // Asked for together, they are stored together.
        let moves = due.into_iter().map(|(tenant, id, what)| move_on(store, tenant, id, what, at));
        for moved in join_all(moves).await {
            moved?;
        }
    }
}

async fn move_on(
    store: &Store,
    tenant: TenantId,
    id: SessionId,
    what: SessionMove,
    at: Millis,
) -> Result<()> {
    let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
    let cause = Cause { tenant, author, at, origin: String::new() };
    let step = Step { cause, id, what, administers: false, note: String::new() };
    match store.apply(Mutation::move_session(step)).await {
        // Somebody was faster.
        Ok(_) | Err(StoreError::SessionState(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
