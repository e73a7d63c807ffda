//! The dialect without a runtime: machines are stepped by hand, and the tests answer for the core.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parlor_api::{failure, v1};
use parlor_socketio::Text;
use serde_json::Value;
use tonic::{Code, Status};

use super::Staff;
use crate::{
    dialect::{
        After, Answer, Call, Credential, Dialect as _, Effect, Frame, Input, Machine, Opening, OpeningKind,
        Request, Response, Tag, TopicHandle,
    },
    mount::Mount,
};

mod arbitrary;
mod events;
mod holes;
mod rest;
mod socket;

const SESSION: &str = "session_1795206390007_yemuse1b4";
const OTHER: &str = "session_1795206390008_0000other0";
const CONVERSATION_ID: &str = "0190a000-0000-7000-8000-000000000001";

/// 2026-11-20T20:26:30.007Z
const NOW: prost_types::Timestamp = prost_types::Timestamp { seconds: 1_795_206_390, nanos: 7_000_000 };

/// One machine and what it last wanted.
struct Talk {
    machine: Box<dyn Machine>,
    effects: Vec<Effect>,
    /// What was counted as refused, and why.
    refused: Vec<(&'static str, &'static str)>,
    tag: Tag,
}

impl Talk {
    fn socket() -> Self {
        Self::open(OpeningKind::WebSocket, mount())
    }

    fn rest() -> Self {
        Self::open(OpeningKind::Rest, mount())
    }

    fn open(kind: OpeningKind, mount: Mount) -> Self {
        let machine =
            Staff.open(Opening { mount: Arc::new(mount), peer: None, kind, headers: http::HeaderMap::new() });
        Self { machine, effects: Vec::new(), refused: Vec::new(), tag: 0 }
    }

    fn step(&mut self, input: Input) -> &[Effect] {
        self.effects.clear();
        self.machine.step(input, &mut self.effects);
        self.refused.clear();
        let refused = self.effects.extract_if(.., |effect| matches!(effect, Effect::Refused { .. }));
        self.refused.extend(refused.filter_map(|effect| match effect {
            Effect::Refused { what, why } => Some((what, why)),
            _ => None,
        }));
        for effect in &self.effects {
            if let Effect::Call { tag, .. } | Effect::Attach { tag, .. } | Effect::Subscribe { tag, .. } =
                effect
            {
                self.tag = *tag;
            }
        }
        &self.effects
    }

    fn text(&mut self, text: &str) -> &[Effect] {
        self.step(Input::Frame(Frame::Text(Text::from(text.to_owned()))))
    }

    fn send(&mut self, frame: &Value) -> &[Effect] {
        self.text(&frame.to_string())
    }

    fn answer(&mut self, answer: Answer) -> &[Effect] {
        self.answer_at(Ok(answer), None)
    }

    fn refuse(&mut self, status: Status) -> &[Effect] {
        self.answer_at(Err(status), None)
    }

    fn answer_at(&mut self, answer: Result<Answer, Status>, position: Option<u64>) -> &[Effect] {
        let tag = self.tag;
        self.step(Input::Answer { tag, answer, position })
    }

    fn request(&mut self, method: Method, target: &str, token: Option<&str>, body: &Value) -> &[Effect] {
        self.raw_request(method, target, token, body.to_string())
    }

