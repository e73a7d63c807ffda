//! A connection of the dialect: it proves who it is, then its requests are carried out, strictly one after the other.
//!
//! ```text
//! connect ─► attach ─► [watches begin, or go on where they were cut off] ─► let in ─► request ─► answer ─► …
//! ```
//!
//! The rule it keeps: a client that is told that it was recovered has heard, and will hear, everything it watches; where that
//! is not so it gets the name of a new session, and begins anew.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parlor_api::v1;
use serde_json::{json, value::RawValue};

use super::{
    contract::{self, Method},
    hearing::{Beginning, Begun, Start, Watched, subscribe},
    join::{self, Join},
    render::{self, CUSTOMER, Eyes, STAFF},
    tags::Tags,
    wire::{self, Reply, Request},
};
use crate::{
    dialect::{
        Answer, Audience, Call, Credential, Effect, Frame, Input, Machine, Memory, Opening, OpeningKind, Tag,
        TopicHandle,
        answers::is_staff,
        refusal::{Kind, Refusal},
    },
    mount::Mount,
};

mod watches;

/// RFC 6455: the endpoint received something against its policy.
const CLOSE_POLICY: u16 = 1008;

/// The state of one connection.
pub(super) struct Socket {
    mount: Arc<Mount>,
    kind: OpeningKind,
    /// What the request that opened it showed.
    authorization: Option<String>,
    tags: Tags,
    phase: Phase,
    /// What came while something else was worked on. The transport withholds what it can.
    parked: VecDeque<Request>,
    watched: Vec<Watched>,
    presence: Option<TopicHandle>,
    eyes: Eyes,
    /// States that came before the client was let in.
    early: Vec<Frame>,
}

enum Phase {
    /// Nobody has asked to come in.
    New,
    /// The core is asked who it is.
    Attaching(Box<Join>),
    /// Its watches begin.
    Entering(Box<Join>, Box<Beginning>),
    /// A client that watches presence from the start waits for that.
    Open(Option<Work>),
    Closed,
}

/// A request that is worked on.
enum Work {
    Call {
        name: String,
        method: &'static Method,
        reply: Reply,
    },
    /// Without a reply, it is the rest of what is told to who came in.
    Watch {
        name: String,
        reply: Option<Reply>,
        beginning: Box<Beginning>,
    },
    Presence {
        name: String,
        reply: Reply,
    },
}

impl Socket {
    pub fn new(opening: Opening) -> Self {
        let authorization = opening.headers.get(http::header::AUTHORIZATION);
        let bearer = authorization.and_then(|value| value.to_str().ok()).and_then(join::bearer);
        Self {
            authorization: bearer.map(str::to_owned),
            mount: opening.mount,
            kind: opening.kind,
            tags: Tags::default(),
            phase: Phase::New,
            parked: VecDeque::new(),
            watched: Vec::new(),
            presence: None,
            eyes: Eyes { audience: CUSTOMER, user_id: String::new(), role: None },
            early: Vec::new(),
        }
    }
}

impl Machine for Socket {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        match input {
            Input::Connect { auth } => self.connect(auth.as_deref().unwrap_or(b"{}"), effects),
            Input::Emitted { event, ack } => self.came(wire::emitted(&event, ack), effects),
            Input::Frame(frame) => self.framed(frame, effects),
            Input::Answer { tag, answer, .. } => self.answered(tag, answer, effects),
            Input::Event { event, audience } => self.heard(&event, audience, effects),
            Input::RightsEnded(reason) => self.rights_ended(reason, effects),
            Input::Closed => self.phase = Phase::Closed,
            Input::Request(_) | Input::Refreshed(_) | Input::Timer(_) => {}
        }
        while let Phase::Open(None) = self.phase
            && let Some(request) = self.parked.pop_front()
        {
            self.request(request, effects);
        }
    }

    fn takes(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Open(None) | Phase::Closed)
    }

    fn has_joined(&self) -> bool {
        matches!(self.phase, Phase::Open(_) | Phase::Closed)
    }

    fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Open(_) | Phase::Closed)
    }
}

impl Socket {
    // === Coming in ===

    fn framed(&mut self, frame: Frame, effects: &mut Vec<Effect>) {
        let request = match wire::text(frame) {
            Some(text) => wire::framed(text.as_str()),
            None => Err((wire::invalid("a frame is text"), Reply::Nobody)),
        };
        match (&self.phase, request) {
            (Phase::New, Ok(request)) if request.name == "connect" => {
                self.connect(request.argument.as_bytes(), effects);
            }
            (Phase::New, _) => {
                let refusal = wire::invalid("the first frame is [\"connect\", {\"token\": …}]");
                self.refuse(&refusal, effects);
            }
            (_, request) => self.came(request, effects),
        }
    }

