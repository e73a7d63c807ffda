//! REST: one exchange is one short connection, with a machine of its own.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use parlor_api::limits::FRAME_BYTES;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    dialect::{self, AllowHeaders, Input, OpeningKind, Response},
    driver::{Driver, count_refused},
    edge::Edge,
    mounted::Mounted,
    outbox::OUTBOX_BYTES,
    transport::plain,
};

/// A body arrives within this; it is at most 64 KiB.
const BODY_WITHIN: Duration = Duration::from_secs(15);

/// How much of a body that is too large is read past the answer, and for how long. Who still sends when the connection
/// is closed sees it broken and never learns why; this is enough for a picture pasted into a chat.
const OVERRUN_BYTES_MAX: usize = 8 * 1024 * 1024;
const OVERRUN_WITHIN: Duration = Duration::from_secs(2);

/// A machine answers within this, whatever it asks the core; a few calls of the longest deadline.
const EXCHANGE_WITHIN: Duration = Duration::from_secs(30);

/// How long a browser may remember a preflight.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("7200");

pub(super) async fn serve(
    edge: &Arc<Edge>,
    mounted: &Mounted,
    peer: Option<IpAddr>,
    path: String,
    request: Request<Body>,
) -> http::Response<Body> {
    let wire = mounted.dialect.wire();
    if request.method() == Method::OPTIONS {
        return preflight(&wire.cors, request.headers());
    }
    let over = peer.and_then(|address| edge.rest_limits.take(address, Instant::now()).err());
    let response = if let Some(wait) = over {
        metrics::counter!(crate::metric::REST_LIMITED, "dialect" => wire.name).increment(1);
        let mut refused = (wire.too_many_requests)();
        refused.headers.push((header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1)));
        refused
    } else if let Ok(place) = Arc::clone(&edge.exchanges).try_acquire_owned() {
        match read(edge, path, request).await {
            Ok(request) => exchange(edge, mounted, peer, request, place).await,
            Err(Unread::TooLarge(rest)) => {
                edge.tasks.spawn(swallow(rest, place));
                (wire.too_large)()
            }
            Err(Unread::Broken) => return plain(StatusCode::BAD_REQUEST, "the request could not be read\n"),
        }
    } else {
        metrics::counter!(crate::metric::REST_FULL, "dialect" => wire.name).increment(1);
        (wire.unavailable)()
    };
    if response.status.is_client_error() {
        count_refused(wire.name, "rest", response.status.canonical_reason().unwrap_or("refused"));
    }
    answer(response, &wire.cors)
}

/// Why a request has no body.
enum Unread {
    /// With what is left of it.
    TooLarge(Body),
    Broken,
}

async fn read(edge: &Edge, path: String, request: Request<Body>) -> Result<dialect::Request, Unread> {
    let (head, mut body) = request.into_parts();
    let collecting = Limited::new(&mut body, FRAME_BYTES).collect();
    let body: Bytes = match tokio::time::timeout(BODY_WITHIN, collecting).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Unread::TooLarge(body)),
        Ok(Err(_)) | Err(_) => return Err(Unread::Broken),
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let received = (edge.now)();
    Ok(dialect::Request { method: head.method, path, query, headers: head.headers, body, received })
}

/// Reads on while the refusal is on its way, and forgets what it reads.
async fn swallow(rest: Body, place: OwnedSemaphorePermit) {
    let mut rest = Limited::new(rest, OVERRUN_BYTES_MAX);
    let read = async { while let Some(Ok(_)) = rest.frame().await {} };
    // Over a bound the connection is cut after all.
    let _ = tokio::time::timeout(OVERRUN_WITHIN, read).await;
    drop(place);
}

/// Runs in a task of its own: a client that leaves does not undo half of what it asked for.
async fn exchange(
    edge: &Arc<Edge>,
    mounted: &Mounted,
    peer: Option<IpAddr>,
    request: dialect::Request,
    place: OwnedSemaphorePermit,
) -> Response {
    let mut driver = Driver::open(edge, mounted, peer, OpeningKind::Rest, &http::HeaderMap::new());
    let aborted = edge.aborted.clone();
    let unavailable = mounted.dialect.wire().unavailable;
    let running = edge.tasks.spawn(async move {
        let _place = place;
        let work = async {
            let response = converse(&mut driver, request).await;
            driver.close(Duration::ZERO).await;
            response
        };
        tokio::select! {
            response = work => response,
            () = aborted.cancelled() => None,
        }
    });
    running.await.ok().flatten().unwrap_or_else(unavailable)
}

/// Steps the machine until it answers. `None` if it does not: nothing it waits for is left, or its time is over.
async fn converse(driver: &mut Driver, request: dialect::Request) -> Option<Response> {
    let over = Instant::now() + EXCHANGE_WITHIN;
    driver.step(Input::Request(request)).await;
    let mut items = Vec::new();
    loop {
        if let Some(reply) = driver.reply.take() {
            if let Some(after) = reply.after {
                driver.hold(after).await;
            }
            return Some(reply.response);
        }
        if !driver.is_waiting() || driver.ending.is_some() {
            return None;
        }
        let timer = driver.next_timer().map_or(over, |timer| timer.min(over));
        tokio::select! {
            () = driver.outbox.ready() => {
                let taken = driver.outbox.take(OUTBOX_BYTES, &mut items);
                driver.outbox.release(taken);
                for item in items.drain(..) {
                    driver.take(item).await;
                }
                if driver.outbox.ending().is_some() {
                    return None;
                }
            }
            () = tokio::time::sleep_until(timer) => {
                if timer >= over {
                    return None;
                }
                driver.run_timers().await;
            }
        }
    }
}

/// What every OPTIONS is told, as it always was: whether a browser asks or somebody who only looks.
fn preflight(cors: &dialect::Cors, asked: &HeaderMap) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(cors.allow_methods));
    match cors.allow_headers {
        AllowHeaders::Named(names) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
        }
        AllowHeaders::Requested => {
            headers.insert(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
            if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
        }
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(cors.allow_origin));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    response
}

fn answer(response: Response, cors: &dialect::Cors) -> http::Response<Body> {
    let mut answer = http::Response::new(Body::from(response.body));
    *answer.status_mut() = response.status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(response.content_type));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(cors.allow_origin));
    headers.extend(response.headers);
    answer
}
