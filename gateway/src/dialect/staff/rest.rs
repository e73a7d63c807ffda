//! One REST exchange: finds the endpoint, proves the caller, and carries the endpoint's questions and answer.
//!
//! ```text
//! request ─► endpoint and access ─► [attach with the token] ─► begin ─► ask ─► answered ─► … ─► respond
//! ```
//!
//! The rule it keeps: a staff endpoint begins only for staff, and exactly one answer leaves. Where a token is a matter of
//! choice, one that proves nothing is as good as none, and staff who use the customer's endpoints are customers there.

use std::sync::Arc;

use http::{Method, StatusCode};
use parlor_api::{failure, v1};
use percent_encoding::percent_decode_str;
use tonic::{Code, Status};

use super::{
    Staff,
    admin::{ActiveChats, AdminMessages, Reply},
    customer::{Clear, Connect, Faqs, FindOwn, History, Poll, Write},
    login::Login,
    read, shape,
};
use crate::{
    dialect::{
        After, Answer, Call, Credential, Dialect as _, Effect, Input, Machine, Memory, Request, Response,
        Tag,
        answers::{is_outage, is_staff},
    },
    mount::Mount,
};

/// One kind of request, from its first question to its answer.
pub(super) trait Endpoint: Send {
    /// Begins for a caller; the first question, or already the answer.
    fn begin(&mut self, caller: Caller) -> Next;

    /// Goes on with what the core answered. `position` is where in the tenant the call's event is.
    fn answered(&mut self, answer: Result<Answer, Status>, position: Option<u64>) -> Next;
}

/// What an endpoint wants.
pub(super) enum Next {
    Ask(Box<Call>, Credential),
    Respond(Response),
    /// Respond once the gateway has passed this.
    RespondAfter(Response, After),
}

impl Next {
    pub(super) fn ask(call: Call, credential: Credential) -> Self {
        Self::Ask(Box::new(call), credential)
    }
}

/// Who calls.
#[derive(Clone)]
pub(super) struct Caller {
    /// On whose behalf the core is asked.
    pub(super) credential: Credential,
    /// Who it is; `None` for a guest.
    pub(super) person: Option<v1::Person>,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Everybody; a token makes no difference.
    Open,
    /// Everybody; a token says who.
    Optional,
    Staff,
}

/// The machine of one exchange.
pub(super) struct Exchange {
    mount: Arc<Mount>,
    state: State,
}

enum State {
    Waiting,
    Proving(Box<dyn Endpoint>, Access),
    Asking(Box<dyn Endpoint>),
    Done,
}

/// The attach of an exchange; its later calls count up from here.
const PROOF_TAG: Tag = 1;
const CALL_TAG: Tag = 2;

impl Exchange {
    pub(super) fn new(mount: Arc<Mount>) -> Self {
        Self { mount, state: State::Waiting }
    }

    fn request(&mut self, request: &Request, effects: &mut Vec<Effect>) {
        let token = read::token(&request.headers).map(ToOwned::to_owned);
        let Some((endpoint, access)) = route(request, &self.mount) else {
            return self.go_on(None, Next::Respond(not_found()), effects);
        };
        match (access, token) {
            (Access::Open, _) | (Access::Optional, None) => self.begin(endpoint, Caller::guest(), effects),
            (Access::Staff, None) => {
                let refusal = shape::refused(StatusCode::UNAUTHORIZED, "No token, authorization denied");
                self.go_on(None, Next::Respond(refusal), effects);
            }
            (Access::Optional | Access::Staff, Some(token)) => {
                effects.push(Effect::Attach {
                    tag: PROOF_TAG,
                    credential: Credential::Bearer(token),
                    memory: Memory::default(),
                });
                self.state = State::Proving(endpoint, access);
            }
        }
    }

    fn begin(&mut self, mut endpoint: Box<dyn Endpoint>, caller: Caller, effects: &mut Vec<Effect>) {
        let next = endpoint.begin(caller);
        self.go_on(Some(endpoint), next, effects);
    }

    fn answered(&mut self, answer: Result<Answer, Status>, position: Option<u64>, effects: &mut Vec<Effect>) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Proving(endpoint, access) => match judge(access, answer) {
                Ok(caller) => self.begin(endpoint, caller, effects),
                Err(refusal) => self.go_on(None, Next::Respond(refusal), effects),
            },
            State::Asking(mut endpoint) => {
                let next = endpoint.answered(answer, position);
                self.go_on(Some(endpoint), next, effects);
            }
            state @ (State::Waiting | State::Done) => self.state = state,
        }
    }

    fn go_on(&mut self, endpoint: Option<Box<dyn Endpoint>>, next: Next, effects: &mut Vec<Effect>) {
        let (response, after) = match (next, endpoint) {
            (Next::Ask(call, credential), Some(endpoint)) => {
                effects.push(Effect::Call { tag: CALL_TAG, call, credential });
                self.state = State::Asking(endpoint);
                return;
            }
            (Next::Ask(..), None) => (Staff.unavailable(), None),
            (Next::Respond(response), _) => (response, None),
            (Next::RespondAfter(response, after), _) => (response, Some(after)),
        };
        self.state = State::Done;
        effects.push(Effect::Respond { response, after });
    }
}

