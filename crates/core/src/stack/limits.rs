//! Sheds load: above a bound, calls are refused at once instead of waiting until they are of no use to anybody.

use http::Request;
use parlor_api::metadata;
use tokio::sync::Semaphore;
use tonic::body::Body;

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::Error;

/// When to try again: long enough for most of what is inside to be done.
const RETRY_AFTER_MS: u64 = 100;

/// The calls that may be inside.
#[derive(Debug)]
pub struct Limits {
    all: Semaphore,
    /// What clients ask for themselves. The rest is kept for gateways: for whoever has come in, and for the link.
    public: Semaphore,
}

impl Limits {
    /// Clients' own calls get three of four places.
    pub fn new(calls_in_flight: usize) -> Self {
        let public = calls_in_flight - calls_in_flight / 4;
        Self { all: Semaphore::new(calls_in_flight), public: Semaphore::new(public) }
    }

    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        if method_of(&request).is_probe {
            return next(request).await;
        }
        let is_public = request.headers().contains_key(metadata::PUBLIC);
        let public = is_public.then(|| self.public.try_acquire()).transpose();
        // Held until the call answers; an open stream is bounded by who serves it.
        let (Ok(_public), Ok(_place)) = (public, self.all.try_acquire()) else {
            return refused(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS });
        };
        next(request).await
    }
}