    fn connect(&mut self, auth: &[u8], effects: &mut Vec<Effect>) {
        let join = match join::read(auth) {
            Ok(join) => join,
            Err(refusal) => return self.refuse(&refusal, effects),
        };
        let token = join.token.clone().or_else(|| self.authorization.clone());
        let credential = match token {
            Some(token) => Credential::Bearer(token),
            None if self.mount.guests => Credential::Guest,
            None => return self.refuse(&join::token_missing(), effects),
        };
        let memory = Memory { redelivers: false, recover: join.pid.clone() };
        effects.push(Effect::Attach { tag: self.tags.next(), credential: credential.clone(), memory });
        self.phase = Phase::Attaching(Box::new(Join { credential: Some(credential), ..join }));
    }

    fn attached(&mut self, mut join: Box<Join>, attached: v1::LinkAttached, effects: &mut Vec<Effect>) {
        let audience = if is_staff(&attached) { STAFF } else { CUSTOMER };
        let user_id = attached.person.as_ref().map(|person| person.user_id.clone()).unwrap_or_default();
        self.eyes = Eyes { audience, user_id, role: None };
        let start = match attached.recovered_from.filter(|_| join.pid.is_some()) {
            Some(began) => Start::Again { offset: join.offset.clone().unwrap_or_default(), began },
            None if attached.pid.is_empty() => Start::Now,
            None => Start::At(attached.began),
        };
        let watch = std::mem::take(&mut join.watch).unwrap_or_default();
        join.recovers = join.names_watches && !attached.pid.is_empty();
        join.attached = Some(attached);
        effects.push(Effect::Hold);
        let beginning = Beginning::start(watch, start, audience, &mut self.tags, effects);
        if let Some(role) = join.presence {
            self.eyes.role = role;
            let topic = v1::topic::Name::Presence(v1::TopicPresence {});
            effects.push(subscribe(self.tags.next(), topic, audience));
            join.presence_tag = Some(self.tags.latest());
        }
        if beginning.is_empty() && join.presence_tag.is_none() {
            return self.enter(&join, &beginning, &[], effects);
        }
        self.phase = Phase::Entering(join, Box::new(beginning));
    }

    fn entering(
        &mut self,
        mut join: Box<Join>,
        mut beginning: Box<Beginning>,
        tag: Tag,
        answer: Result<Answer, Refusal>,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(refusal) = &answer
            && refusal.is_outage()
        {
            return self.break_off(effects);
        }
        if join.presence_tag == Some(tag) {
            join.presence_tag = None;
            if let Ok(Answer::Subscribed { topic, .. }) = answer {
                self.presence = Some(topic);
            }
        } else if join.page_tag == Some(tag) {
            join.page_tag = None;
            return match answer.and_then(Answer::read) {
                Ok(page) => self.entered(join, beginning, &page, effects),
                Err(_) => self.break_off(effects),
            };
        } else {
            let audience = self.eyes.audience;
            join.all_answered |= beginning.answered(tag, answer, audience, &mut self.tags, effects);
        }
        if join.presence_tag.is_some() || !(join.all_answered || beginning.is_empty()) {
            self.phase = Phase::Entering(join, beginning);
            return;
        }
        if beginning.goes_on() && beginning.refusal().is_some() {
            return self.begin_anew(join, *beginning, effects);
        }
        match beginning.ask(self.tags.next()) {
            Some(ask) => {
                effects.push(ask);
                join.page_tag = Some(self.tags.latest());
                self.phase = Phase::Entering(join, beginning);
            }
            None => self.enter(&join, &beginning, &[], effects),
        }
    }

    fn entered(
        &mut self,
        join: Box<Join>,
        mut beginning: Box<Beginning>,
        page: &v1::ListMissedEventsResponse,
        effects: &mut Vec<Effect>,
    ) {
        if beginning.goes_on() && !page.complete && !page.more {
            return self.begin_anew(join, *beginning, effects);
        }
        beginning.reached(page);
        if !page.more {
            return self.enter(&join, &beginning, &page.events, effects);
        }
        self.let_in(&join, &beginning, effects);
        effects.extend(page.events.iter().filter_map(render::shown).map(Effect::Send));
        self.go_on(Work::Watch { name: "connect".to_owned(), reply: None, beginning }, effects);
    }

