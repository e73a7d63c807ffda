//! The dialect without a runtime: machines are stepped by hand, and the tests answer for the core.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use parlor_api::v1;
use serde_json::{Value, json};

use super::Support;
use crate::{
    dialect::{
        Answer, Call, Credential, Derived, Dialect as _, Effect, Frame, Input, OpeningKind, Rendered,
        Response, SocketEvent, Tag,
        kit::{
            self, NOW, acknowledged, asks_nothing, bad_token, message_number, no_conversation, refusal,
            response, sent, subscribed,
        },
        refusal::{Kind, Refusal},
        who::{CUSTOMER, STAFF},
    },
    mount::{Cookie, Identity, Mount},
};

mod arbitrary;
mod holes;
mod rest;
mod shapes;
mod socket;

const ISO: &str = "2026-11-20T20:26:30.007Z";

const UUID: &str = "0190a000-0000-7000-8000-000000000001";

type Talk = kit::Talk<Support>;

impl Talk {
    /// A connection whose claims are believed.
    fn claims() -> Self {
        Self::connected(Mount { identity: Identity::Claims, ..mount() }, None)
    }

    /// A connection that has shown a token.
    fn with_token() -> Self {
        Self::connected(mount(), Some(&json!({"token": "good"})))
    }

    fn connected(mount: Mount, auth: Option<&Value>) -> Self {
        Self::connected_with(mount, auth, HeaderMap::new())
    }

    fn connected_with(mount: Mount, auth: Option<&Value>, headers: HeaderMap) -> Self {
        let mut talk = Self::open_with(OpeningKind::SocketIo, mount, headers);
        let effects = talk.connect(auth);
        assert!(matches!(effects, [Effect::Accept { pid: None }]), "{effects:?}");
        talk
    }

    fn rest(mount: Mount) -> Self {
        Self::open(OpeningKind::Rest, mount)
    }

    fn emit(&mut self, name: &str, argument: &Value) -> &[Effect] {
        self.say(&json!([name, argument]), None)
    }

    fn emit_bare(&mut self, name: &str) -> &[Effect] {
        self.say(&json!([name]), None)
    }

    fn emit_with_ack(&mut self, name: &str, argument: &Value, ack: u64) -> &[Effect] {
        self.say(&json!([name, argument]), Some(ack))
    }

    // === Joining ===

    fn join(&mut self, user_id: u64, role: &str) -> &[Effect] {
        self.emit("user:join", &json!({"userId": user_id, "userName": "whoever", "role": role}))
    }

    /// Answers what a join asks, up to the end; the effects are those of the last answer.
    fn let_in(&mut self, answer: Answer) -> &[Effect] {
        let is_admin = matches!(&answer, Answer::Attached(attached) if !attached.roles.is_empty()
            && attached.roles().any(|role| role != v1::Role::Customer));
        subscribe(self.answer(answer));
        if is_admin {
            return self.answer(subscribed(7));
        }
        call(self.answer(subscribed(8)));
        self.answer(rows(Vec::new()))
    }

    fn ann() -> Self {
        let mut talk = Self::claims();
        attach(talk.join(2, "CUSTOMER"));
        let effects = talk.let_in(attached(ann(), &[v1::Role::Customer]));
        assert!(effects.is_empty(), "a customer is told nothing: {effects:?}");
        talk
    }

