//! Visits: who looks at a site, whether they still do, and what they looked at.
//!
//! [`tabs`] counts the connections of each visit on this node and decides on its state; the store keeps that with the
//! pages and actions; [`told`] tells of what changed. A connection counts from its first word on until the gateway says
//! that it is gone. What a core that is over left connected is let go after the linger of a restart, as its presences are.

mod convert;
mod rules;
mod tabs;
#[cfg(test)]
mod tests;
mod told;
mod watch;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use parlor_api::v1::{self, event::Payload};
use parlor_store::{Arose, Millis, Recording, Store, TenantId, User, UserId, Visit};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use self::watch::watch;
use self::{
    tabs::{Decision, Gone, Key, LINGER, Tabs},
    told::{Told, WINDOW_MS},
};
use super::{announcing::Announce, life::Life};
use crate::{
    Error, Result,
    buckets::{Buckets, Rate},
    clock::Clock,
    locked::lock,
    wire,
};

/// A visit that nobody is connected for and nothing was recorded of for so long has been left: a list shows who was active
/// within half an hour.
const SILENT_MS: Millis = 30 * 60 * 1_000;

/// How often it is looked for those.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Visits that others than staff begin from one address, each of which is kept: a school may come at once.
const NEW_VISITS: Rate = Rate::every(1_000, 1_000);

/// Addresses that are counted: about 60 bytes each.
const MAX_ADDRESSES: usize = 65_536;

/// How long to wait before something is stored, or read, again.
const RETRY: Duration = Duration::from_millis(500);

/// Visits that a watch begins with: more than anybody reads, and some megabytes.
const SNAPSHOT: u64 = 1_000;

/// The visits of this core. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Visits {
    store: Store,
    clock: Clock,
    life: Life,
    tabs: Arc<Mutex<Tabs>>,
    told: Told,
    announce: Announce,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// How many visits client addresses may begin.
    new_visits: Arc<Buckets<IpAddr>>,
}

/// A connection that may record a visit, until it is dropped.
pub(crate) struct Visiting {
    visits: Arc<Visits>,
    connection: Arc<str>,
    stays: bool,
}

impl Visiting {
    /// Leaves the visit as it is: this core goes down, and the gateway goes on.
    pub fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        if !self.stays {
            self.visits.detached(&self.connection);
        }
    }
}

