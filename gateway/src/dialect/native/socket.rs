//! A connection of the dialect: it proves who it is, then its requests are carried out, strictly one after the other.
//!
//! ```text
//! connect ─► attach ─► [watches begin, or go on where they were cut off] ─► let in ─► request ─► answer ─► …
//! ```
//!
//! The rule it keeps: a client that is told that it was recovered has heard, and will hear, everything it watches; where that
//! is not so it gets the name of a new session, and begins anew.

use std::{collections::VecDeque, mem::take, sync::Arc};

use parlor_api::v1::{self, event::Payload};
use serde_json::{Value, json};

use super::{
    contract,
    hearing::{Beginning, WATCHED_MAX, Watched},
    join::{self, Join},
    render::{self, Eyes},
    wire::{self, Reply, Request},
    work::{self, Done, Entered, answer},
};
use crate::dialect::{
    Audience, Credential, Effect, Frame, Input, Machine, Opening, OpeningKind, TopicHandle,
    ask::Work,
    refusal::{Kind, Refusal},
    who::{CUSTOMER, bearer},
};

/// RFC 6455: the endpoint received something against its policy.
const CLOSE_POLICY: u16 = 1008;

/// The state of one connection.
pub(super) struct Socket {
    kind: OpeningKind,
    /// Whoever shows no credential is a guest.
    guests: bool,
    /// What the request that opened it showed.
    authorization: Option<String>,
    phase: Phase,
    work: Work<Done>,
    /// What came while something else was worked on. The transport withholds what it can.
    parked: VecDeque<Request>,
    watched: Vec<Watched>,
    presence: Option<TopicHandle>,
    eyes: Eyes,
    /// States that came before the client was let in.
    early: Vec<(Arc<v1::Event>, Audience)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody has asked to come in.
    New,
    Joining,
    Open,
    Closed,
}

impl Socket {
    pub fn new(opening: &Opening) -> Self {
        Self {
            kind: opening.kind,
            guests: opening.mount.guests,
            authorization: bearer(&opening.headers).map(str::to_owned),
            phase: Phase::New,
            work: Work::default(),
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
        if self.phase == Phase::Closed {
            return;
        }
        match input {
            Input::Connect { auth } => self.connect(auth.as_deref().unwrap_or(b"{}")),
            Input::Emitted { event, ack } => self.came(wire::emitted(&event, ack)),
            Input::Frame(frame) => self.framed(&frame),
            Input::Answer { tag, answer, position } => {
                let done = self.work.answered(tag, answer, position);
                self.done(done);
            }
            Input::Event { event, audience } if self.phase == Phase::Open => self.heard(&event, audience),
            Input::Event { event, audience } => self.early.push((event, audience)),
            Input::RightsEnded(reason) => self.rights_ended(reason),
            Input::Closed => self.close(),
            Input::Request(_) | Input::Refreshed(_) | Input::Timer(_) => {}
        }
        while self.phase == Phase::Open
            && self.work.is_idle()
            && let Some(request) = self.parked.pop_front()
        {
            self.request(request);
        }
        self.work.core.give_out(effects);
    }

    fn takes(&self) -> bool {
        self.work.is_idle()
    }

    fn has_joined(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closed)
    }

    fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closed)
    }
}

impl Socket {
    fn tell(&self, effect: Effect) {
        self.work.core.tell(effect);
    }

    // === Coming in ===

    fn framed(&mut self, frame: &Frame) {
        let request = match str::from_utf8(frame.message().1) {
            Ok(text) => wire::framed(text),
            Err(_) => Err((wire::invalid("a frame is text"), Reply::Nobody)),
        };
        match (self.phase, request) {
            (Phase::New, Ok(request)) if request.name == "connect" => {
                self.connect(request.argument.as_bytes());
            }
            (Phase::New, _) => {
                self.refuse(&wire::invalid("the first frame is [\"connect\", {\"token\": …}]"));
            }
            (_, request) => self.came(request),
        }
    }

    fn connect(&mut self, auth: &[u8]) {
        let join = match join::read(auth) {
            Ok(join) => join,
            Err(refusal) => return self.refuse(&refusal),
        };
        let credential = match join.token.clone().or_else(|| self.authorization.clone()) {
            Some(token) => Credential::Bearer(token),
            None if self.guests => Credential::Guest,
            None => return self.refuse(&join::token_missing()),
        };
        self.join(join, credential);
    }

    fn join(&mut self, join: Join, credential: Credential) {
        self.phase = Phase::Joining;
        self.work_on(work::join(self.work.core.clone(), join, credential));
    }

    fn enter(&mut self, entered: Entered) {
        let Entered { attached, recovers, eyes, beginning, presence, missed } = entered;
        (self.phase, self.eyes, self.presence) = (Phase::Open, eyes, presence);
        let person = attached.person.as_ref();
        let pid = Some(attached.pid.as_str()).filter(|_| recovers);
        if self.kind == OpeningKind::SocketIo {
            self.tell(Effect::Accept { pid: pid.map(str::to_owned) });
        }
        let watching = self
            .begin(&beginning)
            .into_iter()
            .map(|begun| begun.unwrap_or_else(|refusal| json!({"error": wire::refused(&refusal)})));
        let connected = json!({
            "pid": pid.filter(|_| self.kind == OpeningKind::WebSocket),
            "recovered": beginning.goes_on() && recovers,
            "person": person.and_then(|person| contract::message("parlor.v1.Person", person)),
            "roles": attached.roles().map(|role| role.as_str_name()).collect::<Vec<_>>(),
            "watching": watching.collect::<Vec<_>>(),
        });
        self.work.core.send(wire::told("connected", &connected));
        for (event, audience) in take(&mut self.early) {
            self.heard(&event, audience);
        }
        self.work_on(work::give_out(self.work.core.clone(), beginning, missed));
    }

