//! The arrays of the wire: `["name", argument, …]` in both directions, and the one argument of an answer.
//!
//! Over Socket.IO a request's answer is its acknowledgement. Over a raw WebSocket a request that wants one ends in a number,
//! and its answer is `["answer", number, {…}]`.

use std::collections::HashMap;

use parlor_api::v1;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::dialect::{
    Effect, Frame, SocketEvent,
    refusal::{Kind, Refusal},
};

/// Where the answer of a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The acknowledgement of this number.
    Acknowledge(u64),
    /// A frame that names this number.
    Answer(u64),
    /// Nowhere: the client wants none. A refusal is told all the same.
    Nobody,
}

/// What a client asked.
#[derive(Debug)]
pub(super) struct Request {
    pub name: String,
    /// A JSON value; an empty object if none came.
    pub argument: String,
    pub reply: Reply,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome<'a, T> {
    Response(T),
    Error(Problem<'a>),
}

#[derive(Serialize)]
struct Told<'a> {
    error: Problem<'a>,
    /// What was asked, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: i32,
    reason: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    metadata: &'a HashMap<String, String>,
}

#[derive(Serialize)]
struct Field<'a> {
    field: &'a str,
    problem: &'a str,
}

/// An event of Socket.IO: its name, at most one argument, and nothing binary.
pub(super) fn emitted(event: &SocketEvent, ack: Option<u64>) -> Result<Request, (Refusal, Reply)> {
    let reply = ack.map_or(Reply::Nobody, Reply::Acknowledge);
    let Some((name, arguments)) = event.parts().filter(|_| event.attachments.is_empty()) else {
        return Err((invalid("an event has a name and JSON arguments, and nothing binary"), reply));
    };
    match arguments.as_slice() {
        [] => Ok(Request { name: name.into_owned(), argument: "{}".to_owned(), reply }),
        [one] => Ok(Request { name: name.into_owned(), argument: one.get().to_owned(), reply }),
        _ => Err((invalid("an event has one argument, the request"), reply)),
    }
}

/// A frame of a raw WebSocket: `["name", request, number]`, of which the last, or the last two, may be left out.
pub(super) fn framed(text: &str) -> Result<Request, (Refusal, Reply)> {
    let not_one = || (invalid("a frame is a JSON array: [\"name\", request, number]"), Reply::Nobody);
    let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| not_one())?;
    let (name, rest) = parts.split_first().ok_or_else(not_one)?;
    let name: String = serde_json::from_str(name.get()).map_err(|_| not_one())?;
    let (argument, reply) = match rest {
        [] => ("{}", Reply::Nobody),
        [argument] => (argument.get(), Reply::Nobody),
        [argument, number] => {
            let number = serde_json::from_str(number.get()).map_err(|_| not_one())?;
            (argument.get(), Reply::Answer(number))
        }
        _ => return Err(not_one()),
    };
    Ok(Request { name, argument: argument.to_owned(), reply })
}

/// Tells what came of a request.
pub(super) fn answer<T: Serialize>(
    reply: Reply,
    name: &str,
    outcome: Result<&T, &Refusal>,
) -> Option<Effect> {
    let told = match outcome {
        Ok(response) => Outcome::Response(response),
        Err(refusal) => Outcome::Error(of(refusal)),
    };
    match (reply, outcome) {
        (Reply::Acknowledge(ack), _) => {
            Some(Effect::Acknowledge { ack, arguments: SocketEvent::arguments(&told) })
        }
        (Reply::Answer(number), _) => Some(Effect::Send(array(&("answer", number, told)))),
        (Reply::Nobody, Err(refusal)) => Some(Effect::Send(problem(refusal, Some(name)))),
        (Reply::Nobody, Ok(_)) => None,
    }
}

/// An event of the contract; a stored one ends in its offset.
pub(super) fn event(event: &RawValue, offset: Option<&str>) -> Frame {
    match offset {
        Some(offset) => array(&("event", event, offset)),
        None => array(&("event", event)),
    }
}

/// What is wrong, where no answer tells it.
pub(super) fn problem(refusal: &Refusal, request: Option<&str>) -> Frame {
    array(&("problem", Told { error: of(refusal), request }))
}

/// A frame with one argument.
pub(super) fn told(name: &str, argument: &impl Serialize) -> Frame {
    array(&(name, argument))
}

/// The `data` of a CONNECT_ERROR.
pub(super) fn refused(refusal: &Refusal) -> Value {
    json!({"code": refusal.code, "reason": reason(refusal.reason)})
}

/// A request that is none.
pub(super) fn invalid(message: impl Into<Box<str>>) -> Refusal {
    Refusal::new(Kind::Malformed, v1::Reason::FieldInvalid, message)
}

/// A request that is longer than one may be.
pub(super) fn too_large(maximum: usize) -> Refusal {
    let message = format!("a request has at most {maximum} bytes");
    Refusal::over_limit("bytes of a request", maximum, message)
}

fn of(refusal: &Refusal) -> Problem<'_> {
    Problem {
        code: refusal.code,
        reason: reason(refusal.reason),
        message: &refusal.message,
        fields: refusal.fields.iter().map(|(field, problem)| Field { field, problem }).collect(),
        metadata: &refusal.details,
    }
}

fn reason(reason: v1::Reason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name)
}

fn array(array: &impl Serialize) -> Frame {
    let json = serde_json::to_string(array).expect("what is told is JSON");
    Frame::Event(SocketEvent::from(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_may_leave_out_its_number_and_its_request() {
        let of =
            |text: &str| framed(text).map(|request| (request.name, request.argument, request.reply)).ok();
        let (name, empty) = ("ListOnline".to_owned(), "{}".to_owned());
        assert_eq!(of(r#"["ListOnline"]"#), Some((name.clone(), empty.clone(), Reply::Nobody)));
        assert_eq!(of(r#"["ListOnline",{}]"#), Some((name.clone(), empty.clone(), Reply::Nobody)));
        assert_eq!(of(r#" [ "ListOnline" , {} , 7 ] "#), Some((name, empty, Reply::Answer(7))));
        for bad in ["", "{}", "[]", "[7]", r#"["a",{},-1]"#, r#"["a",{},"7"]"#, r#"["a",{},7,8]"#, r#"["a""#]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_branch_on() {
        let refusal = Refusal {
            fields: vec![("text".to_owned(), "is empty".to_owned())],
            ..invalid("the text is empty")
        };
        let Frame::Event(event) = problem(&refusal, Some("SendMessage")) else { panic!("it is an event") };
        assert_eq!(
            event.text(),
            r#"["problem",{"error":{"code":3,"reason":"FIELD_INVALID","message":"the text is empty","fields":[{"field":"text","problem":"is empty"}]},"request":"SendMessage"}]"#
        );
        assert_eq!(refused(&refusal).to_string(), r#"{"code":3,"reason":"FIELD_INVALID"}"#);
    }
}
