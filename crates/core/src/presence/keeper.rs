//! Moves the edges of this node's roster into the store, and announces them in order.
//!
//! An edge that cannot be stored is tried again until it can: presence may be late, never wrong for good. No state depends
//! on a clean shutdown: at start, those whom earlier lives left online stay for the linger, and leave, as of the time they
//! were last there, unless they come back.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use parlor_api::{limits, v1};
use parlor_store::{Revised, Store, TenantId, User, UserId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    announcing::Announce,
    elsewhere::NotStarted,
    life::{Life, Options},
    roster::{Connected, Counted, Edge, Key, Roster, Step},
    seen::Seen,
    visits::Visits,
};
use crate::{
    Error, Result,
    clock::Clock,
    locked::lock,
    wire::{self, unsigned},
};

/// The longest linger a connection may ask for.
pub const MAX_LINGER: Duration = Duration::from_millis(limits::LINGER_MS);

/// How long to wait before storing an edge again that could not be stored.
const RETRY_EDGE: Duration = Duration::from_millis(500);

/// How long a connection waits for its person to be shown online before it is refused.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// The presence service. Cloning is cheap.
#[derive(Clone)]
pub struct Presence {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) life: Life,
    roster: Arc<Mutex<Roster>>,
    announce: Announce,
    pub(super) tasks: TaskTracker,
    stop: CancellationToken,
    visits: Arc<Visits>,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("node", &self.life.node()).finish_non_exhaustive()
    }
}

impl Presence {
    /// Begins this core's life, and takes over whom earlier ones left online. `lost` is cancelled when another core takes
    /// over from this one.
    pub async fn start(
        store: Store,
        clock: Clock,
        options: Options,
        lost: CancellationToken,
        announce: Announce,
    ) -> Result<Self, NotStarted> {
        let (life, left) = Life::begin(store.clone(), clock.clone(), options, lost).await?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (told, of_visits) = (Arc::clone(&announce), (tasks.clone(), stop.clone()));
        let visits = Visits::start(store.clone(), clock.clone(), life.clone(), told, of_visits);
        let visits = Arc::new(visits);
        let roster = Arc::new(Mutex::new(Roster::taking_over(left)));
        let presence = Self { store, clock, life, roster, announce, tasks, stop, visits };
        presence.tasks.spawn(presence.life.clone().renew_until(presence.stop.clone()));
        presence.tasks.spawn(presence.clone().let_go_who_stays_away());
        Ok(presence)
    }

    /// Leaves everybody as they are: whoever comes back within the linger of the next start never left.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends this core's life, when nobody asks it any more.
    pub async fn end(&self) {
        self.life.end().await;
    }

    /// A connection of a person opened. Answers when they are shown online; on an error it is as if it had not opened.
    pub async fn connect(&self, tenant: TenantId, user: &Arc<User>, connection: Counted) -> Result<()> {
        let Connected { step, is_new, shown } = self.roster().connect(tenant, user, connection.clone());
        self.take(step, (tenant, user.id));
        let in_time = tokio::time::timeout(SHOWN_WITHIN, shown);
        tokio::select! {
            shown = in_time => if let Ok(Ok(())) = shown {
                return Ok(());
            },
            () = self.life.lost() => {}
        }
        // What was counted before under this name goes on.
        if is_new {
            self.disconnect(tenant, user.id, &connection, Duration::ZERO);
        }
        Err(Error::TryAgain)
    }

    /// A connection is gone; its person stays online for the linger if it was the last.
    pub fn disconnect(&self, tenant: TenantId, user: UserId, connection: &Counted, linger: Duration) {
        let step = self.roster().disconnect((tenant, user), connection, linger.min(MAX_LINGER));
        self.take(step, (tenant, user));
    }

    /// Somebody goes, and is told to have gone when this completes. Whoever comes as them meanwhile is not let in by the
    /// store.
    pub async fn expel(&self, tenant: TenantId, user: UserId) -> Result<()> {
        let user = Arc::new(self.store.directory.user(tenant, user).await?);
        let (step, gone) = self.roster().expel(tenant, &user);
        self.take(step, (tenant, user.id));
        tokio::select! {
            // It is dropped with the person.
            _ = gone => Ok(()),
            () = self.stop.cancelled() => Err(Error::TryAgain),
            () = self.life.lost() => Err(Error::TryAgain),
        }
    }

