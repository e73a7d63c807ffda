//! Names the call: takes the request id that came with it or makes one, and opens its span.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response};
use parlor_api::{limits::REQUEST_ID_CHARS, metadata};
use tonic::body::Body;
use tower::{BoxError, Service};
use tracing::Instrument as _;

use super::{BoxFuture, method::Method};
use crate::status;

/// What the layers below know of a call.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static Method,
    pub request_id: Arc<str>,
}

#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
    made: Arc<Made>,
}

/// Request ids made here: a random start and a count.
#[derive(Debug)]
struct Made {
    start: u32,
    count: AtomicU64,
}

impl<S> Trace<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, made: Arc::new(Made { start: rand::random(), count: AtomicU64::new(1) }) }
    }

    fn request_id(&self, request: &Request<Body>) -> Arc<str> {
        let named = request.headers().get(metadata::REQUEST_ID).and_then(|value| value.to_str().ok());
        match named.filter(|id| is_request_id(id)) {
            Some(id) => Arc::from(id),
            None => {
                let count = self.made.count.fetch_add(1, Ordering::Relaxed);
                Arc::from(format!("{:08x}-{count:x}", self.made.start))
            }
        }
    }
}

impl<S> Service<Request<Body>> for Trace<S>
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

    fn call(&mut self, mut request: Request<Body>) -> BoxFuture {
        let request_id = self.request_id(&request);
        let method = Method::of(request.uri().path());
        // Whatever came along was not proven by this chain.
        request.extensions_mut().clear();
        request.extensions_mut().insert(Call { method, request_id: request_id.clone() });

        let span = tracing::info_span!("call", method = method.name, request_id = &*request_id);
        let answer = self.inner.call(request);
        let named = async move {
            let mut response = answer.await?;
            // Failures name the call, so that it can be found in the log.
            if response.headers().contains_key(tonic::Status::GRPC_STATUS)
                && let Ok(value) = HeaderValue::from_str(&status::request_id())
            {
                response.headers_mut().insert(metadata::REQUEST_ID, value);
            }
            Ok(response)
        };
        Box::pin(status::named(request_id, named).instrument(span))
    }
}

fn is_request_id(id: &str) -> bool {
    (1..=REQUEST_ID_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_log_line_is_not_taken() {
        assert!(is_request_id(&"a".repeat(REQUEST_ID_CHARS)));
        for id in ["", "a b", "a\"b", "é", &"a".repeat(REQUEST_ID_CHARS + 1)] {
            assert!(!is_request_id(id), "{id}");
        }
    }
}
