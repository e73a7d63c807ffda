//! The endpoints, and what they refuse in the words of old.

use std::borrow::Cow;

use http::StatusCode;

use super::{
    identity, login, pages,
    shape::{not_found, refused},
    threads,
    wire::WIRE,
};
use crate::dialect::{
    Response,
    refusal::{Kind, Refusal},
    rest::{Rest, Route, routes},
};

pub(super) static REST: Rest = Rest {
    routes: ROUTES,
    token: |request, mount| identity::token_of_request(mount, &request.headers).map(Cow::into_owned),
    not_found,
    not_json: || refused(StatusCode::BAD_REQUEST, "Invalid JSON!"),
    token_missing: || refused(StatusCode::UNAUTHORIZED, "Unauthorized - Missing Token"),
    token_invalid,
    staff_only: || refused(StatusCode::FORBIDDEN, "Admin access required"),
    unproven: |_refusal| (WIRE.unavailable)(),
    refused: failed,
};

const ROUTES: &[Route] = routes![
    GET  "/"                           Open  "Internal server error" => pages::about,
    GET  "/setup-chat.html"            Open  "Internal server error" => pages::setup,
    POST "/api/auth/login"             Open  "Internal server error" => login::password,
    POST "/api/auth/register"          Open  "Internal server error" => login::signup,
    POST "/api/auth/logout"            Open  "Internal server error" => login::signout,
    GET  "/api/admin/chat"             Staff "Internal server error" => threads::list,
    GET  "/api/admin/chat/:id"         Staff "Internal server error" => threads::one,
    GET  "/api/admin/chatmessages"     Staff "Internal server error" => threads::list,
    GET  "/api/admin/chatmessages/:id" Staff "Internal server error" => threads::one,
];

/// What the core's refusal looks like here.
fn failed(refusal: &Refusal, failed: &str) -> Response {
    match refusal.kind {
        Kind::NotProven => token_invalid(),
        Kind::TooMany => (WIRE.too_many_requests)(),
        _ => refused(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}

fn token_invalid() -> Response {
    refused(StatusCode::FORBIDDEN, "Token is invalid or expired")
}
