//! A dialect for tests: says back what it hears, and does what it is told.
//!
//! ```text
//! attach TOKEN ─ subscribe KEY ─ unsubscribe ─ send TEXT ─ timer ─ close ─ big BYTES ─ anything else comes back
//! ```

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use parlor_api::v1::{self, event::Payload, topic::Name};
use tonic::Code;

use crate::dialect::{
    After, AllowHeaders, Answer, Audience, Carriers, Cors, Credential, Derived, Dialect, Effect, Frame,
    Input, Machine, Opening, Pace, Recovery, Rendered, Reply, Request, Response, Subscribed, TopicHandle,
    Wire, refusal::Refusal, rpc::Rpc as _,
};

/// Its largest frame.
pub const FRAME_BYTES: usize = 1_024;

/// Refuses what is too fast, lets it wait, or lets only those in who attach.
#[derive(Debug)]
pub struct Echo {
    wire: &'static Wire,
}

#[derive(Debug, Default)]
struct State {
    topic: Option<TopicHandle>,
    /// It has to attach.
    stranger: bool,
    attaching: bool,
}

/// All who hear it.
pub const ANYBODY: Audience = Audience(0);

const ATTACH: u32 = 1;
const SUBSCRIBE: u32 = 2;
const SEND: u32 = 3;
const REPLY: u32 = 4;

const ECHO: Wire = Wire {
    name: "echo",
    staff: None,
    carriers: Carriers { websocket: true, socketio: Some("/socket.io") },
    joins: &["join"],
    pace: Pace { burst: 20, per_second: 10, refuse: true, max_frame_bytes: FRAME_BYTES },
    over_pace: Some(|| frame("too much".to_owned())),
    oversized: Some(|| frame("too much".to_owned())),
    cors: Cors {
        allow_origin: "*",
        allow_headers: AllowHeaders::Named("Content-Type, x-auth-token"),
        allow_methods: "GET, POST",
    },
    too_many_requests: || response(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
    too_large: || Response::text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n"),
    unavailable: || response(StatusCode::INTERNAL_SERVER_ERROR, "unavailable"),
};

/// What is sent to everybody after a message that wants it.
pub const ROOM: Derived = Derived {
    name: "room",
    after: Duration::from_millis(100),
    ask: || v1::GetConversationRequest::default().call(),
    render: |answer| {
        frame(answer.map_or_else(|refusal| format!("no room {:?}", refusal.kind), |_| "room".to_owned()))
    },
};

const CALM: Wire = Wire { name: "calm", pace: Pace { refuse: false, ..ECHO.pace }, ..ECHO };

/// The largest frame of the one that lets only those in who attach.
pub const SHY_FRAME_BYTES: usize = 64 * 1024;

const SHY: Wire = Wire { name: "shy", pace: Pace { max_frame_bytes: SHY_FRAME_BYTES, ..CALM.pace }, ..ECHO };

impl Echo {
    pub const REFUSING: Self = Self { wire: &ECHO };
}

impl Dialect for Echo {
    fn wire(&self) -> &'static Wire {
        self.wire
    }

    fn open(&self, _opening: Opening) -> Box<dyn Machine> {
        Box::new(State { stranger: self.wire.name == SHY.name, ..State::default() })
    }

    fn render(&self, event: &v1::Event, _audience: Audience) -> Rendered {
        match &event.payload {
            Some(Payload::MessageSent(sent)) => {
                let text = sent.message.as_ref().map(|message| message.text.as_str()).unwrap_or_default();
                if text.starts_with("refresh") {
                    return Rendered::Step;
                }
                Rendered::Frame(frame(format!("event {} {text}", event.sequence)))
            }
            _ => Rendered::Step,
        }
    }
}

impl Machine for State {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Frame(Frame::Text(text)) => self.told(&text, effects),
            Input::Frame(same @ (Frame::Binary(_) | Frame::Event(_))) => effects.push(Effect::Send(same)),
            Input::Connect { auth: Some(_) } => effects.push(Effect::Refuse {
                message: "no tokens here".to_owned(),
                data: Some(Bytes::from_static(b"{\"code\":7}")),
            }),
            Input::Connect { auth: None } => effects.push(Effect::Accept { pid: None }),
            Input::Emitted { event, ack: None } if event.name().as_deref() == Some("close") => {
                effects.push(Effect::Close { code: 4000, reason: "asked" });
            }
            Input::Emitted { event, ack: None } => effects.push(Effect::Send(Frame::Event(event))),
            Input::Emitted { event, ack: Some(ack) } => {
                effects.push(Effect::Acknowledge { ack, arguments: event });
            }
            Input::Request(request) => requested(&request, effects),
            Input::Answer { tag, answer, position } => self.answered(tag, answer, position, effects),
            Input::Event { event, .. } if matches!(event.payload, Some(Payload::MessageSent(_))) => {
                effects.push(Effect::Refresh(&ROOM));
            }
            Input::Event { event, .. } => say(effects, format!("state of {}", event.conversation_id)),
            Input::Refreshed(frame) => effects.push(Effect::Send(frame)),
            Input::RightsEnded(reason) => say(effects, format!("rights ended {}", reason as i32)),
            Input::Timer(_) => say(effects, "timer".to_owned()),
            Input::Closed => {}
        }
    }

    fn takes(&self) -> bool {
        !self.attaching
    }

    fn has_joined(&self) -> bool {
        !self.stranger
    }
}

