//! The dialect without a runtime: machines are stepped by hand, and the tests answer for the core.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parlor_api::{failure, v1};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::Support;
use crate::{
    dialect::{
        Answer, Audience, Call, Credential, Dialect as _, Effect, Frame, Input, Machine, Opening,
        OpeningKind, Rendered, Request, Response, SocketEvent, Tag, TopicHandle,
    },
    mount::{Cookie, Identity, Mount},
};

mod arbitrary;
mod holes;
mod rest;
mod shapes;
mod socket;

/// 2026-11-20T20:26:30.007Z
const NOW: prost_types::Timestamp = prost_types::Timestamp { seconds: 1_795_206_390, nanos: 7_000_000 };
const ISO: &str = "2026-11-20T20:26:30.007Z";

const UUID: &str = "0190a000-0000-7000-8000-000000000001";

/// One machine and what it last wanted.
struct Talk {
    machine: Box<dyn Machine>,
    effects: Vec<Effect>,
    tag: Tag,
    timers: Vec<(Tag, Duration)>,
    /// Frames that wait, with the numbers they have.
    held: Option<Vec<(u64, Frame)>>,
}

impl Talk {
    /// A connection whose claims are believed.
    fn claims() -> Self {
        Self::connected(Mount { identity: Identity::Claims, ..mount() }, None)
    }

    /// A connection that has shown a token.
    fn with_token() -> Self {
        Self::connected(mount(), Some(json!({"token": "good"})))
    }

    fn connected(mount: Mount, auth: Option<Value>) -> Self {
        Self::connected_with(mount, auth, HeaderMap::new())
    }

    fn connected_with(mount: Mount, auth: Option<Value>, headers: HeaderMap) -> Self {
        let mut talk = Self::open(OpeningKind::SocketIo, mount, headers);
        let auth = auth.map(|auth| Bytes::from(auth.to_string()));
        let effects = talk.step(Input::Connect { auth });
        assert!(matches!(effects, [Effect::Accept { pid: None }]), "{effects:?}");
        talk
    }

    fn rest(mount: Mount) -> Self {
        Self::open(OpeningKind::Rest, mount, HeaderMap::new())
    }

    fn open(kind: OpeningKind, mount: Mount, headers: HeaderMap) -> Self {
        let machine = Support.open(Opening { mount: Arc::new(mount), peer: None, kind, headers });
        Self { machine, effects: Vec::new(), tag: 0, timers: Vec::new(), held: None }
    }

    fn step(&mut self, input: Input) -> &[Effect] {
        self.effects.clear();
        self.machine.step(input, &mut self.effects);
        for effect in &self.effects {
            match effect {
                Effect::Call { tag, .. } | Effect::Attach { tag, .. } | Effect::Subscribe { tag, .. } => {
                    self.tag = *tag;
                }
                Effect::Timer { tag, after } => self.timers.push((*tag, *after)),
                _ => {}
            }
        }
        self.hold_back();
        &self.effects
    }

