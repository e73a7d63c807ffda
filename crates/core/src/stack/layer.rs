//! What layers share: a layer takes a request and the next layer, and answers.

use std::convert::Infallible;

use http::Response;
use tonic::{Status, body::Body};

use crate::Error;

/// An answer; failures are answers too.
pub type Answer = Result<Response<Body>, Infallible>;

/// Answers with a failure.
pub fn refused(error: Error) -> Answer {
    Ok(Status::from(error).into_http())
}