impl Visits {
    pub(super) fn start(
        store: Store,
        clock: Clock,
        life: Life,
        announce: Announce,
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Self {
        let told = Told::since(clock.now());
        let tabs = Arc::default();
        let new_visits = Arc::new(Buckets::new(MAX_ADDRESSES));
        let visits = Self { store, clock, life, tabs, told, announce, tasks, stop, new_visits };
        visits.tasks.spawn(visits.clone().let_go());
        visits
    }

    /// A connection that may record a visit.
    pub fn attach(self: &Arc<Self>, connection: &Arc<str>) -> Visiting {
        self.tabs().attach(connection);
        Visiting { visits: Arc::clone(self), connection: Arc::clone(connection), stays: false }
    }

    /// Those of a tenant that have not been left, the latest seen, and the revision that they are at least.
    pub async fn snapshot(&self, tenant: TenantId) -> Result<(i64, Vec<v1::Visit>)> {
        let revision = self.told.revision(tenant);
        let visits = self.store.visits.list(tenant, parlor_store::Listed::default(), None, SNAPSHOT).await?;
        Ok((revision, self.shown(tenant, visits).await?))
    }

    /// As staff see them.
    async fn shown(&self, tenant: TenantId, visits: Vec<Visit>) -> Result<Vec<v1::Visit>> {
        let mut people: Vec<UserId> = visits.iter().filter_map(|visit| visit.person).collect();
        people.sort_unstable();
        people.dedup();
        let mut known: HashMap<UserId, User> = HashMap::new();
        if !people.is_empty() {
            let users = self.store.directory.users(tenant, &people).await?;
            known.extend(users.into_iter().map(|user| (user.id, user)));
        }
        let tabs = self.tabs();
        let to_proto = |visit: Visit| {
            let person = visit.person.and_then(|person| known.get(&person));
            let connections = tabs.connections(&(tenant, visit.key.as_str().into()));
            convert::visit(visit, person, connections)
        };
        Ok(visits.into_iter().map(to_proto).collect())
    }

    fn detached(&self, connection: &str) {
        // A core that goes down leaves everybody as they are.
        if self.stop.is_cancelled() {
            return;
        }
        let (gone, at) = (self.tabs().detach(connection), self.clock.now());
        match gone {
            Gone::Rest => {}
            Gone::Decided(key, decision) => {
                self.tasks.spawn(self.clone().settle(key, decision, at));
            }
            Gone::Linger(key, number, linger) => {
                self.tasks.spawn(self.clone().linger(key, number, linger, at));
            }
        }
    }

    /// Waits; then the visit was left when its last connection was gone, unless somebody came back.
    async fn linger(self, key: Key, number: u64, linger: Duration, gone_at: Millis) {
        if self.waits(linger).await {
            let over = self.tabs().linger_over(&key, number);
            if let Some(decision) = over {
                self.settle(key, decision, gone_at).await;
            }
        }
    }

    /// Stores a decision that no call waits for, as often as it takes.
    async fn settle(self, key: Key, decision: Decision, at: Millis) {
        loop {
            let recording = self.recording(&key, decision, at, Arose::Gone);
            let error = match self.store.visits.record(Recording { any: true, ..recording }).await {
                Ok(recorded) => return self.changed(key.0, recorded.visit.number),
                // It was erased, or never came to be.
                Err(parlor_store::Error::NotFound(parlor_store::What::Visit)) => return,
                Err(error) => Error::from(error),
            };
            if !self.may_try_again(&error).await {
                return;
            }
        }
    }

    fn recording(&self, key: &Key, decision: Decision, at: Millis, arose: Arose) -> Recording {
        Recording {
            tenant: key.0,
            key: key.1.to_string(),
            person: None,
            any: false,
            node: self.life.node().to_owned(),
            epoch: self.life.epoch().to_owned(),
            turn: decision.turn,
            state: decision.state,
            connected: decision.connected,
            at,
            arose,
        }
    }

    /// A visit changed: it is told of when the window is over.
    fn changed(&self, tenant: TenantId, number: i64) {
        if self.told.changed(tenant, number) {
            self.tasks.spawn(self.clone().tell(tenant));
        }
    }

    async fn tell(self, tenant: TenantId) {
        while self.waits(Duration::from_millis(WINDOW_MS.unsigned_abs())).await {
            let Some(numbers) = self.told.take(tenant) else { return };
            if let Err(error) = self.tell_of(tenant, &numbers).await {
                tracing::warn!(%error, "changes of visits could not be read; trying again");
                numbers.into_iter().for_each(|number| {
                    self.told.changed(tenant, number);
                });
            }
        }
    }

    async fn tell_of(&self, tenant: TenantId, numbers: &[i64]) -> Result<()> {
        for some in numbers.chunks(256) {
            let visits = self.store.visits.by_number(tenant, some).await?;
            for visit in self.shown(tenant, visits).await? {
                let revision = self.told.next(tenant);
                let changed = v1::VisitChanged { revision: wire::unsigned(revision), visit: Some(visit) };
                let event = v1::Event {
                    time: Some(wire::timestamp(self.clock.now())),
                    audience: v1::Audience::Staff.into(),
                    payload: Some(Payload::VisitChanged(changed)),
                    ..v1::Event::default()
                };
                (self.announce)(tenant, revision, event);
            }
        }
        Ok(())
    }

    /// Lets go whom a core that is over left connected, once they had time to come back; then, again and again, who is
    /// silent.
    async fn let_go(self) {
        if !self.waits(self.life.restart_linger()).await {
            return;
        }
        while !self.let_some_go(self.store.visits.let_go_left_over()).await {}
        loop {
            let since = self.clock.now().saturating_sub(SILENT_MS);
            while !self.let_some_go(self.store.visits.let_go_silent(since)).await {}
            if !self.waits(LOOK_EVERY).await {
                return;
            }
        }
    }

    /// True when nobody is left to let go, or nobody can be.
    async fn let_some_go(
        &self,
        going: impl Future<Output = parlor_store::Result<Vec<(TenantId, i64)>>>,
    ) -> bool {
        match going.await {
            Ok(gone) => {
                gone.iter().for_each(|(tenant, number)| self.changed(*tenant, *number));
                gone.is_empty()
            }
            Err(error) => !self.may_try_again(&error.into()).await,
        }
    }

    async fn may_try_again(&self, error: &Error) -> bool {
        self.life.heed(error);
        if self.life.is_lost() {
            return false;
        }
        tracing::warn!(%error, "what became of a visit could not be stored; trying again");
        self.stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_some()
    }

    /// Waits by the clock; false if this core goes down meanwhile.
    async fn waits(&self, time: Duration) -> bool {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let over = self.clock.sleep_until(self.clock.now().saturating_add(ms));
        self.stop.run_until_cancelled(over).await.is_some()
    }

    fn tabs(&self) -> MutexGuard<'_, Tabs> {
        lock(&self.tabs)
    }
}