    fn admin() -> Self {
        let mut talk = Self::claims();
        attach(talk.join(1, "ADMIN"));
        let effects = talk.let_in(attached(root(), &[v1::Role::Admin]));
        assert_eq!(sent(effects), [r#"["admin:online"]"#]);
        talk
    }
}

pub(super) fn mount() -> Mount {
    Mount {
        issuers: vec!["shop".to_owned()],
        origins: vec!["http://localhost:3000".to_owned()],
        login_issuer: Some("shop".to_owned()),
        allow_signup: true,
        ..kit::mount("support")
    }
}

fn cookie_mount(secure: bool) -> Mount {
    Mount { identity: Identity::Cookie(Cookie { name: "shop_session".to_owned(), secure }), ..mount() }
}

// === What the core says ===

fn ann() -> v1::Person {
    v1::Person {
        user_id: "0190a000-0000-7000-8000-00000000000a".to_owned(),
        number: 12,
        display_name: "Ann".to_owned(),
        username: "ann@x.test".to_owned(),
        email: "ann@x.test".to_owned(),
        subject: "2".to_owned(),
        ..v1::Person::default()
    }
}

fn root() -> v1::Person {
    v1::Person {
        user_id: "0190a000-0000-7000-8000-00000000000b".to_owned(),
        number: 1,
        display_name: "Super Admin".to_owned(),
        subject: "504c010000000001".to_owned(),
        ..v1::Person::default()
    }
}

fn attached(person: v1::Person, roles: &[v1::Role]) -> Answer {
    kit::attached(Some(person), roles)
}

/// The same, for somebody an earlier socket of whom went away.
fn attached_again(person: v1::Person, roles: &[v1::Role], position: u64) -> Answer {
    let Answer::Attached(attached) = attached(person, roles) else { unreachable!() };
    let missed = Some(v1::LinkMissed { since: Some(NOW), position });
    Answer::Attached(v1::LinkAttached { missed, ..attached })
}

fn message(number: u64, kind: v1::AuthorKind, text: &str) -> v1::Message {
    v1::Message {
        id: UUID.to_owned(),
        number,
        conversation_id: UUID.to_owned(),
        sequence: number,
        author: Some(v1::Author { kind: kind.into(), person: Some(ann()) }),
        text: text.to_owned(),
        create_time: Some(NOW),
        reactions: Vec::new(),
        erased: false,
    }
}

fn from_ann(number: u64, text: &str) -> v1::Message {
    message(number, v1::AuthorKind::Customer, text)
}

fn conversation() -> v1::Conversation {
    v1::Conversation {
        id: UUID.to_owned(),
        number: 5,
        kind: "support".to_owned(),
        status: v1::ConversationStatus::Open.into(),
        owner: Some(ann()),
        unread_count: 1,
        create_time: Some(NOW),
        update_time: Some(NOW),
        ..v1::Conversation::default()
    }
}

fn event(payload: v1::event::Payload) -> v1::Event {
    v1::Event {
        conversation_id: UUID.to_owned(),
        sequence: 1,
        time: Some(NOW),
        audience: v1::Audience::Participants.into(),
        conversation: Some(conversation()),
        payload: Some(payload),
        ..v1::Event::default()
    }
}

fn said(message: v1::Message) -> v1::Event {
    event(v1::event::Payload::MessageSent(v1::MessageSent { message: Some(message) }))
}

fn was_read(kind: v1::AuthorKind) -> v1::Event {
    let reader = Some(v1::Author { kind: kind.into(), person: None });
    event(v1::event::Payload::MessagesRead(v1::MessagesRead { reader, through_sequence: 1 }))
}

fn closed() -> v1::Event {
    let status = v1::ConversationStatus::Closed.into();
    v1::Event {
        conversation: Some(v1::Conversation { status, ..conversation() }),
        ..event(v1::event::Payload::ConversationChanged(v1::ConversationChanged::default()))
    }
}

/// The list that has changed.
#[track_caller]
fn changed(effects: &[Effect]) -> &'static Derived {
    let changed = effects.iter().find_map(|effect| match effect {
        Effect::Refresh(list) => Some(*list),
        _ => None,
    });
    changed.unwrap_or_else(|| panic!("no list has changed: {effects:?}"))
}

fn stored() -> Answer {
    Answer::from(v1::SendMessageResponse::default())
}

fn rows(conversations: Vec<v1::Conversation>) -> Answer {
    Answer::from(v1::ListConversationsResponse { conversations, next_page_token: String::new() })
}

fn page(messages: Vec<v1::Message>) -> Answer {
    Answer::from(v1::ListMessagesResponse {
        messages,
        conversation: Some(conversation()),
        ..v1::ListMessagesResponse::default()
    })
}

fn missed(events: Vec<v1::Event>) -> Answer {
    Answer::from(v1::ListMissedEventsResponse {
        reached_position: events.iter().map(message_number).max().unwrap_or_default(),
        events,
        complete: true,
        ..v1::ListMissedEventsResponse::default()
    })
}

fn no_user() -> Refusal {
    refusal(Kind::NotFound, v1::Reason::UserNotFound)
}

fn no_role() -> Refusal {
    refusal(Kind::NotPermitted, v1::Reason::RoleRequired)
}

// === What the machine wants ===

fn error(text: &str) -> String {
    format!(r#"["message:error",{{"error":"{text}"}}]"#)
}

/// The one call among the effects; it is always made by whom the connection is.
#[track_caller]
fn call(effects: &[Effect]) -> &Call {
    let (call, credential) = kit::call(effects);
    assert_eq!(*credential, Credential::Connection);
    call
}

#[track_caller]
fn attach(effects: &[Effect]) -> &Credential {
    match effects {
        [Effect::Attach { credential, recovery, .. }] => {
            assert!(recovery.redelivers);
            credential
        }
        other => panic!("not one attach: {other:?}"),
    }
}

#[track_caller]
fn subscribe(effects: &[Effect]) -> &v1::topic::Name {
    match effects {
        [Effect::Subscribe { topic, replaces: None, .. }]
        | [Effect::Hold, Effect::Subscribe { topic, replaces: None, .. }] => topic,
        other => panic!("not one subscribe: {other:?}"),
    }
}

#[track_caller]
fn whole_response(effects: &[Effect]) -> &Response {
    let (response, after) = kit::whole_response(effects);
    assert_eq!(after, None);
    response
}
