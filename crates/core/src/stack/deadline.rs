//! Ends calls at their deadline. Tonic's server does it for calls from outside; here it holds in one process too. For a
//! stream it bounds the time until it answers at all.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{BoxError, Service};

use super::{BoxFuture, method_of, refusal};
use crate::Error;

const TIMEOUT: &str = "grpc-timeout";
/// The specification's bound on the number in the header.
const MAX_DIGITS: usize = 8;

#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    default: Duration,
    longest: Duration,
}

impl<S> Deadline<S> {
    pub fn new(inner: S, default: Duration, longest: Duration) -> Self {
        Self { inner, default, longest }
    }

    fn of(&self, request: &Request<Body>) -> Result<Option<Duration>, Error> {
        let named = match request.headers().get(TIMEOUT) {
            Some(value) => {
                let parsed = value.to_str().ok().and_then(parse);
                Some(parsed.ok_or_else(|| Error::field(TIMEOUT, "it is not a timeout"))?)
            }
            None => None,
        };
        if method_of(request).unary {
            Ok(Some(named.unwrap_or(self.default).min(self.longest)))
        } else {
            Ok(named)
        }
    }
}

impl<S> Service<Request<Body>> for Deadline<S>
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
        let timeout = match self.of(&request) {
            Ok(Some(timeout)) => timeout,
            Ok(None) => return Box::pin(self.inner.call(request)),
            Err(error) => return Box::pin(async { Ok(refusal(error)) }),
        };
        if timeout.is_zero() {
            // It is over already: nothing is begun.
            return Box::pin(async { Ok(refusal(Error::DeadlineExceeded)) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(timeout, answer).await {
                Ok(answered) => answered,
                Err(_) => Ok(refusal(Error::DeadlineExceeded)),
            }
        })
    }
}

/// Reads `TimeoutValue TimeoutUnit` of the gRPC specification.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_the_specification_are_read() {
        assert_eq!(parse("20m"), Some(Duration::from_millis(20)));
        assert_eq!(parse("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "m", "100000000n", "-1S", "+1S", "1", "1s", "1é", "1.5S"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
