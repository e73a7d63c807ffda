//! The dialect without a runtime: machines are stepped by hand, and the tests answer for the core.

use http::Method;
use parlor_api::v1;
use parlor_socketio::Text;
use serde_json::Value;

use super::Staff;
use crate::{
    dialect::{
        After, Answer, Credential, Dialect as _, Effect, Frame, Input, OpeningKind, Tag, TopicHandle,
        kit::{
            self, NOW, asked, bad_token, call, no_conversation, refusal, response, sent, subscribed,
            whole_response,
        },
        refusal::{Kind, Refusal},
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

type Talk = kit::Talk<Staff>;

impl Talk {
    fn socket() -> Self {
        Self::open(OpeningKind::WebSocket, mount())
    }

    fn rest() -> Self {
        Self::open(OpeningKind::Rest, mount())
    }

    fn text(&mut self, text: &str) -> &[Effect] {
        self.step(Input::Frame(Frame::Text(Text::from(text.to_owned()))))
    }

    fn send(&mut self, frame: &Value) -> &[Effect] {
        self.text(&frame.to_string())
    }

    fn ask(&mut self, method: Method, target: &str, token: Option<&str>, body: &str) -> &[Effect] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.request(method, target, &headers, body)
    }

    fn get(&mut self, target: &str, token: Option<&str>) -> &[Effect] {
        self.ask(Method::GET, target, token, "")
    }

    fn post(&mut self, target: &str, token: Option<&str>, body: &Value) -> &[Effect] {
        self.ask(Method::POST, target, token, &body.to_string())
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
    Mount { login_issuer: Some("shop".to_owned()), allow_signup: true, ..kit::mount("staff") }
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
    kit::attached((!roles.is_empty()).then(person), roles)
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
        reactions: Vec::new(),
        erased: false,
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
    Answer::from(v1::SendMessageResponse { message: Some(message), conversation: Some(conversation()) })
}

fn not_owner() -> Refusal {
    refusal(Kind::NotPermitted, v1::Reason::NotOwner)
}

// === What the machine wants ===

fn error(message: &str) -> String {
    format!(r#"{{"type":"error","message":"{message}"}}"#)
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

fn bearer(token: &str) -> Credential {
    Credential::Bearer(token.to_owned())
}

fn key(session_id: &str) -> v1::topic::Name {
    v1::topic::Name::ConversationKey(session_id.to_owned())
}