    /// Keeps what has begun, and says of each watch where.
    fn begin(&mut self, beginning: &Beginning) -> Vec<Result<Value, Refusal>> {
        let begun = beginning.begun().map(|begun| {
            let (watched, after_sequence) = begun?;
            let id = &watched.conversation_id;
            self.watched.retain(|known| known.conversation_id != *id);
            self.watched.push(watched.clone());
            Ok(json!({"conversationId": id, "afterSequence": after_sequence.to_string()}))
        });
        let begun = begun.collect();
        for watched in beginning.heard() {
            if !self.watched.iter().any(|known| known.conversation_id == watched.conversation_id) {
                watched.end(&self.work.core);
            }
        }
        begun
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.work.core.refuse("connect", "not let in");
        let (message, data) = (refusal.message.to_string(), wire::refused(refusal));
        if self.kind == OpeningKind::SocketIo {
            self.tell(Effect::Refuse { message, data: Some(data.to_string().into()) });
            return self.close();
        }
        self.work.core.send(wire::told("refused", &json!({"message": message, "data": data})));
        self.shut("refused");
    }

    // === Work ===

    fn work_on(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        let done = self.work.begin(work);
        self.done(done);
    }

    fn done(&mut self, done: Option<Done>) {
        match done {
            None | Some(Done::Answered) => {}
            Some(Done::In(entered)) => self.enter(*entered),
            Some(Done::Anew(join)) => {
                self.early.clear();
                self.join(join.0, join.1);
            }
            Some(Done::Refused(refusal)) => self.refuse(&refusal),
            Some(Done::Away) => {
                self.tell(Effect::Reconnect);
                self.close();
            }
            Some(Done::Watched { name, reply, watched }) => {
                let begun = watched.map_err(|refusal| *refusal);
                let begun = begun.and_then(|beginning| self.begin(&beginning).swap_remove(0));
                answer(&self.work.core, reply, &name, begun.as_ref());
                // What waits is of other conversations too, and nobody else sends that.
                self.tell(Effect::Release { above: 0 });
            }
            Some(Done::Presence(topic)) => self.presence = Some(topic),
        }
    }

    fn came(&mut self, request: Result<Request, (Refusal, Reply)>) {
        match request {
            Ok(request) => self.parked.push_back(request),
            Err((refusal, reply)) => self.deny("malformed", reply, "", &refusal),
        }
    }

    fn deny(&self, why: &'static str, reply: Reply, name: &str, refusal: &Refusal) {
        self.work.core.refuse("request", why);
        answer(&self.work.core, reply, name, Err::<&(), _>(refusal));
    }

    fn request(&mut self, request: Request) {
        let (name, reply) = (request.name.clone(), request.reply);
        if let Err(refusal) = self.begin_request(request) {
            self.deny("refused", reply, &name, &refusal);
        }
    }

    fn begin_request(&mut self, Request { name, argument, reply }: Request) -> Result<(), Refusal> {
        let core = self.work.core.clone();
        match name.as_str() {
            "UnwatchConversation" => {
                let id = join::conversation_id(&argument)?;
                if let Some(place) = self.watched.iter().position(|watched| watched.conversation_id == id) {
                    self.watched.swap_remove(place).end(&core);
                }
                answer(&core, reply, &name, Ok(&json!({})));
                return Ok(());
            }
            "UnwatchPresence" => {
                self.unwatch_presence();
                answer(&core, reply, &name, Ok(&json!({})));
                return Ok(());
            }
            _ => {}
        }
        let method = contract::method(&name)
            .ok_or_else(|| Refusal::of(Kind::NotServed, format!("there is no method \"{name}\"")))?;
        match method.path.path() {
            _ if !method.streams => {
                let message = method.request(&argument)?;
                self.work_on(work::call(core, name, reply, method, message));
            }
            "/parlor.v1.ChatService/WatchConversation" => {
                let request = method.message(&argument)?;
                if self.watched.len() >= WATCHED_MAX {
                    return Err(join::too_many_watches());
                }
                self.work_on(work::watch(core, name, reply, request, self.eyes.audience));
            }
            "/parlor.v1.PresenceService/WatchPresence" => {
                let role = join::role(&method.message(&argument)?);
                self.unwatch_presence();
                self.eyes.role = role;
                self.work_on(work::watch_presence(core, name, reply, self.eyes.audience));
            }
            _ => return Err(Refusal::of(Kind::NotServed, format!("\"{name}\" is a stream, and for gRPC"))),
        }
        Ok(())
    }

    fn unwatch_presence(&mut self) {
        self.presence.take().into_iter().for_each(|topic| self.tell(Effect::unsubscribe(topic)));
    }

    // === Events ===

    fn heard(&self, event: &v1::Event, audience: Audience) {
        let frame = match &event.payload {
            Some(Payload::PresenceSnapshot(_) | Payload::PresenceChanged(_)) => {
                render::presence(event, &self.eyes)
            }
            _ => render::event(event, audience),
        };
        frame.into_iter().for_each(|frame| self.work.core.send(frame));
    }

    fn rights_ended(&mut self, reason: v1::RightsEndedReason) {
        let refusal = join::rights_ended(reason);
        if self.phase != Phase::Open {
            return self.refuse(&refusal);
        }
        self.work.core.send(wire::problem(&refusal, None));
        self.shut("the credential has ended");
    }

    fn shut(&mut self, reason: &'static str) {
        self.tell(Effect::Close { code: CLOSE_POLICY, reason });
        self.close();
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.work.stop();
    }
}
