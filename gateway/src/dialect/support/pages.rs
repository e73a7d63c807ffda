//! Two pages of the old server: what it says of itself, and the one that writes the chat's user into the browser.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::dialect::{
    Response,
    rest::{Asked, Failure, json},
};

const SETUP: &str = include_str!("setup-chat.html");

/// It loads nothing and talks to nobody.
const SETUP_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'",
);

/// `GET /`
pub(super) async fn about(_asked: Asked) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct About {
        message: &'static str,
        endpoints: Endpoints,
    }
    #[derive(Serialize)]
    struct Endpoints {
        admin: &'static str,
        user: &'static str,
    }
    let endpoints = Endpoints { admin: "/api/admin/*", user: "/api/*" };
    Ok(json(StatusCode::OK, &About { message: "Fashion Ecommerce API Server", endpoints }))
}

/// `GET /setup-chat.html`
pub(super) async fn setup(_asked: Asked) -> Result<Response, Failure> {
    Ok(Response {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        body: Bytes::from_static(SETUP.as_bytes()),
        headers: vec![(header::CONTENT_SECURITY_POLICY, SETUP_POLICY)],
    })
}
