//! The one door of a listener: tells gRPC, health, Socket.IO, raw sockets and REST apart.
//!
//! A mount is at a prefix of every listener or of one, and at the root of one; the longest prefix wins. What belongs to
//! nobody is a plain 404, and a gRPC call of nobody is a gRPC answer.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    routing::get,
};
use http::{Method, Response, StatusCode};

use crate::{
    edge::{Edge, Metrics},
    mounted::Mounted,
    transport::{address, grpc, health, listener::Connection, plain, rest, socketio::Engines, websocket},
};

/// Everything a listener serves.
pub(crate) fn router(
    edge: &Arc<Edge>,
    mounts: Vec<Mounted>,
    engines: Engines,
    metrics: Option<Metrics>,
) -> Router {
    let door = Arc::new(Door { grpc: grpc::service(edge), mounts, engines, edge: Arc::clone(edge) });
    let sockets = Arc::clone(&door);
    probes(edge, metrics)
        .fallback(move |request: Request| {
            let door = Arc::clone(&door);
            async move { door.open(request).await }
        })
        // A request for a socket means the mount at that path, not a page that happens to have it.
        .layer(from_fn(move |request: Request, next: Next| {
            let door = Arc::clone(&sockets);
            async move {
                if websocket::is_upgrade(&request) {
                    door.open(request).await
                } else {
                    next.run(request).await
                }
            }
        }))
}

/// What probes and collectors ask.
pub(crate) fn probes(edge: &Arc<Edge>, metrics: Option<Metrics>) -> Router {
    let edge = Arc::clone(edge);
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || health::ready(Arc::clone(&edge))));
    match metrics {
        Some(metrics) => router.route("/metrics", get(move || async move { metrics() })),
        None => router,
    }
}

struct Door {
    edge: Arc<Edge>,
    grpc: grpc::Service,
    /// The longest prefix first.
    mounts: Vec<Mounted>,
    engines: Engines,
}

impl Door {
    async fn open(&self, request: Request) -> Response<Body> {
        let peer = request
            .extensions()
            .get::<Connection>()
            .map(|connection| address::client(connection.peer.ip(), request.headers(), &connection.proxies));
        if grpc::is_call(&request) {
            return grpc::serve(&self.grpc, &self.edge, peer, request).await;
        }
        let request = match self.engines.serve(request, peer).await {
            Ok(response) => return response,
            Err(request) => request,
        };
        let found = self.mounts.iter().find_map(|mounted| {
            let rest = within(request.uri().path(), &mounted.mount.prefix)?;
            Some((mounted, rest.to_owned()))
        });
        let Some((mounted, path)) = found else { return nobody(&request) };
        if websocket::is_upgrade(&request) && mounted.dialect.wire().carriers.websocket {
            return websocket::serve(&self.edge, mounted, peer, request);
        }
        rest::serve(&self.edge, mounted, peer, path, request).await
    }
}

/// The mounts of a listener, the longest prefix first; one that names the listener goes before one that names none.
pub(crate) fn places(mounts: &[Mounted], listener: &str) -> Vec<Mounted> {
    let here = |mounted: &&Mounted| mounted.mount.listener.as_deref().is_none_or(|named| named == listener);
    let mut here: Vec<Mounted> = mounts.iter().filter(here).cloned().collect();
    here.sort_by_key(|mounted| {
        (std::cmp::Reverse(mounted.mount.prefix.len()), mounted.mount.listener.is_none())
    });
    here
}

/// The path below a prefix, beginning with '/'; the prefix ends where a segment does.
fn within<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    match rest.as_bytes().first() {
        None => Some("/"),
        Some(b'/') => Some(rest),
        Some(_) => None,
    }
}

fn nobody(request: &Request) -> Response<Body> {
    if request.method() == Method::GET && request.uri().path() == "/" {
        return plain(StatusCode::OK, "parlor\n");
    }
    plain(StatusCode::NOT_FOUND, "not found\n")
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_prefix_ends_where_a_segment_does() {
        assert_eq!(within("/staff/chat/faqs", "/staff"), Some("/chat/faqs"));
        assert_eq!(within("/staff", "/staff"), Some("/"));
        assert_eq!(within("/staff/", "/staff/"), Some("/"));
        assert_eq!(within("/staffing", "/staff"), None);
        assert_eq!(within("/anything", ""), Some("/anything"));
        assert_eq!(within("/", ""), Some("/"));
    }
}
