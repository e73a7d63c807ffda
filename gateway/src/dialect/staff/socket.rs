//! A WebSocket of the dialect: registrations and staff messages, strictly one after the other.
//!
//! ```text
//! register        [ask for the conversation with the token] ─► [attach] ─► subscribe the conversation ─► registered
//! register_admin  attach with the token ─► staff? ─► subscribe the feed ─► admin_registered
//! staff_message   staff? ─► SendMessage
//! ```
//!
//! The rule it keeps: while one frame is worked on, later ones are parked, so that answers leave in the order of
//! questions. What a socket hears is only what it registered for and still may hear. A registration that fails leaves
//! the ones before as they were.
//!
//! The connection speaks for one person at a time: for staff once `register_admin` has succeeded, else for whoever the
//! latest `register` proved, else for a guest. Staff who show a customer's token to `register_admin` are staff no more.
//!
//! A reply that a client both posts and sends as `staff_message` is two messages, stored and delivered twice: identical
//! texts by one person within seconds also happen on purpose, and no key of the client tells the two apart.

use std::collections::VecDeque;

use parlor_api::{failure, v1};
use parlor_socketio::Text;
use serde_json::{Map, Value};
use tonic::{Code, Status};

use super::{
    read::{self, TextProblem},
    shape,
};
use crate::dialect::{
    Answer, Audience, Call, Credential, Effect, Frame, Input, Machine, Memory, Tag, TopicHandle,
    answers::{is_outage, is_staff},
};

/// So many bytes of frames wait for the one before them. A call takes a few milliseconds; a client that sends more than
/// this meanwhile is not typing.
const PARKED_BYTES_MAX: usize = 256 * 1024;

/// After so many refused proofs in a row the socket is closed; a front-end retries with the token it has, a guesser does
/// not stop.
const REFUSED_PROOFS_MAX: u32 = 10;

/// RFC 6455: the endpoint received something against its policy.
const CLOSE_POLICY: u16 = 1008;

/// The state of one socket.
#[derive(Default)]
pub(super) struct Socket {
    /// The tag of the latest call.
    tag: Tag,
    /// What is being worked on.
    work: Option<Work>,
    parked: VecDeque<Parked>,
    parked_bytes: usize,
    /// Whom the connection speaks for.
    speaker: Speaker,
    /// The session it registered for last.
    session: Option<Session>,
    /// The feed, once it is registered as staff.
    staff: Option<TopicHandle>,
    /// Proofs refused in a row.
    refused_proofs: u32,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Speaker {
    #[default]
    Nobody,
    Guest,
    Customer,
    Staff,
}

#[derive(Debug)]
struct Session {
    id: String,
    /// `None` while it is being subscribed again.
    topic: Option<TopicHandle>,
}

/// What waits its turn.
#[derive(Debug)]
enum Parked {
    Frame(Text),
    /// The subscription of the session went with the rights it was made by.
    Restore,
}

/// What is being worked on; each waits for one answer.
#[derive(Debug)]
enum Work {
    Registration {
        session_id: String,
        stage: Stage,
        quiet: bool,
    },
    AdminAttach,
    AdminSubscribe {
        user_id: String,
    },
    /// The rights ended while the feed was being subscribed.
    AdminGivenUp,
    StaffMessage,
}

/// How far a registration is.
#[derive(Debug)]
enum Stage {
    /// The core is asked whether this token may see the conversation.
    Ask {
        token: String,
    },
    Attach {
        speaker: Speaker,
    },
    Subscribe,
}

impl Machine for Socket {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if self.closed {
            return;
        }
        match input {
            Input::Frame(frame) => self.park(text(frame), effects),
            Input::Answer { tag, answer, .. } if tag == self.tag => self.answered(answer, effects),
            Input::RightsEnded(reason) => self.rights_ended(reason, effects),
            Input::Closed => self.closed = true,
            // An answer nobody waits for, and what this machine never asks for.
            Input::Answer { .. }
            | Input::Connect { .. }
            | Input::Emitted { .. }
            | Input::Request(_)
            | Input::Event { .. }
            | Input::Timer(_) => {}
        }
        self.go_on(effects);
    }

    fn is_settled(&self) -> bool {
        matches!(self.work, None | Some(Work::StaffMessage))
    }
}

impl Socket {
    // === Order ===

