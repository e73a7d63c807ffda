//! The bodies of requests: what is missing, what is malformed, and what to call it.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    read::{self, TextProblem},
    rest::bad_request,
};
use crate::dialect::{Request, Response};

/// The object a body holds; an empty body and what is no object hold nothing.
pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, Response> {
    let text = str::from_utf8(body).map_err(|_| not_json())?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match read::json(text) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Ok(Map::new()),
        None => Err(not_json()),
    }
}

/// `{sessionId, message}`, as customers and staff send it.
pub(super) struct Message {
    pub(super) session_id: String,
    pub(super) text: String,
}

impl Message {
    pub(super) fn read(request: &Request, session_id: fn(&str) -> Option<&str>) -> Result<Self, Response> {
        let body = object(&request.body)?;
        let required = || bad_request("Session ID and message are required");
        let text = read::text(body.get("message"));
        if read::falsy(body.get("sessionId")) || text == Err(TextProblem::Missing) {
            return Err(required());
        }
        let id = body.get("sessionId").and_then(Value::as_str).and_then(session_id);
        let id = id.ok_or_else(invalid_session_id)?;
        let text = text.map_err(|problem| match problem {
            TextProblem::Missing => required(),
            TextProblem::TooLong => bad_request("Message is too long"),
            TextProblem::Invalid => bad_request("Message is invalid"),
        })?;
        Ok(Self { session_id: id.to_owned(), text: text.to_owned() })
    }
}

/// The session id of a path.
pub(super) fn path_session_id(id: Option<&str>) -> Result<String, Response> {
    id.map(ToOwned::to_owned).ok_or_else(invalid_session_id)
}

pub(super) fn invalid_session_id() -> Response {
    bad_request("Session ID is invalid")
}

fn not_json() -> Response {
    bad_request("Invalid JSON")
}