    /// The visits of sites.
    pub(crate) fn visits(&self) -> &Arc<Visits> {
        &self.visits
    }

    /// How many connections a person has on this node.
    pub(super) fn connections(&self, tenant: TenantId, user: UserId) -> u32 {
        self.roster().connections((tenant, user))
    }

    /// Announces a person as they are since a change. The revision is announced alone where it is somebody else's, since
    /// nothing changed, and where the person could not be read: whoever has not heard it reads everybody anew.
    pub(super) fn tell(&self, tenant: TenantId, revised: Revised, seen: Result<&Seen, &Error>) {
        if let Err(error) = seen {
            tracing::warn!(%error, "who changed could not be read; everybody will be");
        }
        self.announce(tenant, revised.revision, seen.ok().filter(|_| revised.changed));
    }

    fn announce(&self, tenant: TenantId, revision: i64, seen: Option<&Seen>) {
        let changed = v1::PresenceChanged {
            revision: unsigned(revision),
            presence: seen.map(Seen::to_proto),
            person: seen.map(|seen| wire::person(&seen.user)),
        };
        let event = v1::Event {
            time: Some(wire::timestamp(self.clock.now())),
            audience: v1::Audience::Participants.into(),
            payload: Some(v1::event::Payload::PresenceChanged(changed)),
            ..Default::default()
        };
        (self.announce)(tenant, revision, event);
    }

    fn take(&self, step: Step, key: Key) {
        match step {
            Step::Rest => {}
            Step::Settle => {
                self.tasks.spawn(self.clone().settle(key));
            }
            Step::Linger(number, linger) => {
                self.tasks.spawn(self.clone().linger(key, number, linger));
            }
        }
    }

    async fn linger(self, key: Key, number: u64, linger: Duration) {
        if self.waits(linger).await {
            let step = self.roster().linger_over(key, number);
            self.take(step, key);
        }
    }

    /// Waits by the clock; answers false if this core goes down meanwhile.
    pub(super) async fn waits(&self, linger: Duration) -> bool {
        let linger_ms = i64::try_from(linger.as_millis()).unwrap_or(i64::MAX);
        let over = self.clock.sleep_until(self.clock.now().saturating_add(linger_ms));
        self.stop.run_until_cancelled(over).await.is_some()
    }

    /// Waits before something is stored again that could not be stored; answers false if it never can.
    pub(super) async fn may_try_again(&self, error: &Error) -> bool {
        self.life.heed(error);
        if self.life.is_lost() {
            return false;
        }
        tracing::warn!(%error, "a presence edge could not be stored; trying again");
        self.stop.run_until_cancelled(tokio::time::sleep(RETRY_EDGE)).await.is_some()
    }

    pub(super) async fn settle(self, key: Key) {
        loop {
            // The guard must be gone before the await below.
            let next = self.roster().next_edge(key);
            let Some(edge) = next else { return };
            match self.move_edge(&edge).await {
                Ok(()) => self.roster().settled(key, edge.online),
                Err(error) => {
                    if !self.may_try_again(&error).await {
                        return;
                    }
                }
            }
        }
    }

    /// Stores an edge and tells of it.
    async fn move_edge(&self, edge: &Edge) -> Result<()> {
        let (revised, seen) = if edge.online { self.arrive(edge).await? } else { self.leave(edge).await? };
        self.tell(edge.user.tenant, revised, seen.as_ref());
        Ok(())
    }

    async fn arrive(&self, edge: &Edge) -> Result<(Revised, Result<Seen>)> {
        let (tenant, id, life) = (edge.user.tenant, edge.user.id, &self.life);
        let arrival =
            self.store.presence.arrive(tenant, id, life.node(), life.epoch(), self.clock.now()).await?;
        let user = if arrival.user_updated_at == edge.user.updated_at {
            Ok(Arc::clone(&edge.user))
        } else {
            self.store.directory.user(tenant, id).await.map(Arc::new)
        };
        let seen = user.map(|user| self.seen(user, arrival.presence)).map_err(Error::from);
        Ok((arrival.revised, seen))
    }

    async fn leave(&self, edge: &Edge) -> Result<(Revised, Result<Seen>)> {
        let (tenant, id, life) = (edge.user.tenant, edge.user.id, &self.life);
        let at = self.clock.now();
        let revised = self.store.presence.leave(tenant, id, life.node(), life.epoch(), at).await?;
        Ok((revised, self.person(tenant, id).await))
    }

    pub(super) fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }
}
