//! Lists that follow from what happened: asked for once for all who are to see them.
//!
//! ```text
//! machines ─► Refresh ─► round: waits ─► one call ─► rendered once ─► Refreshed ─► each of the machines
//! ```
//!
//! A round is of one mount, tenant and list. Whoever says during it that the list has changed is sent the list that is
//! asked for at its end; whoever says so once it is asked for is in the next. What a round holds is one entry for each
//! connection, and it is gone when nobody is in it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio_util::task::TaskTracker;

use crate::{
    call::{Caller, Calls},
    dialect::{Derived, Input, refusal::Kind},
    outbox::{Item, Outbox},
};

/// Connections on whose behalf one list is asked for, one after the other, where they turn out to have no rights any
/// more.
const ASKERS_MAX: usize = 4;

/// A connection that is to be sent a list.
pub(crate) struct Hearer {
    pub caller: Caller,
    pub outbox: Arc<Outbox>,
}

type Hearers = HashMap<Arc<str>, Hearer>;

/// The mount, the tenant and the list.
type Key = (String, Option<String>, &'static str);

/// The rounds under way.
#[derive(Clone)]
pub(crate) struct Rounds {
    calls: Calls,
    tasks: TaskTracker,
    open: Arc<Mutex<HashMap<Key, Hearers>>>,
}

impl Rounds {
    /// Makes its calls with `calls`, in tasks of `tasks`.
    pub fn new(calls: Calls, tasks: TaskTracker) -> Self {
        Self { calls, tasks, open: Arc::default() }
    }

    /// The list has changed for this connection, which is of this tenant.
    pub fn refresh(&self, list: &'static Derived, tenant: Option<String>, hearer: Hearer) {
        let key = (hearer.caller.mount.name.clone(), tenant, list.name);
        let hearer = (Arc::clone(&hearer.caller.connection), hearer);
        match self.open().entry(key) {
            Entry::Occupied(mut round) => {
                round.get_mut().insert(hearer.0, hearer.1);
            }
            Entry::Vacant(place) => {
                let key = place.key().clone();
                place.insert(Hearers::from([hearer]));
                self.tasks.spawn(self.clone().run(list, key));
            }
        }
    }

    async fn run(self, list: &'static Derived, key: Key) {
        loop {
            tokio::time::sleep(list.after).await;
            let Some(hearers) = self.next(&key) else { return };
            self.serve(list, hearers).await;
        }
    }

    /// Those of the round that is over, and the next one begins; the key is forgotten if there is nobody.
    fn next(&self, key: &Key) -> Option<Hearers> {
        let mut open = self.open();
        let hearers = std::mem::take(open.get_mut(key)?);
        if hearers.is_empty() {
            open.remove(key);
            return None;
        }
        Some(hearers)
    }

    /// Asks on behalf of one who is there, and sends all of them the answer.
    async fn serve(&self, list: &'static Derived, hearers: Hearers) {
        let mut hearers: Vec<Hearer> = hearers.into_values().collect();
        for tries in 1.. {
            hearers.retain(|hearer| hearer.outbox.ending().is_none());
            let Some(asker) = hearers.last() else { return };
            let (answer, _) = self.calls.call((list.ask)(), &asker.caller).await;
            let is_refused = answer
                .as_ref()
                .is_err_and(|refusal| matches!(refusal.kind, Kind::NotProven | Kind::NotPermitted));
            let told = if is_refused && tries < ASKERS_MAX { hearers.len() - 1 } else { 0 };
            let frame = (list.render)(answer);
            for hearer in hearers.drain(told..) {
                hearer.outbox.push(Item::Input(Box::new(Input::Refreshed(frame.clone())), None));
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Hearers>> {
        self.open.lock().expect("nothing panics while it holds the rounds")
    }
}

#[cfg(test)]
mod tests;