    fn raw_request(&mut self, method: Method, target: &str, token: Option<&str>, body: String) -> &[Effect] {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let authorization = token.map(|token| {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            (HeaderName::from_static("authorization"), value)
        });
        self.step(Input::Request(Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::from_iter(authorization),
            body: body.into(),
            received: jiff::Timestamp::new(NOW.seconds, NOW.nanos).unwrap(),
        }))
    }

    fn get(&mut self, target: &str, token: Option<&str>) -> &[Effect] {
        self.raw_request(Method::GET, target, token, String::new())
    }

    /// Registers as a customer without a token.
    fn registered(session_id: &str, topic: u64) -> Self {
        let mut talk = Self::socket();
        talk.send(&serde_json::json!({"type": "register", "sessionId": session_id}));
        talk.answer(attached(&[]));
        let effects = talk.answer(subscribed(topic));
        assert_eq!(
            sent(effects),
            [format!(r#"{{"type":"registered","sessionId":"{session_id}","status":"connected"}}"#)]
        );
        talk
    }

    /// Goes on to register as staff.
    fn and_staff(mut self, topic: u64) -> Self {
        self.send(&serde_json::json!({"type": "register_admin", "userId": "x", "token": "good"}));
        self.answer(attached(&[v1::Role::Admin]));
        let effects = self.answer(subscribed(topic));
        assert_eq!(sent(effects), [r#"{"type":"admin_registered","userId":"64b001","status":"connected"}"#]);
        self
    }

    fn staff() -> Self {
        Self::socket().and_staff(7)
    }
}

fn mount() -> Mount {
    Mount {
        name: "staff".to_owned(),
        dialect: "staff".to_owned(),
        prefix: "/staff".to_owned(),
        listener: None,
        tenant: Some("demo".to_owned()),
        issuers: Vec::new(),
        origins: Vec::new(),
        login_issuer: Some("shop".to_owned()),
        allow_signup: true,
        guests: false,
        identity: crate::mount::Identity::Token,
        rate: None,
        linger: Duration::ZERO,
    }
}

// === What the core says ===

fn person() -> v1::Person {
    v1::Person {
        user_id: "0190a000-0000-7000-8000-00000000000a".to_owned(),
        number: 1,
        display_name: "Ada Lovelace".to_owned(),
        username: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        subject: "64b001".to_owned(),
        ..v1::Person::default()
    }
}

fn attached(roles: &[v1::Role]) -> Answer {
    Answer::Attached(v1::LinkAttached {
        handle: "sealed".to_owned(),
        person: (!roles.is_empty()).then(person),
        roles: roles.iter().map(|role| i32::from(*role)).collect(),
        tenant: "demo".to_owned(),
        ..v1::LinkAttached::default()
    })
}

fn subscribed(topic: u64) -> Answer {
    Answer::Subscribed { topic: TopicHandle(topic), position: 0, conversation_id: String::new() }
}

fn message(sequence: u64, kind: v1::AuthorKind, person: Option<v1::Person>, text: &str) -> v1::Message {
    v1::Message {
        id: "0190a000-0000-7000-8000-0000000000ff".to_owned(),
        number: sequence,
        conversation_id: CONVERSATION_ID.to_owned(),
        sequence,
        author: Some(v1::Author { kind: kind.into(), person }),
        text: text.to_owned(),
        create_time: Some(NOW),
    }
}

fn conversation() -> v1::Conversation {
    v1::Conversation {
        id: CONVERSATION_ID.to_owned(),
        number: 3,
        key: SESSION.to_owned(),
        kind: "staff".to_owned(),
        status: v1::ConversationStatus::Open.into(),
        waiting: true,
        unanswered: true,
        unread_count: 1,
        last_message: Some(message(1, v1::AuthorKind::Customer, None, "hello staff")),
        last_sequence: 1,
        customer_active_time: Some(NOW),
        ..v1::Conversation::default()
    }
}

fn stored(message: v1::Message) -> Answer {
    Answer::SendMessage(v1::SendMessageResponse {
        message: Some(message),
        conversation: Some(conversation()),
    })
}

fn status(code: Code, reason: v1::Reason) -> Status {
    failure::status(code, reason, "no", std::collections::HashMap::new(), &[])
}

fn bad_token() -> Status {
    status(Code::Unauthenticated, v1::Reason::CredentialInvalid)
}

fn not_owner() -> Status {
    status(Code::PermissionDenied, v1::Reason::NotOwner)
}

fn no_conversation() -> Status {
    status(Code::NotFound, v1::Reason::ConversationNotFound)
}

// === What the machine wants ===

fn sent(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(Frame::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn error(message: &str) -> String {
    format!(r#"{{"type":"error","message":"{message}"}}"#)
}

#[track_caller]
fn call(effects: &[Effect]) -> (&Call, &Credential) {
    match effects {
        [Effect::Call { call, credential, .. }] => (call, credential),
        other => panic!("not one call: {other:?}"),
    }
}

#[track_caller]
fn attach(effects: &[Effect]) -> &Credential {
    match effects {
        [Effect::Attach { credential, .. }] => credential,
        other => panic!("not one attach: {other:?}"),
    }
}

#[track_caller]
fn subscribe(effects: &[Effect]) -> &v1::topic::Name {
    match effects {
        [Effect::Subscribe { topic, .. }] => topic,
        other => panic!("not one subscribe: {other:?}"),
    }
}

#[track_caller]
fn response(effects: &[Effect]) -> (u16, &str) {
    let (Response { status, body, .. }, _) = held(effects);
    (status.as_u16(), str::from_utf8(body).unwrap())
}

#[track_caller]
fn held(effects: &[Effect]) -> (&Response, Option<&After>) {
    match effects {
        [Effect::Respond { response, after }] => (response, after.as_ref()),
        other => panic!("not one response: {other:?}"),
    }
}

fn bearer(token: &str) -> Credential {
    Credential::Bearer(token.to_owned())
}

fn key(session_id: &str) -> v1::topic::Name {
    v1::topic::Name::ConversationKey(session_id.to_owned())
}
