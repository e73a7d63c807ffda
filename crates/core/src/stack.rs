//! What every call passes before a service sees it: the same chain in one process and behind a listener, because it is
//! part of the routes themselves.
//!
//! Context crosses as metadata only. The chain removes whatever extensions came with a request, and puts in what it has
//! proven: a [`Caller`](crate::caller::Caller).

mod deadline;
mod identify;
mod limits;
mod measure;
mod method;
mod panic;
mod trace;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use tonic::{Status, body::Body, service::Routes};
use tower::{BoxError, ServiceBuilder};

use crate::{Error, Service, auth::Auth};

/// What a request and its answer are between two layers.
type BoxFuture = futures::future::BoxFuture<'static, Result<Response<Body>, BoxError>>;

/// What operators may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Any of these proves a gateway; several, so that they can be rotated. None: no gateway is let in.
    pub edge_keys: Vec<String>,
    /// For unary calls that name no deadline.
    pub default_deadline: Duration,
    /// No unary call gets more.
    pub longest_deadline: Duration,
    /// Calls that may be worked on at once; more are refused, so that those inside are served in time.
    pub calls_in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            edge_keys: Vec::new(),
            default_deadline: Duration::from_secs(10),
            longest_deadline: Duration::from_secs(60),
            calls_in_flight: 10_000,
        }
    }
}

/// Puts the chain before the services. From the outside in:
pub fn wrap(routes: Routes, auth: &Arc<Auth>, options: &Options) -> Service {
    let chain = ServiceBuilder::new()
        .map_err(BoxError::from)
        // First, so that every line logged below names the request; it also clears what came along with it.
        .layer_fn(trace::Trace::new)
        // Outside of all that may refuse, so that refusals are counted.
        .layer_fn(measure::Measure::new)
        // Outside of the rest, so that waiting anywhere in it is waiting.
        .layer_fn(|inner| deadline::Deadline::new(inner, options.default_deadline, options.longest_deadline))
        // Inside the above, so that a panic is measured and answered like any failure.
        .layer_fn(panic::CatchPanic::new)
        // Before the caller is looked up: a flood is refused at no cost.
        .layer_fn(|inner| limits::Limits::new(inner, options.calls_in_flight))
        // Last: nothing can come between what was proven and the service.
        .layer_fn(|inner| identify::Identify::new(inner, auth.clone(), &options.edge_keys))
        .map_err(|never: std::convert::Infallible| -> BoxError { match never {} })
        .service(routes.prepare());
    Service::new(chain)
}

fn refusal(error: Error) -> Response<Body> {
    Status::from(error).into_http()
}

/// The method a request is for, put there by `trace`.
fn method_of(request: &Request<Body>) -> &'static method::Method {
    request.extensions().get::<trace::Call>().map_or_else(method::Method::unknown, |call| call.method)
}
