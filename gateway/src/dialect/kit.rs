//! The kit of the dialects' tests: a machine without a runtime is stepped by hand, and the test answers for the core.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parlor_api::v1;
use prost::Message;
use serde_json::Value;

use super::{
    After, Answer, Audience, Call, Credential, Dialect, Effect, Frame, Input, Machine, Opening, OpeningKind,
    Rendered, Reply, Request, Response, SocketEvent, Subscribed, Tag, TopicHandle,
    refusal::{Kind, Refusal},
    rpc::Rpc,
};
use crate::mount::{Identity, Mount};

/// 2026-11-20T20:26:30.007Z
pub(super) const NOW: prost_types::Timestamp =
    prost_types::Timestamp { seconds: 1_795_206_390, nanos: 7_000_000 };

/// One machine of a dialect, and what it last wanted.
pub(super) struct Talk<D> {
    pub dialect: D,
    pub machine: Box<dyn Machine>,
    /// What the last step wanted, but for what it counted as refused.
    pub effects: Vec<Effect>,
    /// What the last step counted as refused, and why.
    pub refused: Vec<(&'static str, &'static str)>,
    /// The latest question.
    pub tag: Tag,
    pub timers: Vec<(Tag, Duration)>,
    /// What the client said while the machine took nothing.
    waiting: VecDeque<Input>,
    /// Frames that wait, with the numbers they have.
    held: Option<Vec<(u64, Frame)>>,
}

impl<D: Dialect + Default> Talk<D> {
    pub fn open(kind: OpeningKind, mount: Mount) -> Self {
        Self::open_with(kind, mount, HeaderMap::new())
    }

    pub fn open_with(kind: OpeningKind, mount: Mount, headers: HeaderMap) -> Self {
        let dialect = D::default();
        let machine = dialect.open(Opening { mount: Arc::new(mount), peer: None, kind, headers });
        let (effects, refused, timers) = (Vec::new(), Vec::new(), Vec::new());
        Self { dialect, machine, effects, refused, tag: 0, timers, waiting: VecDeque::new(), held: None }
    }

    /// One thing happens, and then what it lets happen. What the client says waits its turn.
    pub fn step(&mut self, input: Input) -> &[Effect] {
        let mut wanted = Vec::new();
        let is_said = matches!(input, Input::Frame(_) | Input::Emitted { .. });
        if is_said && !self.machine.takes() {
            self.waiting.push_back(input);
        } else {
            self.machine.step(input, &mut wanted);
        }
        while self.machine.takes()
            && let Some(said) = self.waiting.pop_front()
        {
            self.machine.step(said, &mut wanted);
        }
        self.effects.clear();
        self.refused.clear();
        for effect in wanted {
            self.take(effect);
        }
        &self.effects
    }

    /// Does what the session does with an effect, and what the outbox does with frames that are held.
    fn take(&mut self, effect: Effect) {
        let mut later = Vec::new();
        match &effect {
            Effect::Refused { what, why } => return self.refused.push((what, why)),
            Effect::Call { tag, .. } | Effect::Attach { tag, .. } | Effect::Subscribe { tag, .. } => {
                self.tag = *tag;
            }
            Effect::Timer { tag, after } => self.timers.push((*tag, *after)),
            Effect::Hold => self.held = Some(Vec::new()),
            Effect::Release { above } => {
                later = self.held.take().unwrap_or_default();
                later.retain(|(number, _)| number > above);
            }
            _ => {}
        }
        self.effects.push(effect);
        self.effects.extend(later.into_iter().map(|(_, frame)| Effect::Send(frame)));
    }

    // === What the core says ===

    pub fn answer(&mut self, answer: impl Into<Answer>) -> &[Effect] {
        self.answered(Ok(answer.into()))
    }

    pub fn fail(&mut self, refusal: Refusal) -> &[Effect] {
        self.answered(Err(refusal))
    }

    pub fn answered(&mut self, answer: Result<Answer, Refusal>) -> &[Effect] {
        self.answer_at(answer, None)
    }

    pub fn answer_at(&mut self, answer: Result<Answer, Refusal>, position: Option<u64>) -> &[Effect] {
        let tag = self.tag;
        self.step(Input::Answer { tag, answer, position })
    }

    /// An event comes for an audience that it is shown to.
    pub fn hear(&mut self, event: v1::Event, audience: Audience) -> &[Effect] {
        self.effects.clear();
        match self.dialect.render(&event, audience) {
            Rendered::Step => return self.step(Input::Event { event: Arc::new(event), audience }),
            Rendered::Frame(frame) | Rendered::FrameButOrigin(frame) => match &mut self.held {
                Some(held) => held.push((message_number(&event), frame)),
                None => self.effects.push(Effect::Send(frame)),
            },
            Rendered::Nothing => panic!("it is shown"),
        }
        &self.effects
    }

    /// The timer that was set last runs out.
    pub fn time_passes(&mut self) -> &[Effect] {
        let (tag, _) = self.timers.pop().expect("a timer was set");
        self.step(Input::Timer(tag))
    }

    // === What the client says ===

    /// Asks for the namespace.
    pub fn connect(&mut self, auth: Option<&Value>) -> &[Effect] {
        self.step(Input::Connect { auth: auth.map(|auth| Bytes::from(auth.to_string())) })
    }