    fn park(&mut self, text: Text, effects: &mut Vec<Effect>) {
        if self.parked_bytes + text.len() > PARKED_BYTES_MAX {
            refuse("frame", "Too many messages", effects);
            return;
        }
        self.parked_bytes += text.len();
        self.parked.push_back(Parked::Frame(text));
    }

    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.work.is_none() && !self.closed {
            match self.parked.pop_front() {
                Some(Parked::Frame(text)) => {
                    self.parked_bytes -= text.len();
                    self.frame(&text, effects);
                }
                Some(Parked::Restore) => self.restore(effects),
                None => return,
            }
        }
    }

    fn frame(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let frame = match read::json(text) {
            None | Some(Value::Null) => return refuse("frame", "Invalid message format", effects),
            Some(Value::Object(frame)) => frame,
            Some(_) => return,
        };
        match frame.get("type").and_then(Value::as_str) {
            Some("register") => self.register(&frame, effects),
            Some("register_admin") => self.register_admin(&frame, effects),
            Some("staff_message") => self.staff_message(&frame, effects),
            // Pings, live streams and what else later clients say: never an error.
            Some(_) | None => {}
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, effects: &mut Vec<Effect>) {
        match self.work.take() {
            Some(Work::Registration { session_id, stage, quiet }) => {
                self.registration_answered(session_id, stage, quiet, answer, effects);
            }
            Some(Work::AdminAttach) => self.admin_attached(answer, effects),
            Some(Work::AdminSubscribe { user_id }) => self.admin_subscribed(&user_id, answer, effects),
            Some(Work::AdminGivenUp) => {
                if let Ok(Answer::Subscribed { topic, .. }) = answer {
                    effects.push(Effect::Unsubscribe { topic });
                }
            }
            Some(Work::StaffMessage) => {
                if let Err(status) = answer {
                    refuse("staff_message", staff_message_refusal(&status), effects);
                }
            }
            None => {}
        }
    }

    fn next_tag(&mut self) -> Tag {
        self.tag = self.tag.wrapping_add(1);
        self.tag
    }

    // === register ===

    fn register(&mut self, frame: &Map<String, Value>, effects: &mut Vec<Effect>) {
        let session_id = frame.get("sessionId").and_then(Value::as_str).and_then(read::customer_session_id);
        let Some(session_id) = session_id else {
            return refuse("register", "Registration failed", effects);
        };
        let token = frame.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        match token {
            Some(token) => self.ask(session_id.to_owned(), token.to_owned(), effects),
            None if self.hears(session_id) => effects.push(Effect::Send(shape::registered_frame(session_id))),
            None => self.attach(session_id.to_owned(), Credential::Guest, false, effects),
        }
    }

    fn hears(&self, session_id: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.id == session_id && session.topic.is_some())
    }

    fn ask(&mut self, session_id: String, token: String, effects: &mut Vec<Effect>) {
        let call = Call::GetConversation(v1::GetConversationRequest {
            conversation: Some(read::by_key(&session_id)),
        });
        let credential = Credential::Bearer(token.clone());
        effects.push(Effect::Call { tag: self.next_tag(), call: Box::new(call), credential });
        self.work = Some(Work::Registration { session_id, stage: Stage::Ask { token }, quiet: false });
    }

    /// Makes the connection speak for the customer, unless it speaks for staff, who may hear every conversation.
    fn attach(&mut self, session_id: String, credential: Credential, quiet: bool, effects: &mut Vec<Effect>) {
        let speaker = match credential {
            Credential::Guest => Speaker::Guest,
            Credential::Bearer(_)
            | Credential::BearerAsCustomer(_)
            | Credential::ApiKey(_)
            | Credential::Connection
            | Credential::Claim { .. } => Speaker::Customer,
        };
        if self.speaker == Speaker::Staff || (speaker, self.speaker) == (Speaker::Guest, Speaker::Guest) {
            return self.subscribe(session_id, quiet, effects);
        }
        effects.push(Effect::Attach { tag: self.next_tag(), credential, memory: Memory::default() });
        self.work = Some(Work::Registration { session_id, stage: Stage::Attach { speaker }, quiet });
    }

    fn subscribe(&mut self, session_id: String, quiet: bool, effects: &mut Vec<Effect>) {
        effects.push(Effect::Subscribe {
            tag: self.next_tag(),
            topic: v1::topic::Name::ConversationKey(session_id.clone()),
            audience: Audience::Customer,
            replaces: self.session.as_ref().and_then(|session| session.topic.clone()),
        });
        self.work = Some(Work::Registration { session_id, stage: Stage::Subscribe, quiet });
    }

    fn registration_answered(
        &mut self,
        session_id: String,
        stage: Stage,
        quiet: bool,
        answer: Result<Answer, Status>,
        effects: &mut Vec<Effect>,
    ) {
        match (stage, answer) {
            (Stage::Ask { token }, answer) => match judge(&answer) {
                Proof::Good => self.attach(session_id, Credential::Bearer(token), quiet, effects),
                Proof::None => self.attach(session_id, Credential::Guest, quiet, effects),
                Proof::Refused => refuse("register", "Registration failed", effects),
            },
            (Stage::Attach { speaker }, Ok(answer)) => {
                self.forget_dropped(&answer);
                self.speaker = speaker;
                self.subscribe(session_id, quiet, effects);
            }
            (Stage::Subscribe, Ok(Answer::Subscribed { topic, .. })) => {
                self.registered(session_id, topic, quiet, effects);
            }
            (Stage::Attach { .. } | Stage::Subscribe, _) => {
                refuse("register", "Registration failed", effects);
            }
        }
    }

    fn registered(&mut self, session_id: String, topic: TopicHandle, quiet: bool, effects: &mut Vec<Effect>) {
        if !quiet {
            effects.push(Effect::Send(shape::registered_frame(&session_id)));
        }
        self.session = Some(Session { id: session_id, topic: Some(topic) });
    }

    /// A session that belongs to somebody else than whom the connection speaks for now is heard no longer.
    fn forget_dropped(&mut self, answer: &Answer) {
        let Answer::Attached(attached) = answer else { return };
        if let Some(session) = &mut self.session {
            session.topic.take_if(|topic| attached.dropped.contains(&topic.0));
        }
    }

    fn restore(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Session { id, topic: None }) = &self.session {
            self.attach(id.clone(), Credential::Guest, true, effects);
        }
    }

    // === register_admin ===

    fn register_admin(&mut self, frame: &Map<String, Value>, effects: &mut Vec<Effect>) {
        match frame.get("token") {
            Some(Value::String(token)) if !token.is_empty() => {
                effects.push(Effect::Attach {
                    tag: self.next_tag(),
                    credential: Credential::Bearer(token.clone()),
                    memory: Memory::default(),
                });
                self.work = Some(Work::AdminAttach);
            }
            token if read::falsy(token) => refuse("register_admin", "Token required", effects),
            _ => self.refuse_proof(effects),
        }
    }

    fn admin_attached(&mut self, answer: Result<Answer, Status>, effects: &mut Vec<Effect>) {
        match answer {
            Ok(Answer::Attached(attached)) if is_staff(&attached) => {
                self.refused_proofs = 0;
                self.speaker = Speaker::Staff;
                let user_id = attached.person.map(|person| person.subject).unwrap_or_default();
                self.hear_feed(user_id, effects);
            }
            Ok(answer) => {
                self.forget_dropped(&answer);
                self.speaker = Speaker::Customer;
                if let Some(topic) = self.staff.take() {
                    effects.push(Effect::Unsubscribe { topic });
                }
                self.refuse_proof(effects);
            }
            Err(status) if is_outage(&status) => effects.push(error("Admin registration failed")),
            Err(_) => self.refuse_proof(effects),
        }
    }

    fn hear_feed(&mut self, user_id: String, effects: &mut Vec<Effect>) {
        if self.staff.is_some() {
            return effects.push(Effect::Send(shape::admin_registered_frame(&user_id)));
        }
        effects.push(Effect::Subscribe {
            tag: self.next_tag(),
            topic: v1::topic::Name::Feed(v1::TopicFeed::default()),
            audience: Audience::Staff,
            replaces: None,
        });
        self.work = Some(Work::AdminSubscribe { user_id });
    }

    fn admin_subscribed(&mut self, user_id: &str, answer: Result<Answer, Status>, effects: &mut Vec<Effect>) {
        match answer {
            Ok(Answer::Subscribed { topic, .. }) => {
                self.staff = Some(topic);
                effects.push(Effect::Send(shape::admin_registered_frame(user_id)));
            }
            Ok(_) | Err(_) => effects.push(error("Admin registration failed")),
        }
    }

    fn refuse_proof(&mut self, effects: &mut Vec<Effect>) {
        refuse("register_admin", "Authentication failed", effects);
        self.refused_proofs += 1;
        if self.refused_proofs >= REFUSED_PROOFS_MAX {
            self.close("too many failed registrations", effects);
        }
    }

    // === staff_message ===

    fn staff_message(&mut self, frame: &Map<String, Value>, effects: &mut Vec<Effect>) {
        if self.staff.is_none() {
            return refuse("staff_message", "Authentication failed", effects);
        }
        let text = match read::text(frame.get("content")) {
            Ok(text) => text,
            Err(TextProblem::Missing | TextProblem::TooLong | TextProblem::Invalid) => {
                return refuse("staff_message", "Invalid message content", effects);
            }
        };
        let session_id = frame.get("sessionId").and_then(Value::as_str).and_then(read::session_id);
        let Some(session_id) = session_id else {
            return refuse("staff_message", "Conversation not found", effects);
        };
        let call = Call::SendMessage(v1::SendMessageRequest {
            conversation: Some(read::by_name(session_id)),
            text: text.to_owned(),
            ..v1::SendMessageRequest::default()
        });
        effects.push(Effect::Call {
            tag: self.next_tag(),
            call: Box::new(call),
            credential: Credential::Connection,
        });
        self.work = Some(Work::StaffMessage);
    }

    // === The end of rights ===

    /// Its subscriptions are gone. What was heard as staff stays unheard; a session is heard again as a guest.
    fn rights_ended(&mut self, reason: v1::RightsEndedReason, effects: &mut Vec<Effect>) {
        let registering = matches!(self.work, Some(Work::AdminSubscribe { .. }));
        if registering {
            self.work = Some(Work::AdminGivenUp);
        }
        if self.staff.take().is_some() || registering {
            effects.push(error("Authentication failed"));
        }
        self.speaker = Speaker::Nobody;
        match reason {
            v1::RightsEndedReason::Revoked => self.close("credential revoked", effects),
            v1::RightsEndedReason::Expired | v1::RightsEndedReason::Unspecified => {
                if let Some(session) = &mut self.session {
                    session.topic = None;
                    self.parked.push_front(Parked::Restore);
                }
            }
        }
    }

    fn close(&mut self, reason: &'static str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close { code: CLOSE_POLICY, reason });
        self.closed = true;
    }
}