impl State {
    fn told(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "attach" => {
                self.attaching = self.stranger;
                effects.push(Effect::Attach {
                    tag: ATTACH,
                    credential: Credential::Bearer(rest.to_owned()),
                    recovery: Recovery::default(),
                });
            }
            "subscribe" => {
                let topic = Name::ConversationKey(rest.to_owned());
                effects.push(Effect::Subscribe { tag: SUBSCRIBE, topic, audience: ANYBODY, replaces: None });
            }
            "unsubscribe" => {
                effects.extend(self.topic.take().map(Effect::unsubscribe));
            }
            "send" => effects.push(send(SEND, rest, Credential::Connection)),
            "timer" => effects.push(Effect::Timer { tag: 1, after: Duration::from_millis(1) }),
            "refuse" => effects.push(Effect::Refused { what: "join", why: "no proof" }),
            "close" => effects.push(Effect::Close { code: 4000, reason: "asked" }),
            "big" => say(effects, "x".repeat(rest.parse().unwrap_or(0))),
            _ => say(effects, text.to_owned()),
        }
    }

    fn answered(
        &mut self,
        tag: u32,
        answer: Result<Answer, Refusal>,
        position: Option<u64>,
        effects: &mut Vec<Effect>,
    ) {
        self.attaching &= tag != ATTACH;
        match answer {
            Err(refusal) if tag == REPLY => {
                let response =
                    response(StatusCode::BAD_GATEWAY, &format!("{:?}", Code::from_i32(refusal.code)));
                effects.push(Effect::Respond(response.into()));
            }
            Err(refusal) => say(effects, format!("failed {:?}", Code::from_i32(refusal.code))),
            Ok(Answer::Attached(attached)) => {
                self.stranger = false;
                say(effects, format!("attached {}", attached.tenant));
            }
            Ok(Answer::Subscribed(Subscribed { topic, position, .. })) => {
                self.topic = Some(topic);
                say(effects, format!("subscribed {position}"));
            }
            Ok(answer @ Answer::Called(_)) => {
                let sent = answer.read::<v1::SendMessageResponse>().unwrap();
                let message = sent.message.unwrap_or_default();
                if tag == REPLY {
                    let after =
                        After { position, conversation: Some((message.conversation_id, message.sequence)) };
                    let response = response(StatusCode::OK, "sent");
                    effects.push(Effect::Respond(Reply { response, after: Some(after) }));
                } else {
                    say(effects, format!("sent {} {position:?}", message.sequence));
                }
            }
        }
    }
}

fn requested(request: &Request, effects: &mut Vec<Effect>) {
    match request.path.as_str() {
        "/send" => {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            effects.push(send(REPLY, &text, Credential::Guest));
        }
        "/silence" => {}
        path => {
            let text = format!("{} {path} {} {}", request.method, request.query, request.body.len());
            effects.push(Effect::Respond(response(StatusCode::OK, &text).into()));
        }
    }
}

fn send(tag: u32, text: &str, credential: Credential) -> Effect {
    let reference = v1::ConversationRef { name: Some(v1::conversation_ref::Name::Key("room".to_owned())) };
    let request =
        v1::SendMessageRequest { conversation: Some(reference), text: text.to_owned(), ..Default::default() };
    Effect::Call { tag, call: request.call(), credential }
}

fn say(effects: &mut Vec<Effect>, text: String) {
    effects.push(Effect::Send(frame(text)));
}

fn frame(text: String) -> Frame {
    Frame::Text(text.into())
}

fn response(status: StatusCode, text: &str) -> Response {
    let body = Bytes::copy_from_slice(text.as_bytes());
    Response { status, content_type: "text/plain", body, headers: Vec::new() }
}

/// What a message event looks like on the wire of the core.
pub fn message_event(conversation_id: &str, sequence: u64, text: &str) -> v1::Event {
    let message = v1::Message {
        conversation_id: conversation_id.to_owned(),
        sequence,
        text: text.to_owned(),
        ..Default::default()
    };
    v1::Event {
        conversation_id: conversation_id.to_owned(),
        sequence,
        audience: v1::Audience::Participants.into(),
        payload: Some(Payload::MessageSent(v1::MessageSent { message: Some(message) })),
        ..Default::default()
    }
}

/// All kinds of echo.
pub fn find(name: &str) -> Option<Arc<dyn Dialect>> {
    match name {
        "echo" => Some(Arc::new(Echo::REFUSING)),
        "calm" => Some(Arc::new(Echo { wire: &CALM })),
        "shy" => Some(Arc::new(Echo { wire: &SHY })),
        _ => None,
    }
}
