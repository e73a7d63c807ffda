//! Counts calls by method and code, and how long they take until they answer.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{BoxError, Service};

use super::{BoxFuture, method_of};

#[derive(Clone, Debug)]
pub struct Measure<S> {
    inner: S,
}

impl<S> Measure<S> {
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for Measure<S>
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
        let method = method_of(&request);
        let begun = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            let (code, took) = (code(&response), begun.elapsed());
            method.seconds().record(took);
            method.calls(code).increment(1);
            // The span says which call. Who called is not told.
            tracing::debug!(?code, ms = took.as_secs_f64() * 1_000.0, "answered");
            Ok(response)
        })
    }
}

/// A failure says its code in the head; what ends well, or fails later in a stream, does not.
fn code(response: &Response<Body>) -> Code {
    let head = response.headers().get(Status::GRPC_STATUS);
    head.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}
