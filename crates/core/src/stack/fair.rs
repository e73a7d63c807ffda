//! One caller's share of the places of all calls: how many calls in a time, and how many streams at a time.
//!
//! Who has no share is bounded by the places alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::Request;
use http_body_util::BodyExt as _;
use tonic::body::Body;

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::{
    Error,
    caller::Caller,
    share::{Pace, Shares, Who},
};

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

/// The shares of all callers.
#[derive(Debug)]
pub struct Fair {
    calls: Shares,
    streams: Arc<Streams>,
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
        let pace = Pace { burst: share.calls_burst, per_second: share.calls_per_second };
        Self {
            calls: Shares::new(pace),
            streams: Arc::new(Streams { most: share.streams, open: Mutex::default() }),
        }
    }

    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let caller = request.extensions().get::<Caller>();
        let Some((caller, who)) = caller.and_then(|caller| Some((caller, Who::of(caller)?))) else {
            return next(request).await;
        };
        if let Err(error) = self.calls.take(caller) {
            return refused(error);
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