    /// Does what the outbox does with frames that are rendered for many: they wait while the machine says so.
    fn hold_back(&mut self) {
        let mut effects = Vec::new();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Hold => self.held = Some(Vec::new()),
                Effect::Release { above } => {
                    let held = self.held.take().unwrap_or_default();
                    let later = held.into_iter().filter(|(number, _)| *number > above);
                    effects.extend(later.map(|(_, frame)| Effect::Send(frame)));
                }
                other => effects.push(other),
            }
        }
        self.effects = effects;
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

    fn say(&mut self, event: &Value, ack: Option<u64>) -> &[Effect] {
        self.step(Input::Emitted { event: socket_event(event), ack })
    }

    fn answer(&mut self, answer: Answer) -> &[Effect] {
        self.answered(Ok(answer))
    }

    fn fail(&mut self, status: Status) -> &[Effect] {
        self.answered(Err(status))
    }

    fn answered(&mut self, answer: Result<Answer, Status>) -> &[Effect] {
        let tag = self.tag;
        self.step(Input::Answer { tag, answer, position: None })
    }

    fn hear(&mut self, event: v1::Event, audience: Audience) -> &[Effect] {
        self.effects.clear();
        match Support.render(&event, audience) {
            Rendered::Step => return self.step(Input::Event { event: Arc::new(event), audience }),
            Rendered::Frame(frame) => match &mut self.held {
                Some(held) => held.push((message_number(&event), frame)),
                None => self.effects.push(Effect::Send(frame)),
            },
            Rendered::Nothing => panic!("it is shown"),
        }
        &self.effects
    }

    /// The timer that was set last runs out.
    fn time_passes(&mut self) -> &[Effect] {
        let (tag, _) = self.timers.pop().expect("a timer was set");
        self.step(Input::Timer(tag))
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

    // === REST ===

    fn request(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> &[Effect] {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        self.step(Input::Request(Request {
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: headers.collect(),
            body: Bytes::from(body.to_owned()),
            received: jiff::Timestamp::new(NOW.seconds, NOW.nanos).unwrap(),
        }))
    }
}

pub(super) fn mount() -> Mount {
    Mount {
        name: "support".to_owned(),
        dialect: "support".to_owned(),
        prefix: "/support".to_owned(),
        listener: None,
        tenant: Some("demo".to_owned()),
        issuers: vec!["shop".to_owned()],
        origins: vec!["http://localhost:3000".to_owned()],
        login_issuer: Some("shop".to_owned()),
        allow_signup: true,
        guests: false,
        identity: Identity::Token,
        rate: None,
        linger: Duration::ZERO,
    }
}

fn cookie_mount(secure: bool) -> Mount {
    Mount { identity: Identity::Cookie(Cookie { name: "shop_session".to_owned(), secure }), ..mount() }
}

fn socket_event(event: &Value) -> SocketEvent {
    SocketEvent::from(event.to_string())
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
    Answer::Attached(v1::LinkAttached {
        handle: "sealed".to_owned(),
        person: Some(person),
        roles: roles.iter().map(|role| i32::from(*role)).collect(),
        tenant: "demo".to_owned(),
        ..v1::LinkAttached::default()
    })
}

/// The same, for somebody an earlier socket of whom went away.
fn attached_again(person: v1::Person, roles: &[v1::Role], position: u64) -> Answer {
    let Answer::Attached(attached) = attached(person, roles) else { unreachable!() };
    let missed = Some(v1::LinkMissed { since: Some(NOW), position });
    Answer::Attached(v1::LinkAttached { missed, ..attached })
}

fn subscribed(topic: u64) -> Answer {
    Answer::Subscribed { topic: TopicHandle(topic), position: 0, conversation_id: String::new() }
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

fn stored() -> Answer {
    Answer::SendMessage(v1::SendMessageResponse::default())
}

fn rows(conversations: Vec<v1::Conversation>) -> Answer {
    Answer::ListConversations(v1::ListConversationsResponse { conversations, next_page_token: String::new() })
}

fn page(messages: Vec<v1::Message>) -> Answer {
    Answer::ListMessages(v1::ListMessagesResponse {
        messages,
        conversation: Some(conversation()),
        ..v1::ListMessagesResponse::default()
    })
}

fn missed(events: Vec<v1::Event>) -> Answer {
    Answer::ListMissedEvents(v1::ListMissedEventsResponse {
        reached_position: events.iter().map(message_number).max().unwrap_or_default(),
        events,
        complete: true,
        ..v1::ListMissedEventsResponse::default()
    })
}

/// It stands for the position here: both rise.
fn message_number(event: &v1::Event) -> u64 {
    match &event.payload {
        Some(v1::event::Payload::MessageSent(sent)) => {
            sent.message.as_ref().map_or(0, |message| message.number)
        }
        _ => 0,
    }
}

fn status(code: Code, reason: v1::Reason) -> Status {
    failure::status(code, reason, "no", std::collections::HashMap::new(), &[])
}

fn bad_token() -> Status {
    status(Code::Unauthenticated, v1::Reason::CredentialInvalid)
}

fn no_user() -> Status {
    status(Code::NotFound, v1::Reason::UserNotFound)
}

fn no_role() -> Status {
    status(Code::PermissionDenied, v1::Reason::RoleRequired)
}

fn no_conversation() -> Status {
    status(Code::NotFound, v1::Reason::ConversationNotFound)
}

// === What the machine wants ===

/// The texts of the events that are sent.
fn sent(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(Frame::Event(event)) => Some(str::from_utf8(&event.json).unwrap()),
            _ => None,
        })
        .collect()
}

/// The acknowledgements, by number.
fn acknowledged(effects: &[Effect]) -> Vec<(u64, &str)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Acknowledge { ack, arguments } => Some((*ack, str::from_utf8(&arguments.json).unwrap())),
            _ => None,
        })
        .collect()
}

fn error(text: &str) -> String {
    format!(r#"["message:error",{{"error":"{text}"}}]"#)
}

/// True if the core is asked nothing.
fn asks_nothing(effects: &[Effect]) -> bool {
    !effects.iter().any(|effect| {
        matches!(effect, Effect::Call { .. } | Effect::Attach { .. } | Effect::Subscribe { .. })
    })
}

#[track_caller]
fn call(effects: &[Effect]) -> &Call {
    let mut calls = effects.iter().filter_map(|effect| match effect {
        Effect::Call { call, credential, .. } => {
            assert_eq!(*credential, Credential::Connection);
            Some(call)
        }
        _ => None,
    });
    match (calls.next(), calls.next()) {
        (Some(call), None) => call,
        _ => panic!("not one call: {effects:?}"),
    }
}

#[track_caller]
fn attach(effects: &[Effect]) -> &Credential {
    match effects {
        [Effect::Attach { credential, memory, .. }] => {
            assert!(memory.redelivers);
            credential
        }
        other => panic!("not one attach: {other:?}"),
    }
}

#[track_caller]
fn subscribe(effects: &[Effect]) -> &v1::topic::Name {
    match effects {
        [Effect::Subscribe { topic, replaces: None, .. }] => topic,
        other => panic!("not one subscribe: {other:?}"),
    }
}

#[track_caller]
fn response(effects: &[Effect]) -> (u16, &str) {
    let Response { status, body, .. } = whole_response(effects);
    (status.as_u16(), str::from_utf8(body).unwrap())
}

#[track_caller]
fn whole_response(effects: &[Effect]) -> &Response {
    match effects {
        [Effect::Respond { response, after: None }] => response,
        other => panic!("not one response: {other:?}"),
    }
}
