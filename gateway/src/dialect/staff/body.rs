//! The bodies of requests: what is missing, what is malformed, and what to call it.

use serde_json::Value;

use super::{
    read::{self, TextProblem},
    shape::bad_request,
};
use crate::dialect::{
    Response,
    rest::{Asked, Failure},
};

/// `{sessionId, message}`, as customers and staff send it.
pub(super) struct Message {
    pub(super) session_id: String,
    pub(super) text: String,
}

impl Message {
    pub(super) fn read(asked: &Asked, session_id: fn(&str) -> Option<&str>) -> Result<Self, Failure> {
        let body = asked.object()?;
        let required = || bad_request("Session ID and message are required");
        let text = read::text(body.get("message"));
        if read::falsy(body.get("sessionId")) || text == Err(TextProblem::Missing) {
            return Err(required().into());
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

fn invalid_session_id() -> Response {
    bad_request("Session ID is invalid")
}
