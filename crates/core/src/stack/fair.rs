//! One caller's share of the places of all calls: how many calls in a time, and how many streams at a time.
//!
//! Who has no share is bounded by the places alone.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt as _;
use parlor_api::places::Places;
use tonic::body::Body;

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::{
    Error,
    caller::Caller,
    clock::Clock,
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
    streams: Arc<Places<Who>>,
}

impl Fair {
    pub fn new(share: Share, clock: Clock) -> Self {
        let pace = Pace { burst: share.calls_burst, per_second: share.calls_per_second };
        Self { calls: Shares::new(pace, clock), streams: Places::new(share.streams) }
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
        let Some(place) = self.streams.take(who) else {
            let maximum = u64::try_from(self.streams.most()).unwrap_or(u64::MAX);
            return refused(Error::LimitReached { limit: "streams of a caller", maximum });
        };
        let answer = next(request).await?;
        // The stream is open as long as its body is there.
        Ok(answer.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _place = &place;
                frame
            }))
        }))
    }
}
