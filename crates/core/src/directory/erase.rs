//! Erasing a person: begun by a call, carried on by one task until nothing is left, whatever becomes of the call.
//!
//! The store keeps who is being erased, so a core that starts goes on with what another has left. Steps are small and wait
//! for each other, so that whoever writes meanwhile gets a turn.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use parlor_store::{
    Departing, Erasure, Mutation, Scrubbed, Store, TenantId, UserId, WITHDRAWAL_KEPT_MS, Walk,
};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error, Result,
    auth::{Auth, revocation::Withdrawal},
    clock::Clock,
    locked::lock,
};

/// How long to wait before a step is tried again that failed.
const RETRY: Duration = Duration::from_secs(1);

/// How often it is tried to overwrite what was erased, and how long to wait in between: reads are over in milliseconds, and a
/// backup of minutes is not waited for.
const SCRUBS: u32 = 20;
const SCRUB_AGAIN: Duration = Duration::from_millis(100);

/// Takes a person out of presence: completes when they are shown as gone.
pub type Depart = Arc<dyn Fn(TenantId, UserId) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Erases people. Cloning is cheap.
#[derive(Clone)]
pub struct Eraser {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    auth: Arc<Auth>,
    clock: Clock,
    depart: Depart,
    /// Somebody is to be erased.
    wake: Notify,
    /// Who is being erased by the task now, to the end.
    in_hand: Mutex<HashSet<(TenantId, UserId)>>,
    /// Counts whom it is done with.
    done: watch::Sender<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Eraser {
    /// Goes on with what was begun earlier.
    #[must_use]
    pub fn start(store: Store, auth: Arc<Auth>, clock: Clock, depart: Depart) -> Self {
        let eraser = Self {
            shared: Arc::new(Shared {
                store,
                auth,
                clock,
                depart,
                wake: Notify::new(),
                in_hand: Mutex::default(),
                done: watch::Sender::new(0),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        };
        let (working, stop) = (eraser.clone(), eraser.shared.stop.clone());
        eraser.shared.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(working.work()).await;
        });
        eraser.shared.tasks.close();
        eraser
    }

    /// Ends the task, between two steps or in one.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.wait().await;
    }

    /// What begins to erase somebody.
    pub(super) fn beginning(
        &self,
        tenant: TenantId,
        user: UserId,
        whole_conversations: bool,
    ) -> Mutation<i64> {
        let (at, mark_of) = (self.shared.clock.now(), self.shared.auth.marks(tenant));
        Mutation::begin_erasure(Departing { tenant, user, whole_conversations, at, mark_of })
    }

    /// Completes when nothing is left of somebody whose erasure was begun.
    pub(super) async fn whole(&self, tenant: TenantId, user: UserId) -> Result<()> {
        let shared = &self.shared;
        let mut done = shared.done.subscribe();
        shared.wake.notify_one();
        loop {
            done.borrow_and_update();
            // In this order: who is in hand is so from before the store knows of the end until after it.
            let begun = shared.store.persons.is_being_erased(tenant, user).await?;
            if !begun && !lock(&shared.in_hand).contains(&(tenant, user)) {
                return Ok(());
            }
            match shared.stop.run_until_cancelled(done.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return Err(Error::TryAgain),
            }
        }
    }

    async fn work(self) {
        // A life that ended in the middle may have left something in the log.
        self.scrub(false).await;
        loop {
            match self.erase_all().await {
                Ok(()) => self.shared.wake.notified().await,
                Err(error) => {
                    tracing::warn!(%error, "erasing a person failed; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// One that fails does not keep the others; the last failure is answered.
    async fn erase_all(&self) -> Result<()> {
        let mut all = Ok(());
        for erasure in self.shared.store.persons.being_erased().await? {
            let key = (erasure.tenant, erasure.user);
            lock(&self.shared.in_hand).insert(key);
            let erased = self.erase(erasure).await;
            lock(&self.shared.in_hand).remove(&key);
            self.shared.done.send_modify(|count| *count += 1);
            all = erased.and(all);
        }
        all
    }

    async fn erase(&self, erasure: Erasure) -> Result<()> {
        let Shared { store, clock, depart, .. } = &*self.shared;
        self.cut_off(erasure);
        depart(erasure.tenant, erasure.user).await?;
        let mut walk = Walk::new(erasure);
        while !store.persons.erase_some(&mut walk, clock.now()).await? {}
        store.persons.end_erasure(erasure).await?;
        self.scrub(true).await;
        tracing::info!(tenant = erasure.tenant.0, "a person was erased");
        Ok(())
    }

    /// Nothing that was verified stands any more. That is stored already.
    fn cut_off(&self, erasure: Erasure) {
        let (standing, now) = (self.shared.auth.standing(), self.shared.clock.now());
        let Erasure { tenant, user, .. } = erasure;
        standing.forget_user(tenant, user);
        standing.withdraw(
            Withdrawal::User { tenant, user, at: now },
            now.saturating_add(WITHDRAWAL_KEPT_MS),
            now,
        );
    }

    async fn scrub(&self, compacts: bool) {
        for _ in 0..SCRUBS {
            match self.shared.store.scrub(compacts).await {
                Ok(Scrubbed::Clean) => return,
                Ok(Scrubbed::Large) => {
                    tracing::warn!(
                        "the database is too large to be written anew while it serves: unused space of its pages may hold \
                         copies of what was erased, until SQLite's VACUUM is run while nothing serves"
                    );
                    return;
                }
                Ok(Scrubbed::Busy) => {}
                Err(error) => tracing::warn!(%error, "what was erased could not be overwritten yet"),
            }
            tokio::time::sleep(SCRUB_AGAIN).await;
        }
        tracing::warn!(
            "somebody reads the database for long: its log may hold what was erased until the next checkpoint"
        );
    }
}
