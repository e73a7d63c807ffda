//! Turns bytes into frames, requests and calls, and interprets nothing.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

pub mod address;
pub(crate) mod front;
mod grpc;
mod health;
pub mod listener;
mod open;
pub(crate) mod rest;
pub(crate) mod socketio;
mod tls;
mod websocket;

/// An answer that no dialect has words for.
fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