    /// Emits an event, `[name, argument, …]`.
    pub fn say(&mut self, event: &Value, ack: Option<u64>) -> &[Effect] {
        self.step(Input::Emitted { event: SocketEvent::from(event.to_string()), ack })
    }

    pub fn request(
        &mut self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> &[Effect] {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        self.step(Input::Request(Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.collect(),
            body: Bytes::from(body.to_owned()),
            received: jiff::Timestamp::new(NOW.seconds, NOW.nanos).unwrap(),
        }))
    }
}

/// A mount of the tenant "demo" that proves by tokens, without a login.
pub(super) fn mount(dialect: &str) -> Mount {
    Mount {
        name: dialect.to_owned(),
        dialect: dialect.to_owned(),
        prefix: format!("/{dialect}"),
        listener: None,
        tenant: Some("demo".to_owned()),
        issuers: Vec::new(),
        origins: Vec::new(),
        login_issuer: None,
        allow_signup: false,
        guests: false,
        identity: Identity::Token,
        rate: None,
        linger: Duration::ZERO,
    }
}

// === What the core says ===

impl<M: Message> From<M> for Answer {
    fn from(message: M) -> Self {
        Self::Called(message.encode_to_vec().into())
    }
}

pub(super) fn attached(person: Option<v1::Person>, roles: &[v1::Role]) -> Answer {
    Answer::Attached(v1::LinkAttached {
        handle: "sealed".to_owned(),
        person,
        roles: roles.iter().map(|role| i32::from(*role)).collect(),
        tenant: "demo".to_owned(),
        ..v1::LinkAttached::default()
    })
}

pub(super) fn subscribed(topic: u64) -> Answer {
    let (topic, conversation_id) = (TopicHandle(topic), String::new());
    Answer::Subscribed(Subscribed { topic, position: 0, conversation_id })
}

/// The refusal of one of many that were asked for together.
pub(super) fn failure(refusal: &Refusal) -> v1::Failure {
    let message = refusal.message.to_string();
    v1::Failure { code: refusal.code, reason: refusal.reason.into(), message, ..v1::Failure::default() }
}

/// The number of an event's message. It stands for the position here: both rise.
pub(super) fn message_number(event: &v1::Event) -> u64 {
    match &event.payload {
        Some(v1::event::Payload::MessageSent(sent)) => {
            sent.message.as_ref().map_or(0, |message| message.number)
        }
        _ => 0,
    }
}

pub(super) fn refusal(kind: Kind, reason: v1::Reason) -> Refusal {
    Refusal::new(kind, reason, "no")
}

pub(super) fn bad_token() -> Refusal {
    refusal(Kind::NotProven, v1::Reason::CredentialInvalid)
}

pub(super) fn no_conversation() -> Refusal {
    refusal(Kind::NotFound, v1::Reason::ConversationNotFound)
}

// === What the machine wants ===

/// The texts that are sent, of frames and of events.
pub(super) fn sent(effects: &[Effect]) -> Vec<&str> {
    let texts = effects.iter().filter_map(|effect| match effect {
        Effect::Send(Frame::Text(text)) => Some(text.as_str()),
        Effect::Send(Frame::Event(event)) => Some(event.text()),
        _ => None,
    });
    texts.collect()
}

/// The acknowledgements, by number.
pub(super) fn acknowledged(effects: &[Effect]) -> Vec<(u64, &str)> {
    let called = effects.iter().filter_map(|effect| match effect {
        Effect::Acknowledge { ack, arguments } => Some((*ack, arguments.text())),
        _ => None,
    });
    called.collect()
}

/// True if the core is asked nothing.
pub(super) fn asks_nothing(effects: &[Effect]) -> bool {
    !effects.iter().any(|effect| {
        matches!(effect, Effect::Call { .. } | Effect::Attach { .. } | Effect::Subscribe { .. })
    })
}

/// The one call among the effects.
#[track_caller]
pub(super) fn call(effects: &[Effect]) -> (&Call, &Credential) {
    let mut calls = effects.iter().filter_map(|effect| match effect {
        Effect::Call { call, credential, .. } => Some((call, credential)),
        _ => None,
    });
    match (calls.next(), calls.next()) {
        (Some(call), None) => call,
        _ => panic!("not one call: {effects:?}"),
    }
}

impl Call {
    /// True if this asks for the method of such requests.
    pub fn is<R: Rpc>(&self) -> bool {
        self.path == R::PATH && !self.public
    }

    /// The request, which is of this method.
    #[track_caller]
    pub fn request<R: Rpc + Default>(&self) -> R {
        assert!(self.is::<R>(), "{} is asked for", self.path);
        R::decode(self.message.clone()).unwrap()
    }
}

/// The request of the one call among the effects, and who asks.
#[track_caller]
pub(super) fn asked<R: Rpc + Default>(effects: &[Effect]) -> (R, &Credential) {
    let (call, credential) = call(effects);
    (call.request(), credential)
}

/// The one response, which is all there is.
#[track_caller]
pub(super) fn response(effects: &[Effect]) -> (u16, &str) {
    let (Response { status, body, .. }, _) = whole_response(effects);
    (status.as_u16(), str::from_utf8(body).unwrap())
}

/// The same with its headers, and what it waits for.
#[track_caller]
pub(super) fn whole_response(effects: &[Effect]) -> (&Response, Option<&After>) {
    match effects {
        [Effect::Respond(Reply { response, after })] => (response, after.as_ref()),
        other => panic!("not one response: {other:?}"),
    }
}