/// What asking with a token says of it.
enum Proof {
    /// It is somebody's who may see the conversation, or the conversation is nobody's yet.
    Good,
    /// It proves nothing: as good as none.
    None,
    /// It is somebody else's, or nobody could be asked.
    Refused,
}

fn judge(answer: &Result<Answer, Status>) -> Proof {
    let Err(status) = answer else { return Proof::Good };
    match status.code() {
        Code::NotFound if failure::reason(status) == v1::Reason::ConversationNotFound => Proof::Good,
        _ if failure::reason(status) == v1::Reason::NotOwner || is_outage(status) => Proof::Refused,
        _ => Proof::None,
    }
}

fn staff_message_refusal(status: &Status) -> &'static str {
    match status.code() {
        Code::NotFound => "Conversation not found",
        Code::InvalidArgument => "Invalid message content",
        Code::Unauthenticated | Code::PermissionDenied => "Authentication failed",
        Code::ResourceExhausted => "Too many messages",
        _ => "Error sending message",
    }
}

/// Says why something is refused, and counts it.
fn refuse(what: &'static str, why: &'static str, effects: &mut Vec<Effect>) {
    effects.push(Effect::Refused { what, why });
    effects.push(error(why));
}

fn error(message: &str) -> Effect {
    Effect::Send(shape::error_frame(message))
}

/// The text of a frame; binary frames are read as text, as they always were.
fn text(frame: Frame) -> Text {
    match frame {
        Frame::Text(text) => text,
        Frame::Binary(bytes) => match Text::try_from(bytes.clone()) {
            Ok(text) => text,
            Err(_) => Text::from(String::from_utf8_lossy(&bytes).into_owned()),
        },
        Frame::Event(event) => Text::from(String::from_utf8_lossy(&event.json).into_owned()),
    }
}
