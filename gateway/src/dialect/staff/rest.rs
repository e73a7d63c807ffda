//! The endpoints, and what they refuse in the words of old.

use http::StatusCode;
use parlor_api::v1;

use super::{
    admin, customer, login, read,
    shape::{self, bad_request, not_found},
    wire::WIRE,
};
use crate::dialect::{
    Response,
    refusal::{Kind, Refusal},
    rest::{Rest, Route, routes},
};

pub(super) static REST: Rest = Rest {
    routes: ROUTES,
    token: |request, _mount| read::token(&request.headers).map(ToOwned::to_owned),
    not_found,
    not_json: || bad_request("Invalid JSON"),
    token_missing: || shape::refused(StatusCode::UNAUTHORIZED, "No token, authorization denied"),
    token_invalid,
    staff_only: access_denied,
    unproven: |refusal| refused(refusal, "Server error"),
    refused,
};

const ROUTES: &[Route] = routes![
    POST   "/chat/staff/connect"         Optional "Error connecting to staff"   => customer::connect,
    POST   "/chat/staff/message"         Optional "Error sending message"       => customer::write,
    GET    "/chat/staff/messages/:id"    Optional "Error getting messages"      => customer::poll,
    GET    "/chat/conversation/:id"      Optional "Error getting conversation"  => customer::history,
    DELETE "/chat/conversation/:id"      Optional "Error clearing conversation" => customer::clear,
    GET    "/chat/find-user-conversation" Optional "Error finding conversation" => customer::find_own,
    GET    "/chat/faqs"                  Open     "Error getting FAQs"          => customer::faqs,
    GET    "/chat/admin/active-chats"    Staff    "Error getting active chats"  => admin::active_chats,
    GET    "/chat/admin/messages/:id"    Staff    "Error getting messages"      => admin::messages,
    POST   "/chat/admin/reply"           Staff    "Error sending reply"         => admin::reply,
    POST   "/auth/login"                 Open     "Server error"                => login::password,
    POST   "/auth/register"              Open     "Server error"                => login::signup,
];

/// What the core's refusal looks like here; `failed` is the endpoint's own word for what should not happen.
fn refused(refusal: &Refusal, failed: &str) -> Response {
    let failed = |error| shape::failed(StatusCode::INTERNAL_SERVER_ERROR, failed, Some(error));
    match refusal.kind {
        Kind::NotPermitted => access_denied(),
        Kind::NotFound if refusal.reason == v1::Reason::ConversationNotFound => {
            shape::failed(StatusCode::NOT_FOUND, "Conversation not found", None)
        }
        Kind::Malformed => {
            let of_text = refusal.fields.iter().any(|(field, _)| field.ends_with("text"));
            bad_request(if of_text { "Message is invalid" } else { "Session ID is invalid" })
        }
        Kind::NotProven => token_invalid(),
        Kind::TooMany => (WIRE.too_many_requests)(),
        Kind::Away => failed("service unavailable"),
        _ => failed("internal error"),
    }
}

fn access_denied() -> Response {
    shape::failed(StatusCode::FORBIDDEN, "Access denied", None)
}

fn token_invalid() -> Response {
    shape::refused(StatusCode::UNAUTHORIZED, "Token is not valid")
}