    /// What was missed cannot be given completely: the client is told so by the name of a new session.
    fn begin_anew(&mut self, mut join: Box<Join>, beginning: Beginning, effects: &mut Vec<Effect>) {
        beginning.heard().for_each(|watched| watched.end(effects));
        if let Some(presence) = self.presence.take() {
            effects.push(Effect::Unsubscribe { topic: presence });
        }
        self.early.clear();
        join.watch = Some(beginning.requests());
        (join.pid, join.offset, join.all_answered) = (None, None, false);
        let credential = join.credential.clone().expect("it has proved itself by it");
        let memory = Memory::default();
        effects.push(Effect::Attach { tag: self.tags.next(), credential, memory });
        self.phase = Phase::Attaching(join);
    }

    fn enter(&mut self, join: &Join, beginning: &Beginning, events: &[v1::Event], effects: &mut Vec<Effect>) {
        self.let_in(join, beginning, effects);
        effects.extend(events.iter().filter_map(render::shown).map(Effect::Send));
        effects.push(Effect::Release { above: beginning.position() });
        self.phase = Phase::Open(None);
    }

    fn let_in(&mut self, join: &Join, beginning: &Beginning, effects: &mut Vec<Effect>) {
        let attached = join.attached.as_ref().expect("it has proved who it is");
        let pid = Some(attached.pid.clone()).filter(|_| join.recovers);
        if self.kind == OpeningKind::SocketIo {
            effects.push(Effect::Accept { pid: pid.clone() });
        }
        let watching = self.begin(beginning, effects);
        let connected = json!({
            "pid": pid.filter(|_| self.kind == OpeningKind::WebSocket),
            "recovered": beginning.goes_on() && join.recovers,
            "person": attached.person.as_ref().and_then(|person| contract::message("parlor.v1.Person", person)),
            "roles": attached.roles().map(|role| role.as_str_name()).collect::<Vec<_>>(),
            "watching": watching,
        });
        effects.push(Effect::Send(wire::told("connected", &connected)));
        effects.extend(self.early.drain(..).map(Effect::Send));
        self.phase = Phase::Open(None);
    }

    /// Keeps what has begun, and says of each watch where.
    fn begin(&mut self, beginning: &Beginning, effects: &mut Vec<Effect>) -> Vec<serde_json::Value> {
        let mut told = Vec::new();
        let heard: Vec<Watched> = beginning.heard().cloned().collect();
        for begun in beginning.begun() {
            told.push(match begun {
                Begun::From { watched, after_sequence } => {
                    let id = watched.conversation_id.clone();
                    self.watched.retain(|known| known.conversation_id != id);
                    self.watched.push(watched);
                    json!({"conversationId": id, "afterSequence": after_sequence.to_string()})
                }
                Begun::Refused(refusal) => {
                    json!({"error": serde_json::from_str::<serde_json::Value>(&wire::refused(&refusal)).ok()})
                }
            });
        }
        for watched in heard {
            if !self.watched.iter().any(|known| known.conversation_id == watched.conversation_id) {
                watched.end(effects);
            }
        }
        told
    }

    fn refuse(&mut self, refusal: &Refusal, effects: &mut Vec<Effect>) {
        effects.push(Effect::Refused { what: "connect", why: "not let in" });
        let (message, data) = (refusal.message.to_string(), wire::refused(refusal));
        if self.kind == OpeningKind::SocketIo {
            effects.push(Effect::Refuse { message, data: Some(Bytes::from(data)) });
        } else {
            let data: Box<RawValue> = RawValue::from_string(data).expect("it was written as JSON");
            let refused = json!({"message": message, "data": data});
            effects.push(Effect::Send(wire::told("refused", &refused)));
            effects.push(Effect::Close { code: CLOSE_POLICY, reason: "refused" });
        }
        self.phase = Phase::Closed;
    }

