//! Which gateways are linked: one door for each name, and only the newest epoch of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use parlor_api::v1::{LinkDrain, link_response::Body};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    queue::Queue,
    stream::{Requests, duration},
};
use crate::{Error, Result, locked::lock};

/// More gateways than this are a mistake in somebody's configuration.
const MAX_GATEWAYS: usize = 1024;

/// How the task of a gateway is reached.
#[derive(Clone)]
pub(super) struct Door {
    pub epoch: String,
    pub queue: Arc<Queue>,
    /// Hands a new stream to it.
    pub streams: mpsc::Sender<Stream>,
    /// Ends it, because its gateway was started anew.
    pub replaced: CancellationToken,
    /// Cancelled when it has ended: its connections are counted out.
    pub ended: CancellationToken,
}

/// A stream that shall be served.
pub(super) struct Stream {
    pub requests: Requests,
    /// Cancelled when it has been taken over; its responses begin then.
    pub begun: CancellationToken,
    /// Its responses end when this is dropped: it is served no more, or never was.
    pub _served: DropGuard,
}

/// The gateways of this core.
#[derive(Default)]
pub(super) struct Registry {
    doors: Mutex<HashMap<String, Door>>,
    /// When this core is down, once it goes down.
    down_at: OnceLock<Instant>,
}

impl Registry {
    /// The door of an epoch, if it still stands.
    pub fn find(&self, gateway: &str, epoch: &str) -> Option<Door> {
        lock(&self.doors)
            .get(gateway)
            .filter(|door| door.epoch == epoch && !door.replaced.is_cancelled())
            .cloned()
    }

    /// Puts a door in the place of an earlier epoch's, which ends. Answers when it has.
    pub fn insert(&self, gateway: &str, door: Door) -> Result<Option<CancellationToken>> {
        let mut doors = lock(&self.doors);
        if doors.len() >= MAX_GATEWAYS && !doors.contains_key(gateway) {
            return Err(Error::LimitReached { limit: "gateways", maximum: MAX_GATEWAYS as u64 });
        }
        let earlier = doors.insert(gateway.to_owned(), door);
        Ok(earlier.map(|earlier| {
            earlier.replaced.cancel();
            earlier.ended
        }))
    }

    /// Forgets a door that has closed, unless another has its place.
    pub fn remove(&self, gateway: &str, queue: &Arc<Queue>) {
        let mut doors = lock(&self.doors);
        if doors.get(gateway).is_some_and(|door| Arc::ptr_eq(&door.queue, queue)) {
            doors.remove(gateway);
        }
    }

    /// Tells every gateway, also those that link later, that this core goes down.
    pub fn drain(&self, grace: Duration) {
        // Before the doors are looked at: who comes later finds it.
        self.down_at.get_or_init(|| Instant::now() + grace);
        let queues: Vec<_> = lock(&self.doors).values().map(|door| Arc::clone(&door.queue)).collect();
        for queue in queues {
            queue.control(Body::Drain(LinkDrain { grace: Some(duration(grace)) }));
        }
    }

    /// Tells a gateway that has just linked, if this core goes down.
    pub fn tell_drain(&self, queue: &Queue) {
        if let Some(down_at) = self.down_at.get() {
            let grace = Some(duration(down_at.saturating_duration_since(Instant::now())));
            queue.control(Body::Drain(LinkDrain { grace }));
        }
    }

    pub fn len(&self) -> usize {
        lock(&self.doors).len()
    }
}
