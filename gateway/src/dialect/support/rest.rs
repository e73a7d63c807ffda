//! One REST exchange: finds the endpoint, proves an admin where one is needed, and carries the endpoint's questions and
//! answer.
//!
//! The rule it keeps: an admin's endpoint begins only for staff, and exactly one answer leaves. What is not served here is
//! 404 in JSON, whatever the method.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tonic::{Code, Status};

use super::{
    Support, identity,
    login::Login,
    pages,
    threads::{Thread, Threads},
};
use crate::{
    dialect::{
        Answer, Call, Credential, Dialect as _, Effect, Input, Machine, Memory, Request, Response, Tag,
        answers::{is_outage, is_staff},
    },
    mount::Mount,
};

/// One kind of request, from its first question to its answer.
pub(super) trait Endpoint: Send {
    /// The first question, or already the answer.
    fn begin(&mut self) -> Next;

    /// Goes on with what the core answered.
    fn answered(&mut self, answer: Result<Answer, Status>) -> Next;
}

/// What an endpoint wants.
pub(super) enum Next {
    Ask(Box<Call>, Credential),
    Respond(Response),
}

impl Next {
    pub(super) fn ask(call: Call, credential: Credential) -> Self {
        Self::Ask(Box::new(call), credential)
    }
}

/// The machine of one exchange.
pub(super) struct Exchange {
    mount: Arc<Mount>,
    state: State,
}

enum State {
    Waiting,
    /// The endpoint is an admin's.
    Proving(Box<dyn Endpoint>),
    Asking(Box<dyn Endpoint>),
    Done,
}

/// What a request is for.
enum Found {
    Page(Response),
    Open(Box<dyn Endpoint>),
    Admin(Box<dyn Endpoint>),
}

/// The attach of an exchange; its calls follow.
const PROOF_TAG: Tag = 1;
const CALL_TAG: Tag = 2;

impl Exchange {
    pub(super) fn new(mount: Arc<Mount>) -> Self {
        Self { mount, state: State::Waiting }
    }

    fn request(&mut self, request: &Request, effects: &mut Vec<Effect>) {
        match route(request, &self.mount) {
            None => self.respond(refused(StatusCode::NOT_FOUND, "Not found"), effects),
            Some(Found::Page(page)) => self.respond(page, effects),
            Some(Found::Open(endpoint)) => self.begin(endpoint, effects),
            Some(Found::Admin(endpoint)) => {
                let Some(token) = identity::token_of_request(&self.mount, &request.headers) else {
                    let missing = refused(StatusCode::UNAUTHORIZED, "Unauthorized - Missing Token");
                    return self.respond(missing, effects);
                };
                effects.push(Effect::Attach {
                    tag: PROOF_TAG,
                    credential: Credential::Bearer(token.to_owned()),
                    memory: Memory::default(),
                });
                self.state = State::Proving(endpoint);
            }
        }
    }

    fn begin(&mut self, mut endpoint: Box<dyn Endpoint>, effects: &mut Vec<Effect>) {
        let next = endpoint.begin();
        self.go_on(endpoint, next, effects);
    }

    fn answered(&mut self, answer: Result<Answer, Status>, effects: &mut Vec<Effect>) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Proving(endpoint) => match judge(answer) {
                Ok(()) => self.begin(endpoint, effects),
                Err(refusal) => self.respond(refusal, effects),
            },
            State::Asking(mut endpoint) => {
                let next = endpoint.answered(answer);
                self.go_on(endpoint, next, effects);
            }
            state @ (State::Waiting | State::Done) => self.state = state,
        }
    }

    fn go_on(&mut self, endpoint: Box<dyn Endpoint>, next: Next, effects: &mut Vec<Effect>) {
        match next {
            Next::Ask(call, credential) => {
                effects.push(Effect::Call { tag: CALL_TAG, call, credential });
                self.state = State::Asking(endpoint);
            }
            Next::Respond(response) => self.respond(response, effects),
        }
    }

    fn respond(&mut self, response: Response, effects: &mut Vec<Effect>) {
        self.state = State::Done;
        effects.push(Effect::Respond { response, after: None });
    }
}

impl Machine for Exchange {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Request(request) if matches!(self.state, State::Waiting) => {
                self.request(&request, effects);
            }
            Input::Answer { answer, .. } => self.answered(answer, effects),
            Input::Closed => self.state = State::Done,
            // One request is all there is, and it hears no events. A revoked token fails the call it is used for.
            Input::Request(_)
            | Input::Frame(_)
            | Input::Connect { .. }
            | Input::Emitted { .. }
            | Input::Event { .. }
            | Input::RightsEnded(_)
            | Input::Timer(_) => {}
        }
    }
}

/// Finds what a request is for.
fn route(request: &Request, mount: &Mount) -> Option<Found> {
    let path = request.path.strip_suffix('/').unwrap_or(&request.path);
    let segments: Vec<_> = path
        .split('/')
        .skip(1)
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let get = matches!(request.method, Method::GET | Method::HEAD);
    let post = request.method == Method::POST;
    Some(match segments.as_slice() {
        [] if get => Found::Page(pages::about()),
        ["setup-chat.html"] if get => Found::Page(pages::setup()),
        ["api", "auth", "login"] if post => Found::Open(Box::new(Login::password(request, mount)?)),
        ["api", "auth", "register"] if post => Found::Open(Box::new(Login::signup(request, mount)?)),
        ["api", "admin", "chat" | "chatmessages"] if get => Found::Admin(Box::<Threads>::default()),
        ["api", "admin", "chat" | "chatmessages", id] if get => Found::Admin(Box::new(Thread::new(id))),
        _ => return None,
    })
}

/// Whether attaching proved an admin.
fn judge(answer: Result<Answer, Status>) -> Result<(), Response> {
    match answer {
        Ok(Answer::Attached(attached)) if is_staff(&attached) => Ok(()),
        Ok(Answer::Attached(_)) => Err(refused(StatusCode::FORBIDDEN, "Admin access required")),
        Err(status) if is_outage(&status) => Err(Support.unavailable()),
        Ok(_) | Err(_) => Err(refused(StatusCode::FORBIDDEN, "Token is invalid or expired")),
    }
}

// === Answers ===

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    Response {
        status,
        content_type: "application/json; charset=utf-8",
        body: Bytes::from(serde_json::to_vec(body).expect("our bodies have string keys only")),
        headers: Vec::new(),
    }
}

pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    #[derive(Serialize)]
    struct Refusal<'a> {
        message: &'a str,
    }
    json(status, &Refusal { message })
}

/// What the core's refusal looks like where the caller is known.
pub(super) fn failed(status: &Status) -> Response {
    match status.code() {
        Code::Unauthenticated => refused(StatusCode::FORBIDDEN, "Token is invalid or expired"),
        Code::ResourceExhausted => Support.too_many_requests(),
        _ => Support.unavailable(),
    }
}
