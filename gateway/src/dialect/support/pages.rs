//! Two pages of the old server: what it says of itself, and the one that writes the chat's user into the browser.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::dialect::{
    Response,
    rest::{Asked, Failure, JSON},
};

const ABOUT: &str =
    r#"{"message":"Fashion Ecommerce API Server","endpoints":{"admin":"/api/admin/*","user":"/api/*"}}"#;

const SETUP: &str = include_str!("setup-chat.html");

/// It loads nothing and talks to nobody.
const SETUP_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'",
);

/// `GET /`
pub(super) async fn about(_asked: Asked) -> Result<Response, Failure> {
    let body = Bytes::from_static(ABOUT.as_bytes());
    Ok(Response { status: StatusCode::OK, content_type: JSON, body, headers: Vec::new() })
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
