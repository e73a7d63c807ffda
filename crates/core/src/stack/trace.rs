//! Names the call: takes the request id that came with it or makes one, and opens its span.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::{HeaderValue, Request};
use parlor_api::{limits::REQUEST_ID_CHARS, metadata};
use tonic::{Status, body::Body};
use tracing::Instrument as _;

use super::{layer::Answer, method::Method};
use crate::status;

/// What the layers below know of a call.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static Method,
    pub request_id: Arc<str>,
}

/// The method a request is for, put there by [`Trace`].
pub fn method_of(request: &Request<Body>) -> &'static Method {
    request.extensions().get::<Call>().map_or_else(Method::unknown, |call| call.method)
}

/// Request ids made here: a random start and a count.
#[derive(Debug)]
pub struct Trace {
    start: u32,
    count: AtomicU64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { start: rand::random(), count: AtomicU64::new(1) }
    }
}

impl Trace {
    pub async fn around<F>(&self, mut request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let request_id = self.request_id(&request);
        let method = Method::of(request.uri().path());
        // Whatever came along was not proven by this chain.
        request.extensions_mut().clear();
        request.extensions_mut().insert(Call { method, request_id: request_id.clone() });

        let span = tracing::info_span!("call", method = method.name, request_id = &*request_id);
        let named = async {
            let mut response = next(request).await?;
            // Failures name the call, so that it can be found in the log.
            if response.headers().contains_key(Status::GRPC_STATUS)
                && let Ok(value) = HeaderValue::from_str(&status::request_id())
            {
                response.headers_mut().insert(metadata::REQUEST_ID, value);
            }
            Ok(response)
        };
        status::named(request_id, named).instrument(span).await
    }

    fn request_id(&self, request: &Request<Body>) -> Arc<str> {
        let named = request.headers().get(metadata::REQUEST_ID).and_then(|value| value.to_str().ok());
        match named.filter(|id| is_request_id(id)) {
            Some(id) => Arc::from(id),
            None => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                Arc::from(format!("{:08x}-{count:x}", self.start))
            }
        }
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
