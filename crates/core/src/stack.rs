//! What every call passes before a service sees it: the same chain in one process and behind a listener, because it is
//! part of the routes themselves.
//!
//! Context crosses as metadata only. The chain removes whatever extensions came with a request, and puts in what it has
//! proven: a [`Caller`](crate::caller::Caller).

mod arrival;
mod deadline;
mod fair;
mod identify;
mod layer;
mod limits;
mod measure;
mod method;
mod panic;
mod trace;

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::{body::Body, service::Routes};
use tower::{BoxError, Service as _};

pub use self::fair::Share;
use self::{
    arrival::Arrivals, deadline::Deadline, fair::Fair, identify::Identify, layer::Answer, limits::Limits,
    trace::Trace,
};
use crate::{Service, auth::Auth, clock::Clock};

/// What operators may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Any of these proves a gateway; several, so that they can be rotated. None: no gateway is let in.
    pub edge_keys: Vec<String>,
    /// For unary calls that name no deadline.
    pub default_deadline: Duration,
    /// No unary call gets more.
    pub longest_deadline: Duration,
    /// A call's message comes whole within this.
    pub arrive_within: Duration,
    /// Calls that may be worked on at once; more are refused, so that those inside are served in time.
    pub calls_in_flight: usize,
    /// What one caller may take.
    pub share: Share,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            edge_keys: Vec::new(),
            default_deadline: Duration::from_secs(10),
            longest_deadline: Duration::from_secs(60),
            arrive_within: Duration::from_secs(5),
            calls_in_flight: 10_000,
            share: Share::default(),
        }
    }
}

/// Puts the chain before the services.
pub fn wrap(routes: Routes, auth: &Arc<Auth>, clock: &Clock, options: &Options) -> Service {
    let layers = Layers {
        trace: Trace::default(),
        deadline: Deadline { default: options.default_deadline, longest: options.longest_deadline },
        arrivals: Arrivals::new(options.arrive_within),
        limits: Limits::new(options.calls_in_flight),
        identify: Identify::new(auth.clone(), &options.edge_keys),
        fair: Fair::new(options.share, clock.clone()),
    };
    Service::new(Chain { layers: Arc::new(layers), routes: routes.prepare() })
}

/// What the layers keep between calls.
struct Layers {
    trace: Trace,
    deadline: Deadline,
    arrivals: Arrivals,
    limits: Limits,
    identify: Identify,
    fair: Fair,
}

impl Layers {
    /// Takes a request through the chain. A layer is a function around the next one, which it calls or does not.
    async fn answer(&self, request: Request<Body>, mut routes: Routes) -> Answer {
        // From the inside out.
        let next = |request| routes.call(request);
        // Once it is known who calls.
        let next = |request| self.fair.around(request, next);
        let next = |request| self.identify.around(request, next);
        // Before the caller is looked up: a flood is refused at no cost.
        let next = |request| self.limits.around(request, next);
        // Outside of the places: who keeps a message back keeps none of them.
        let next = |request| self.arrivals.around(request, next);
        // Inside the below, so that a panic is measured and answered like any failure.
        let next = |request| panic::around(request, next);
        // Outside of the above, so that waiting anywhere in it is waiting.
        let next = |request| self.deadline.around(request, next);
        // Outside of all that may refuse, so that refusals are counted.
        let next = |request| measure::around(request, next);
        // First, so that every line logged in a call names the request; it also clears what came along with it.
        self.trace.around(request, next).await
    }
}

/// The chain as a service: one future for a call, however many layers there are.
#[derive(Clone)]
struct Chain {
    layers: Arc<Layers>,
    routes: Routes,
}

impl tower::Service<Request<Body>> for Chain {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (layers, routes) = (self.layers.clone(), self.routes.clone());
        Box::pin(async move { layers.answer(request, routes).await.map_err(BoxError::from) })
    }
}