impl Machine for Exchange {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Request(request) if matches!(self.state, State::Waiting) => {
                self.request(&request, effects);
            }
            Input::Answer { answer, position, .. } => self.answered(answer, position, effects),
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

impl Caller {
    pub(super) fn guest() -> Self {
        Self { credential: Credential::Guest, person: None }
    }
}

/// Who calls, by what attaching said.
fn judge(access: Access, answer: Result<Answer, Status>) -> Result<Caller, Response> {
    match (access, answer) {
        (Access::Staff, Ok(Answer::Attached(attached))) if !is_staff(&attached) => Err(access_denied()),
        // Staff see every conversation and would answer as staff; with the customer's widget they are customers.
        (Access::Open | Access::Optional, Ok(Answer::Attached(attached))) if is_staff(&attached) => {
            Ok(Caller { credential: Credential::Guest, person: attached.person })
        }
        (_, Ok(Answer::Attached(attached))) => {
            Ok(Caller { credential: Credential::Connection, person: attached.person })
        }
        (_, Err(status)) if is_outage(&status) => Err(failed(&status, "Server error")),
        (Access::Open | Access::Optional, _) => Ok(Caller::guest()),
        (Access::Staff, _) => Err(invalid_token()),
    }
}

/// Finds the endpoint of a request. What is another method or path does not exist.
fn route(request: &Request, mount: &Mount) -> Option<(Box<dyn Endpoint>, Access)> {
    let path = request.path.strip_suffix('/').unwrap_or(&request.path).to_owned();
    let segments: Vec<_> = path
        .split('/')
        .skip(1)
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let get = matches!(request.method, Method::GET | Method::HEAD);
    let post = request.method == Method::POST;
    let found: (Box<dyn Endpoint>, Access) = match segments.as_slice() {
        ["chat", "staff", "connect"] if post => (Box::new(Connect::new(request)), Access::Optional),
        ["chat", "staff", "message"] if post => (Box::new(Write::new(request)), Access::Optional),
        ["chat", "staff", "messages", id] if get => (Box::new(Poll::new(id, request)), Access::Optional),
        ["chat", "conversation", id] if get => (Box::new(History::new(id, request)), Access::Optional),
        ["chat", "conversation", id] if request.method == Method::DELETE => {
            (Box::new(Clear::new(id)), Access::Optional)
        }
        ["chat", "find-user-conversation"] if get => (Box::new(FindOwn::new(request)), Access::Optional),
        ["chat", "faqs"] if get => (Box::new(Faqs), Access::Open),
        ["chat", "admin", "active-chats"] if get => (Box::new(ActiveChats), Access::Staff),
        ["chat", "admin", "messages", id] if get => (Box::new(AdminMessages::new(id)), Access::Staff),
        ["chat", "admin", "reply"] if post => (Box::new(Reply::new(request)), Access::Staff),
        ["auth", "login"] if post => (Box::new(Login::password(request, mount)?), Access::Open),
        ["auth", "register"] if post => (Box::new(Login::signup(request, mount)?), Access::Open),
        _ => return None,
    };
    Some(found)
}

// === Refusals that endpoints share ===

/// What the core's refusal looks like here; `failure` is the endpoint's own word for what should not happen.
pub(super) fn failed(status: &Status, failure_message: &str) -> Response {
    let reason = failure::reason(status);
    match status.code() {
        Code::PermissionDenied => access_denied(),
        Code::NotFound if reason == v1::Reason::ConversationNotFound => conversation_not_found(),
        Code::InvalidArgument => {
            let of_text = failure::fields(status).iter().any(|field| field.ends_with("text"));
            bad_request(if of_text { "Message is invalid" } else { "Session ID is invalid" })
        }
        Code::Unauthenticated => invalid_token(),
        Code::ResourceExhausted => Staff.too_many_requests(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            shape::failed(StatusCode::INTERNAL_SERVER_ERROR, failure_message, Some("service unavailable"))
        }
        _ => unexpected(failure_message),
    }
}

/// For what the core should not have answered.
pub(super) fn unexpected(failure_message: &str) -> Response {
    shape::failed(StatusCode::INTERNAL_SERVER_ERROR, failure_message, Some("internal error"))
}

pub(super) fn bad_request(message: &str) -> Response {
    shape::failed(StatusCode::BAD_REQUEST, message, None)
}

pub(super) fn conversation_not_found() -> Response {
    shape::failed(StatusCode::NOT_FOUND, "Conversation not found", None)
}

fn not_found() -> Response {
    shape::failed(StatusCode::NOT_FOUND, "Not found", None)
}

fn access_denied() -> Response {
    shape::failed(StatusCode::FORBIDDEN, "Access denied", None)
}

fn invalid_token() -> Response {
    shape::refused(StatusCode::UNAUTHORIZED, "Token is not valid")
}
