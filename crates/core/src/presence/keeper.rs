//! Moves the edges of this node's roster into the store, announces them in order, and keeps this node's leases alive.
//!
//! An edge that cannot be stored is tried again until it can: presence may be late, never wrong for good. No state depends
//! on a clean shutdown: at start, those whom an earlier run of this node left online stay for the linger, and leave, as of
//! the time they were last there, unless they come back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use parlor_api::v1;
use parlor_store::{Store, TenantId, User, UserId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    roster::{Connected, Counted, Edge, Key, Roster, Step},
    seen::Seen,
};
use crate::{Error, Result, clock::Clock, locked::lock, wire};

/// The longest linger a connection may ask for: more would show people who are gone.
pub const MAX_LINGER: Duration = Duration::from_secs(60);

/// How often this node says that it lives. What a crash leaves uncertain of "last seen" is at most this.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How long to wait before storing an edge again that could not be stored.
const RETRY_EDGE: Duration = Duration::from_millis(500);

/// How long a connection waits for its person to be shown online before it is refused.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// Takes an event of a tenant's presence with its revision, and tells every node.
pub type Announce = Arc<dyn Fn(TenantId, i64, v1::Event) + Send + Sync>;

/// What presence needs to know of this node.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node's name, stable over restarts; only one process may use it at a time.
    pub node: String,
    /// Drawn anew at each start.
    pub epoch: String,
    /// How long those whom an earlier run left online have to come back.
    pub restart_linger: Duration,
}

/// The presence service. Cloning is cheap.
#[derive(Clone)]
pub struct Presence {
    pub(super) store: Store,
    pub(super) clock: Clock,
    node: Arc<Options>,
    roster: Arc<Mutex<Roster>>,
    announce: Announce,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Presence {
    /// Begins this node's epoch and takes over whom an earlier one left online.
    pub async fn start(store: Store, clock: Clock, options: Options, announce: Announce) -> Result<Self> {
        let left_over = store.presence.begin_epoch(&options.node, &options.epoch, clock.now()).await?;
        let presence = Self {
            store,
            clock,
            node: Arc::new(options),
            roster: Arc::default(),
            announce,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        for row in left_over {
            match presence.store.directory.user(row.tenant, row.user_id).await {
                Ok(user) => {
                    let last_there = row.last_seen.unwrap_or_else(|| presence.clock.now());
                    let linger = presence.node.restart_linger;
                    let step = lock(&presence.roster).adopt(Arc::new(user), last_there, linger);
                    presence.take(step, (row.tenant, row.user_id));
                }
                Err(parlor_store::Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        presence.tasks.spawn(presence.clone().renew_until_stopped());
        Ok(presence)
    }

    /// Stops renewing and leaves everybody as they are: whoever comes back within the linger never left.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.renew().await;
    }

    /// A connection of a person opened. Answers when they are shown online; on an error it is as if it had not opened.
    pub async fn connect(&self, tenant: TenantId, user: &Arc<User>, connection: Counted) -> Result<()> {
        let Connected { step, is_new, shown } = lock(&self.roster).connect(tenant, user, connection.clone());
        self.take(step, (tenant, user.id));
        if let Ok(Ok(())) = tokio::time::timeout(SHOWN_WITHIN, shown).await {
            return Ok(());
        }
        // What was counted before under this name goes on.
        if is_new {
            self.disconnect(tenant, user.id, &connection, Duration::ZERO);
        }
        Err(Error::TryAgain)
    }

    /// A connection is gone; its person stays online for the linger if it was the last.
    pub fn disconnect(&self, tenant: TenantId, user: UserId, connection: &Counted, linger: Duration) {
        let step = lock(&self.roster).disconnect((tenant, user), connection, linger.min(MAX_LINGER));
        self.take(step, (tenant, user));
    }

    /// How many connections a person has on this node.
    pub(super) fn connections(&self, tenant: TenantId, user: UserId) -> u32 {
        lock(&self.roster).connections((tenant, user))
    }

    /// Announces a person as they are at a revision.
    pub(super) fn tell(&self, seen: &Seen, revision: i64) {
        let person = wire::person(&seen.user);
        let changed = v1::PresenceChanged {
            revision: u64::try_from(revision).unwrap_or_default(),
            presence: Some(seen.to_proto()),
            person: Some(person),
        };
        let event = v1::Event {
            time: Some(wire::timestamp(self.clock.now())),
            audience: v1::Audience::Participants.into(),
            payload: Some(v1::event::Payload::PresenceChanged(changed)),
            ..Default::default()
        };
        (self.announce)(seen.user.tenant, revision, event);
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
        let linger_ms = i64::try_from(linger.as_millis()).unwrap_or(i64::MAX);
        let over = self.clock.sleep_until(self.clock.now().saturating_add(linger_ms));
        if self.stop.run_until_cancelled(over).await.is_some() {
            let step = lock(&self.roster).linger_over(key, number);
            self.take(step, key);
        }
    }

    async fn settle(self, key: Key) {
        loop {
            // The guard must be gone before the await below.
            let next = lock(&self.roster).next_edge(key);
            let Some(edge) = next else { return };
            match self.move_edge(&edge).await {
                Ok(()) => lock(&self.roster).settled(key, edge.online),
                Err(error) => {
                    tracing::warn!(%error, "a presence edge could not be stored; trying again");
                    if self.stop.run_until_cancelled(tokio::time::sleep(RETRY_EDGE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Stores an edge and tells of it. Stored is done: an announcement that cannot be made is found by whoever compares
    /// revisions.
    async fn move_edge(&self, edge: &Edge) -> Result<()> {
        let (revision, seen) = if edge.online { self.arrive(edge).await? } else { self.leave(edge).await? };
        match seen {
            Ok(seen) => self.tell(&seen, revision),
            Err(error) => tracing::warn!(%error, "a presence edge could not be announced"),
        }
        Ok(())
    }

    async fn arrive(&self, edge: &Edge) -> Result<(i64, Result<Seen>)> {
        let (tenant, id, node) = (edge.user.tenant, edge.user.id, &self.node);
        let arrival =
            self.store.presence.arrive(tenant, id, &node.node, &node.epoch, self.clock.now()).await?;
        let user = if arrival.user_updated_at == edge.user.updated_at {
            Ok(Arc::clone(&edge.user))
        } else {
            self.store.directory.user(tenant, id).await.map(Arc::new)
        };
        let seen = user.map(|user| self.seen(user, arrival.presence)).map_err(Error::from);
        Ok((arrival.revision, seen))
    }

    async fn leave(&self, edge: &Edge) -> Result<(i64, Result<Seen>)> {
        let (tenant, id, node) = (edge.user.tenant, edge.user.id, &self.node);
        let at = edge.last_there.unwrap_or_else(|| self.clock.now());
        let revision = self.store.presence.leave(tenant, id, &node.node, &node.epoch, at).await?;
        Ok((revision, self.person(tenant, id).await))
    }

    async fn renew_until_stopped(self) {
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        while self.stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.renew().await;
        }
    }

    async fn renew(&self) {
        let renewed = self.store.presence.renew_epoch(&self.node.node, &self.node.epoch, self.clock.now());
        if let Err(error) = renewed.await {
            tracing::warn!(%error, "the leases of this node could not be renewed");
        }
    }
}
