//! Sheds load: above a bound, calls are refused at once instead of waiting until they are of no use to anybody.

use http::Request;
use tokio::sync::Semaphore;
use tonic::body::Body;

use super::layer::{Answer, refused};
use crate::Error;

/// When to try again: long enough for most of what is inside to be done.
const RETRY_AFTER_MS: u64 = 100;

/// The calls that may be inside.
#[derive(Debug)]
pub struct Limits(Semaphore);

impl Limits {
    pub fn new(calls_in_flight: usize) -> Self {
        Self(Semaphore::new(calls_in_flight))
    }

    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        // Held until the call answers; an open stream is bounded by who serves it.
        let Ok(_permit) = self.0.try_acquire() else {
            return refused(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS });
        };
        next(request).await
    }
}
