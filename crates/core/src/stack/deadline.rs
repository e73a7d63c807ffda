//! Ends calls at their deadline. Tonic's server does it for calls from outside; here it holds in one process too. For a
//! stream it bounds the time until it answers at all.

use std::time::Duration;

use http::Request;
use tonic::body::Body;

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::{Error, Result};

const TIMEOUT: &str = "grpc-timeout";
/// The specification's bound on the number in the header.
const MAX_DIGITS: usize = 8;

/// How long calls get.
#[derive(Debug)]
pub struct Deadline {
    pub default: Duration,
    pub longest: Duration,
}

impl Deadline {
    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        match self.of(&request) {
            Ok(None) => next(request).await,
            // It is over already: nothing is begun.
            Ok(Some(Duration::ZERO)) => refused(Error::DeadlineExceeded),
            Ok(Some(timeout)) => match tokio::time::timeout(timeout, next(request)).await {
                Ok(answered) => answered,
                Err(_) => refused(Error::DeadlineExceeded),
            },
            Err(error) => refused(error),
        }
    }

    fn of(&self, request: &Request<Body>) -> Result<Option<Duration>> {
        let named = match request.headers().get(TIMEOUT) {
            Some(value) => {
                let parsed = value.to_str().ok().and_then(parse);
                Some(parsed.ok_or_else(|| Error::field(TIMEOUT, "must be a timeout"))?)
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