    /// The core is away: the client comes back by itself, and loses nothing by it.
    fn break_off(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Break);
        self.phase = Phase::Closed;
    }

    // === Requests ===

    fn came(&mut self, request: Result<Request, (Refusal, Reply)>, effects: &mut Vec<Effect>) {
        match request {
            Ok(request) => self.parked.push_back(request),
            Err((refusal, reply)) => {
                effects.push(Effect::Refused { what: "request", why: "malformed" });
                effects.extend(wire::answer(reply, "", Err(&refusal)));
            }
        }
    }

    fn request(&mut self, request: Request, effects: &mut Vec<Effect>) {
        let Request { name, argument, reply } = request;
        if let Err(refusal) = self.begin_request(&name, &argument, reply, effects) {
            effects.push(Effect::Refused { what: "request", why: "refused" });
            effects.extend(wire::answer(reply, &name, Err(&refusal)));
        }
    }

    fn begin_request(
        &mut self,
        name: &str,
        argument: &str,
        reply: Reply,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match name {
            "UnwatchConversation" => return self.unwatch_conversation(argument, reply, effects),
            "UnwatchPresence" => return self.unwatch_presence(reply, effects),
            _ => {}
        }
        let method = contract::method(name)
            .ok_or_else(|| Refusal::of(Kind::NotServed, format!("there is no method \"{name}\"")))?;
        if !method.streams {
            let (path, message) = (method.path.clone(), method.request(argument)?);
            let call = Call { path, message, public: true };
            effects.push(Effect::Call { tag: self.tags.next(), call, credential: Credential::Connection });
            self.phase = Phase::Open(Some(Work::Call { name: name.to_owned(), method, reply }));
            return Ok(());
        }
        match method.path.path() {
            "/parlor.v1.ChatService/WatchConversation" => {
                self.watch_conversation(name, method.message(argument)?, reply, effects)
            }
            "/parlor.v1.PresenceService/WatchPresence" => {
                self.watch_presence(name, method.message(argument)?, reply, effects);
                Ok(())
            }
            _ => Err(Refusal::of(Kind::NotServed, format!("\"{name}\" is a stream, and for gRPC"))),
        }
    }

    fn answered(&mut self, tag: Tag, answer: Result<Answer, Refusal>, effects: &mut Vec<Effect>) {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Attaching(join) if tag == self.tags.latest() => match answer {
                Ok(Answer::Attached(attached)) => self.attached(join, attached, effects),
                Err(refusal) if !refusal.is_outage() => self.refuse(&refusal, effects),
                Ok(_) | Err(_) => self.break_off(effects),
            },
            Phase::Entering(join, beginning) => self.entering(join, beginning, tag, answer, effects),
            Phase::Open(Some(work)) => self.worked(work, tag, answer, effects),
            phase => self.phase = phase,
        }
    }

    fn worked(&mut self, work: Work, tag: Tag, answer: Result<Answer, Refusal>, effects: &mut Vec<Effect>) {
        match work {
            Work::Watch { name, reply: Some(reply), beginning } => {
                self.watch_answered(name, reply, beginning, tag, answer, effects);
            }
            Work::Watch { name, reply: None, beginning } if tag == self.tags.latest() => {
                self.rest_answered(name, beginning, answer, effects);
            }
            Work::Presence { name, reply } if tag == self.tags.latest() => {
                self.phase = Phase::Open(None);
                let outcome = answer.map(|answer| {
                    if let Answer::Subscribed { topic, .. } = answer {
                        self.presence = Some(topic);
                    }
                });
                effects.extend(done(reply, &name, outcome.as_ref().map(|()| json!({}))));
            }
            Work::Call { name, method, reply } if tag == self.tags.latest() => {
                self.phase = Phase::Open(None);
                let outcome = answer.and_then(|answer| match answer {
                    Answer::Called(encoded) => method.response(encoded),
                    _ => Err(Refusal::unexpected()),
                });
                let outcome = outcome.as_ref().map(|response| &**response);
                effects.extend(wire::answer(reply, &name, outcome));
            }
            work => self.phase = Phase::Open(Some(work)),
        }
    }

    // === Events ===

    fn heard(&mut self, event: &v1::Event, audience: Audience, effects: &mut Vec<Effect>) {
        use v1::event::Payload;
        let frame = match &event.payload {
            Some(Payload::PresenceSnapshot(_) | Payload::PresenceChanged(_)) => {
                render::presence(event, &self.eyes)
            }
            _ => render::event(event, audience),
        };
        let Some(frame) = frame else { return };
        match self.phase {
            Phase::Open(_) => effects.push(Effect::Send(frame)),
            Phase::New | Phase::Attaching(_) | Phase::Entering(..) | Phase::Closed => self.early.push(frame),
        }
    }

    fn rights_ended(&mut self, reason: v1::RightsEndedReason, effects: &mut Vec<Effect>) {
        let refusal = join::rights_ended(reason);
        if let Phase::Open(_) = self.phase {
            effects.push(Effect::Send(wire::problem(&refusal, None)));
            effects.push(Effect::Close { code: CLOSE_POLICY, reason: "the credential has ended" });
            self.phase = Phase::Closed;
        } else {
            self.refuse(&refusal, effects);
        }
    }
}

/// The answer to what needs no core.
fn done(reply: Reply, name: &str, outcome: Result<serde_json::Value, &Refusal>) -> Option<Effect> {
    let response = outcome.map(|value| RawValue::from_string(value.to_string()).expect("a value is JSON"));
    wire::answer(reply, name, response.as_ref().map(|response| &**response).map_err(|refusal| *refusal))
}
