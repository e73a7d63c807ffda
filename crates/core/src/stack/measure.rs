//! Counts calls by method and code, and how long they take until they answer.

use std::time::Instant;

use http::{Request, Response};
use tonic::{Code, Status, body::Body};

use super::{layer::Answer, trace::method_of};

pub async fn around<F>(request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
where
    F: Future<Output = Answer>,
{
    let method = method_of(&request);
    let begun = Instant::now();
    let response = next(request).await?;
    let (code, took) = (code(&response), begun.elapsed());
    method.seconds().record(took);
    method.calls(code).increment(1);
    // The span says which call. Who called is not told.
    tracing::debug!(?code, ms = took.as_secs_f64() * 1_000.0, "answered");
    Ok(response)
}

/// A failure says its code in the head; what ends well, or fails later in a stream, does not.
fn code(response: &Response<Body>) -> Code {
    let head = response.headers().get(Status::GRPC_STATUS);
    head.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}
