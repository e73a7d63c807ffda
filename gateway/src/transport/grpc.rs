//! Native gRPC and grpc-web on the public port: passed to the core as they are, but for what only a gateway may say.
//!
//! Public services alone are let through. `parlor-*` metadata of a client is removed, except the request id and the
//! wish for a tenant; the client's address and the gateway's key are added. What the core tells a gateway alone, such as
//! the position of what a call stored, is removed from the answer.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use parlor_api::{metadata, network::network};
use tonic::{Code, Status};
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

use self::ending::Ending;
use crate::edge::Edge;

mod ending;

/// What serves a call.
pub(super) type Service = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// The package whose services are ours, and those of it that are not for the public.
const PACKAGE: &str = "parlor.v1.";
const INTERNAL: [&str; 1] = ["parlor.v1.EdgeService"];

/// Services of others that every gRPC tool expects.
const FOREIGN: [&str; 3] = [HEALTH, REFLECTION[0], REFLECTION[1]];
const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// When to try again: as soon as one of the address's calls is answered.
const RETRY_AFTER_MS: u64 = 100;

/// What all metadata of ours begins with.
const OURS: &str = "parlor-";

/// What speaks of one connection, named by its `connection` header or not.
const HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A longer name for a call is replaced by one of ours.
const REQUEST_ID_MAX: usize = 128;

/// How long a browser may remember a preflight; the longest that browsers honour is two hours.
const PREFLIGHT_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// The answers' headers that scripts may read.
const EXPOSED: [HeaderName; 4] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static(metadata::REQUEST_ID),
];

/// The backend behind grpc-web and cross-origin rules. Credentials are tokens in metadata, never cookies, so any origin
/// may call.
pub(super) fn service(edge: &Arc<Edge>) -> Service {
    let (backend, draining) = (edge.calls.backend.public.clone(), edge.draining.clone());
    let ended = service_fn(move |request: Request<tonic::body::Body>| {
        let (backend, draining) = (backend.clone(), draining.clone());
        async move {
            if !ending::goes_on(request.uri().path()) {
                return backend.oneshot(request).await;
            }
            let answered = backend.oneshot(request.map(|said| Ending::asked(said, &draining))).await?;
            Ok(answered.map(|said| Ending::answered(said, &draining)))
        }
    });
    let web = GrpcWebLayer::new().layer(ended);
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::list([Method::POST]))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::list(EXPOSED))
        .max_age(PREFLIGHT_AGE);
    let service = cors.layer(web.map_request(|request: Request<Body>| request));
    BoxCloneSyncService::new(
        service.map_response(|response: Response<tonic::body::Body>| response.map(Body::new)),
    )
}

/// True for a gRPC or grpc-web call, and for the preflight of one.
pub(super) fn is_call(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        return true;
    }
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    preflight && is_public(request.uri().path())
}

pub(super) async fn serve(
    service: &Service,
    edge: &Edge,
    peer: Option<IpAddr>,
    mut request: Request<Body>,
) -> Response<Body> {
    let path = request.uri().path();
    if !is_public(path) || (is_reflection(path) && !edge.reflection) {
        return refused(Status::unimplemented("there is no such service here"));
    }
    // Held until the call answers; an open stream is bounded by who serves it.
    let share = peer.map(|peer| edge.calls_of.take(network(peer)));
    if matches!(share, Some(None)) {
        return refused(too_many());
    }
    stamp(request.headers_mut(), edge, peer);
    match service.clone().oneshot(request).await {
        Ok(mut response) => {
            keep(response.headers_mut(), &[metadata::REQUEST_ID]);
            response
        }
        // The channel to the core keeps the deadline too, and may be first; a call means the same in both layouts.
        Err(status) if matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded) => {
            let (code, reason) = (Code::DeadlineExceeded, parlor_api::v1::Reason::DeadlineExceeded);
            refused(parlor_api::failure::status(code, reason, "the deadline has passed", HashMap::new(), &[]))
        }
        Err(status) => {
            tracing::warn!(code = ?status.code(), "the core cannot be reached");
            refused(Status::unavailable("the core cannot be reached"))
        }
    }
}

/// Only exact names pass, so that no other spelling of an internal path does.
fn is_public(path: &str) -> bool {
    let Some((service, method)) = path.strip_prefix('/').and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let named = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let ours = service.strip_prefix(PACKAGE).is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !INTERNAL.contains(&service)
    });
    named && (ours || FOREIGN.contains(&service))
}

fn is_reflection(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
    service.is_some_and(|(service, _)| REFLECTION.contains(&service))
}

fn too_many() -> Status {
    let details = HashMap::from([("retry_after_ms".to_owned(), RETRY_AFTER_MS.to_string())]);
    let (code, reason) = (Code::ResourceExhausted, parlor_api::v1::Reason::RateLimited);
    parlor_api::failure::status(code, reason, "too many calls of this address", details, &[])
}

fn stamp(headers: &mut http::HeaderMap, edge: &Edge, peer: Option<IpAddr>) {
    end_hop(headers);
    keep(headers, &[metadata::REQUEST_ID, metadata::TENANT]);
    let named = headers.get(metadata::REQUEST_ID).is_some_and(|id| {
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    if !named {
        let id = uuid::Uuid::now_v7().to_string();
        headers.insert(metadata::REQUEST_ID, HeaderValue::try_from(id).expect("a UUID is visible"));
    }
    // What the core lets gateways alone do is not for who calls through one.
    headers.insert(metadata::PUBLIC, HeaderValue::from_static("true"));
    if let Some(peer) = peer {
        let peer = HeaderValue::try_from(peer.to_string()).expect("an address is visible");
        headers.insert(metadata::PEER, peer);
    }
    let key = edge.calls.edge_key.to_str().ok().and_then(|key| HeaderValue::from_str(key).ok());
    if let Some(mut key) = key {
        key.set_sensitive(true);
        headers.insert(metadata::EDGE_KEY, key);
    }
}

/// Removes what was meant for this hop alone (RFC 9110 section 7.6.1). Left in, a `connection` header would remove on the
/// next hop whatever it names, of what the gateway adds too.
fn end_hop(headers: &mut http::HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Removes the metadata that is between a gateway and the core only, on the way in and on the way out.
fn keep(headers: &mut http::HeaderMap, kept: &[&str]) {
    let ours = |name: &&HeaderName| name.as_str().starts_with(OURS) && !kept.contains(&name.as_str());
    let removed: Vec<HeaderName> = headers.keys().filter(ours).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}

/// A gRPC answer without a body; grpc-web clients read the same headers.
fn refused(status: Status) -> Response<Body> {
    let mut response = status.into_http::<Body>();
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let exposed = HeaderValue::from_static("grpc-status, grpc-message");
    response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn only_public_services_are_let_through() {
        for path in [
            "/parlor.v1.ChatService/SendMessage",
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(is_public(path), "{path}");
        }
        for path in [
            "/parlor.v1.EdgeService/Link",
            "/parlor.v1.%45dgeService/Link",
            "/parlor.v1./Link",
            "//parlor.v1.EdgeService/Link",
            "/parlor.v1.ChatService/../parlor.v1.EdgeService/Link",
            "/parlor.v2.ChatService/SendMessage",
            "/parlor.v1.ChatService/",
            "/",
        ] {
            assert!(!is_public(path), "{path}");
        }
    }
}
