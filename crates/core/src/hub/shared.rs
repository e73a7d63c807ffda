//! What the hub and the tasks of its topics share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use parlor_bus::Bus;
use parlor_store::TenantId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    entry::Entry,
    topic::{Source, Topic},
};
use crate::{clock::Clock, locked::lock};

pub(super) struct Shared {
    pub bus: Arc<dyn Bus>,
    pub source: Arc<dyn Source>,
    pub clock: Clock,
    pub topics: Mutex<HashMap<Topic, Arc<Entry>>>,
    /// The feed's head of each tenant when heads were last compared.
    pub compared: Mutex<HashMap<TenantId, i64>>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

impl Shared {
    pub fn topics(&self) -> MutexGuard<'_, HashMap<Topic, Arc<Entry>>> {
        lock(&self.topics)
    }
}
