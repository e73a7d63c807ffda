//! One caller's share: how many calls in a time, and how many streams at a time. People have one each, wherever they are;
//! guests of a tenant have one for each network, since anybody can be many guests.
//!
//! Programs with a key, and the operator, are ours and have no share: they are bounded by the places of all calls.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use http::Request;
use http_body_util::BodyExt as _;
use parlor_api::network::network;
use parlor_store::{TenantId, UserId};
use tonic::body::Body;

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::{
    Error,
    buckets::{Buckets, Rate},
    caller::{Actor, Caller},
};

/// Callers that have called lately: some 10 MB. Those who come when so many are busy wait for one to rest.
const CALLERS_MAX: usize = 100_000;

/// What one caller may take.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Calls at once; 0 for no limit.
    pub calls_burst: u32,
    /// Calls in each second after that.
    pub calls_per_second: u32,
    /// Streams at a time; 0 for no limit.
    pub streams: usize,
}

impl Default for Share {
    /// Nobody meets it by hand: a page that opens asks ten things, and a busy agent's console a few in a second.
    fn default() -> Self {
        Self { calls_burst: 2_000, calls_per_second: 500, streams: 100 }
    }
}

/// Whose share it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Person(TenantId, UserId),
    Guests(TenantId, Option<IpAddr>),
}

/// The shares of all callers.
#[derive(Debug)]
pub struct Fair {
    rate: Option<Rate>,
    calls: Buckets<Who>,
    streams: Arc<Streams>,
    began: Instant,
}

#[derive(Debug)]
struct Streams {
    most: usize,
    open: Mutex<HashMap<Who, usize>>,
}

/// One stream of a caller, until it is dropped.
struct Open {
    streams: Arc<Streams>,
    who: Who,
}

impl Fair {
    pub fn new(share: Share) -> Self {
        let refill_ms = i64::from(1_000 / share.calls_per_second.clamp(1, 1_000));
        let rate = Rate { burst: share.calls_burst, refill_ms };
        Self {
            rate: (share.calls_burst > 0).then_some(rate),
            calls: Buckets::new(CALLERS_MAX),
            streams: Arc::new(Streams { most: share.streams, open: Mutex::default() }),
            began: Instant::now(),
        }
    }

    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let Some(who) = request.extensions().get::<Caller>().and_then(who) else {
            return next(request).await;
        };
        if let Some(rate) = self.rate {
            let now_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
            if let Err(error) = self.calls.take(&[(who.clone(), rate)], now_ms) {
                return refused(error);
            }
        }
        if !method_of(&request).streams {
            return next(request).await;
        }
        let Some(open) = self.streams.open(who) else {
            let maximum = u64::try_from(self.streams.most).unwrap_or(u64::MAX);
            return refused(Error::LimitReached { limit: "streams of a caller", maximum });
        };
        let answer = next(request).await?;
        // The stream is open as long as its body is there.
        Ok(answer.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _open = &open;
                frame
            }))
        }))
    }
}

fn who(caller: &Caller) -> Option<Who> {
    let principal = caller.principal.as_ref()?;
    match &principal.actor {
        Actor::User(user) => Some(Who::Person(principal.tenant, user.id)),
        Actor::Guest => Some(Who::Guests(principal.tenant, caller.peer.parse().ok().map(network))),
        Actor::Key(_) | Actor::Operator => None,
    }
}

impl Streams {
    fn open(self: &Arc<Self>, who: Who) -> Option<Open> {
        let mut open = self.lock();
        let count = open.entry(who.clone()).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Open { streams: Arc::clone(self), who })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}
