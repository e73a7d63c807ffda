//! Sheds load: above a bound, calls are refused at once instead of waiting until they are of no use to anybody.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tower::{BoxError, Service};

use super::{BoxFuture, refusal};
use crate::Error;

/// When to try again: long enough for most of what is inside to be done.
const RETRY_AFTER_MS: u64 = 100;

#[derive(Clone, Debug)]
pub struct Limits<S> {
    inner: S,
    in_flight: Arc<Semaphore>,
}

impl<S> Limits<S> {
    pub fn new(inner: S, calls_in_flight: usize) -> Self {
        Self { inner, in_flight: Arc::new(Semaphore::new(calls_in_flight)) }
    }
}

impl<S> Service<Request<Body>> for Limits<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> BoxFuture {
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            return Box::pin(async { Ok(refusal(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS })) });
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            // Held until the call answers; an open stream is bounded by who serves it.
            let _permit = permit;
            answer.await
        })
    }
}
