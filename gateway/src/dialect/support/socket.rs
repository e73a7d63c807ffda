//! A connection of the dialect: requests one after the other, parked until somebody has joined.
//!
//! ```text
//!            user:join                     answered
//!  Nobody ─────────────► work: Join ──────────────────► Joined ─► work: one request ─► the next
//!    │ parked events wait │ refused                        ▲
//!    └─ 500 ms ─► they    └──────► Refused ── user:join ───┘
//!       are answered as nobody's
//! ```
//!
//! The client library sends what was typed offline before its page can join, so what comes before a join waits for it:
//! in order, 200 events, for half a second. The rules: one request is worked on at a time, or messages that follow each
//! other together, so answers leave in the order of questions; the first join stands; and a connection that joins is
//! given what it missed, then what came meanwhile, each once, before anything it asks is worked on.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use http::HeaderMap;
use parlor_api::{v1, v1::event::Payload, v1::topic::Name};

use super::{
    KIND,
    burst::{self, BURST_MAX},
    identity::Shown,
    join::{self, Join, Refusal},
    read::{Asked, Claim, Role},
    requests::{self, Asking},
    shape,
};
use crate::{
    dialect::{
        Answer, Audience, Credential, Effect, Input, Machine, Memory, Opening, SocketEvent, Tag, refusal,
    },
    mount::Mount,
};

/// What comes before a join waits so long for it, and so many events do: a page that was offline says first all that it has
/// kept, and then that it joins. As many as the pace lets in at once.
pub(super) const PARKED_MAX: usize = 200;
pub(super) const PARKED_FOR: Duration = Duration::from_millis(500);

/// Requests that wait for the one before them. The pace lets 200 in at once, and more only while the core is slow.
pub(super) const QUEUE_MAX: usize = 1_024;

/// So many bytes of them wait; a message above it is refused in its turn.
pub(super) const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Events that come while a connection is given what it missed. More than that in so short a time is no shop.
pub(super) const HELD_MAX: usize = 1_024;

/// Every admin's list is sent again so long after it changed: many changes make one list.
pub(super) const REFRESH_AFTER: Duration = Duration::from_millis(100);

const PARKING: Tag = 1;
const REFRESH: Tag = 2;

/// RFC 6455: against the policy of the endpoint; and of IANA: try again later.
const CLOSE_POLICY: u16 = 1008;
const CLOSE_TRY_AGAIN: u16 = 1013;

/// The state of one connection.
pub(super) struct Socket {
    mount: Arc<Mount>,
    /// Of the request that opened it, until the client is in.
    headers: Option<Box<HeaderMap>>,
    shown: Shown,
    /// The tag of the latest question.
    tag: Tag,
    state: State,
    work: Option<Work>,
    queue: VecDeque<Waiting>,
    queue_bytes: usize,
    /// What came while it catches up.
    held: Vec<Arc<v1::Event>>,
    /// The list is about to be sent unasked.
    refreshing: bool,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody has tried to join; what waits is parked.
    Nobody,
    /// Whoever tried was refused; with the id that nobody has, if that is why.
    Refused {
        unknown: Option<u64>,
    },
    Joined(Claim),
}

/// What waits its turn.
#[derive(Debug)]
enum Waiting {
    Request {
        asked: Asked,
        ack: Option<u64>,
        bytes: usize,
    },
    /// The list is sent unasked.
    Refresh,
    /// A customer's conversation was closed: it is still heard, and so is the next one.
    Hear {
        closed: String,
    },
}

/// What is being worked on; each waits for one answer.
#[derive(Debug)]
enum Work {
    Join { join: Join, ended: bool },
    Ask(Asking),
    Hear(VecDeque<Name>),
}

impl Machine for Socket {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if self.closed {
            return;
        }
        match input {
            Input::Connect { auth } => {
                let headers = self.headers.take().unwrap_or_default();
                self.shown = Shown::new(&self.mount, &headers, auth.as_ref());
                effects.push(Effect::Accept { pid: None });
            }
            Input::Emitted { event, ack } => self.emitted(&event, ack, effects),
            Input::Answer { tag, answer, .. } if tag == self.tag => self.answered(answer, effects),
            Input::Event { event, .. } => self.happened(event, effects),
            Input::Timer(PARKING) => self.waited_long_enough(effects),
            Input::Timer(REFRESH) => self.refresh(),
            Input::RightsEnded(reason) => self.rights_ended(reason, effects),
            Input::Closed => self.closed = true,
            // An answer nobody waits for, and what is not said here.
            Input::Answer { .. } | Input::Frame(_) | Input::Request(_) | Input::Timer(_) => {}
        }
        self.go_on(effects);
    }

    fn is_settled(&self) -> bool {
        !matches!(self.work, Some(Work::Join { .. }))
    }
}

impl Socket {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { mount, headers, .. } = opening;
        Self {
            shown: Shown::new(&mount, &headers, None),
            mount,
            headers: Some(Box::new(headers)),
            tag: 0,
            state: State::Nobody,
            work: None,
            queue: VecDeque::new(),
            queue_bytes: 0,
            held: Vec::new(),
            refreshing: false,
            closed: false,
        }
    }

    // === Order ===

    fn emitted(&mut self, event: &SocketEvent, ack: Option<u64>, effects: &mut Vec<Effect>) {
        let Some(mut asked) = Asked::read(event) else {
            return effects.push(Effect::Refused { what: "event", why: "unknown" });
        };
        let comes_first = !matches!(self.state, State::Joined(_)) && self.work.is_none();
        if let (Asked::Join(claim), true) = (&asked, comes_first) {
            return self.join(*claim, ack, effects);
        }
        let mut bytes = event.bytes();
        if self.queue_bytes + bytes > QUEUE_BYTES_MAX {
            if let Asked::Send(sending) = &mut asked {
                effects.push(Effect::Refused { what: "message:send", why: "too much waits" });
                *sending = None;
            }
            bytes = 0;
        }
        self.queue_bytes += bytes;
        self.queue.push_back(Waiting::Request { asked, ack, bytes });
        if self.parks() {
            self.park(effects);
        } else if self.queue.len() > QUEUE_MAX {
            self.close(CLOSE_TRY_AGAIN, "too many requests wait", effects);
        }
    }

    /// True while what comes waits for a join that has not come.
    fn parks(&self) -> bool {
        matches!(self.state, State::Nobody) && self.work.is_none()
    }

    /// One more is parked. Above the bound the oldest is answered as nobody's, so that answers stay in order.
    fn park(&mut self, effects: &mut Vec<Effect>) {
        match self.queue.len() {
            1 => effects.push(Effect::Timer { tag: PARKING, after: PARKED_FOR }),
            waiting if waiting > PARKED_MAX => self.answer_first_as_nobodys(effects),
            _ => {}
        }
    }

    fn waited_long_enough(&mut self, effects: &mut Vec<Effect>) {
        while self.parks() && !self.queue.is_empty() {
            self.answer_first_as_nobodys(effects);
        }
    }

    fn answer_first_as_nobodys(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Waiting::Request { asked, ack, .. }) = self.take_first() {
            requests::outside(None, &asked, ack, effects);
        }
    }

    fn take_first(&mut self) -> Option<Waiting> {
        let first = self.queue.pop_front()?;
        if let Waiting::Request { bytes, .. } = &first {
            self.queue_bytes -= bytes;
        }
        if self.queue.is_empty() {
            // At rest nothing waits, and most connections are at rest.
            self.queue = VecDeque::new();
        }
        Some(first)
    }

    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.work.is_none() && !self.closed && !self.parks() {
            match self.take_first() {
                Some(Waiting::Request { asked, ack, .. }) => self.request(asked, ack, effects),
                Some(Waiting::Refresh) => {
                    let next = requests::list(None);
                    self.take_next(next, effects);
                }
                Some(Waiting::Hear { closed }) => {
                    self.hear(VecDeque::from([Name::ConversationId(closed), join::own()]), effects);
                }
                None => return,
            }
        }
    }

    fn request(&mut self, asked: Asked, ack: Option<u64>, effects: &mut Vec<Effect>) {
        match (self.state, asked) {
            (State::Joined(joined), Asked::Join(claim)) => joins_again(joined, claim, ack, effects),
            (_, Asked::Join(claim)) => self.join(claim, ack, effects),
            (State::Joined(joined), Asked::Send(first)) if self.sends_next() => {
                let mut messages = vec![(first, ack)];
                while messages.len() < BURST_MAX && self.sends_next() {
                    if let Some(Waiting::Request { asked: Asked::Send(next), ack, .. }) = self.take_first() {
                        messages.push((next, ack));
                    }
                }
                let next = burst::send(messages, joined.role, effects);
                self.take_next(next, effects);
            }
            (State::Joined(joined), asked) => {
                let next = requests::begin(joined, asked, ack, effects);
                self.take_next(next, effects);
            }
            (State::Refused { unknown }, asked) => requests::outside(unknown, &asked, ack, effects),
            (State::Nobody, asked) => requests::outside(None, &asked, ack, effects),
        }
    }

    /// True if what waits first is a message.
    fn sends_next(&self) -> bool {
        matches!(self.queue.front(), Some(Waiting::Request { asked: Asked::Send(_), .. }))
    }

    fn answered(&mut self, answer: Result<Answer, refusal::Refusal>, effects: &mut Vec<Effect>) {
        match self.work.take() {
            Some(Work::Join { mut join, ended: false }) => {
                let next = join.answered(answer);
                self.take_next_of_join(join, next, effects);
            }
            Some(Work::Join { join, ended: true }) => self.refuse(&join, Refusal::Unproven, effects),
            Some(Work::Ask(asking)) => {
                let next = asking.answered(answer, effects);
                self.take_next(next, effects);
            }
            // Where it failed, the next rejoin hears what is missed now.
            Some(Work::Hear(names)) => self.hear(names, effects),
            None => {}
        }
    }

    fn take_next(&mut self, next: requests::Next, effects: &mut Vec<Effect>) {
        match next {
            requests::Next::Ask(call, asking) => {
                effects.push(requests::Next::call(self.next_tag(), call));
                self.work = Some(Work::Ask(asking));
            }
            requests::Next::Done => {}
            requests::Next::Changed => self.refresh_soon(effects),
        }
    }

    fn next_tag(&mut self) -> Tag {
        self.tag = self.tag.wrapping_add(1);
        self.tag
    }

    // === Joining ===

    fn join(&mut self, claim: Option<Claim>, ack: Option<u64>, effects: &mut Vec<Effect>) {
        let proof = claim.and_then(|claim| Some((claim, self.shown.proof(claim)?)));
        let Some((claim, proof)) = proof else {
            self.state = State::Refused { unknown: None };
            effects.push(Effect::Refused { what: "user:join", why: "no proof" });
            return requests::acknowledge(ack, effects);
        };
        let (join, next) = Join::begin(claim, ack, proof);
        self.take_next_of_join(join, next, effects);
    }

    fn take_next_of_join(&mut self, join: Join, next: join::Next, effects: &mut Vec<Effect>) {
        let tag = self.next_tag();
        if let join::Next::Hear(_, Audience::Staff) = next {
            effects.push(Effect::Hold);
        }
        effects.push(match next {
            join::Next::Attach(credential, memory) => Effect::Attach { tag, credential, memory },
            join::Next::Hear(topic, audience) => Effect::Subscribe { tag, topic, audience, replaces: None },
            join::Next::Ask(call) => requests::Next::call(tag, call),
            join::Next::Joined(missed, reached) => return self.joined(&join, &missed, reached, effects),
            join::Next::Refused(refusal) => return self.refuse(&join, refusal, effects),
            join::Next::Unreachable => return self.unreachable(effects),
        });
        self.work = Some(Work::Join { join, ended: false });
    }

    fn joined(&mut self, join: &Join, missed: &[v1::Event], reached: u64, effects: &mut Vec<Effect>) {
        self.state = State::Joined(join.claim);
        // It has served: whoever loses these rights has nothing better here.
        self.shown = Shown::default();
        if join.claim.role == Role::Admin {
            effects.push(Effect::Send(shape::admin_online()));
        }
        requests::acknowledge(join.ack, effects);
        let mut given = HashSet::new();
        for event in missed.iter().filter(|event| is_ours(event)) {
            given.extend(message_number(event));
            effects.extend(shape::received(event).map(Effect::Send));
        }
        if join.claim.role == Role::Admin {
            effects.push(Effect::Release { above: reached });
        }
        for event in std::mem::take(&mut self.held) {
            if message_number(&event).is_none_or(|number| !given.contains(&number)) {
                self.happened(event, effects);
            }
        }
    }

    /// A refusal is silent; what waits is told in its turn. The connection speaks for nobody, whatever was proven.
    fn refuse(&mut self, join: &Join, refusal: Refusal, effects: &mut Vec<Effect>) {
        let unknown = refusal == Refusal::Unknown && join.claim.role == Role::Customer;
        self.state = State::Refused { unknown: unknown.then_some(join.claim.user_id) };
        self.held.clear();
        effects.push(Effect::Release { above: u64::MAX });
        effects.push(Effect::Refused { what: "user:join", why: "not proven" });
        effects.push(Effect::Attach {
            tag: self.next_tag(),
            credential: Credential::Guest,
            memory: Memory::default(),
        });
        requests::acknowledge(join.ack, effects);
    }

    /// The page joins only when it connects, so it must connect again; what it asked is answered first.
    fn unreachable(&mut self, effects: &mut Vec<Effect>) {
        while let Some(waiting) = self.take_first() {
            match waiting {
                Waiting::Request { asked: Asked::Send(_), ack, .. } => {
                    requests::fail(shape::FAILED, ack, effects);
                }
                Waiting::Request { asked, ack, .. } => requests::outside(None, &asked, ack, effects),
                Waiting::Refresh | Waiting::Hear { .. } => {}
            }
        }
        self.close(CLOSE_TRY_AGAIN, "the service is unavailable", effects);
    }

    // === What happens meanwhile ===

    fn happened(&mut self, event: Arc<v1::Event>, effects: &mut Vec<Effect>) {
        let State::Joined(joined) = self.state else {
            // Else it was on its way when the rights ended.
            if let Some(Work::Join { .. }) = self.work {
                self.hold(event, effects);
            }
            return;
        };
        match (&event.payload, joined.role) {
            (Some(Payload::MessageSent(_)), _) => {
                effects.extend(shape::received(&event).map(Effect::Send));
            }
            (Some(Payload::MessagesRead(read)), Role::Admin) if is_by_staff(read) => {
                self.refresh_soon(effects);
            }
            (Some(Payload::ConversationChanged(_)), Role::Customer) => self.hear_the_next(&event),
            _ => {}
        }
    }

    fn hold(&mut self, event: Arc<v1::Event>, effects: &mut Vec<Effect>) {
        if self.held.len() < HELD_MAX {
            self.held.push(event);
        } else {
            self.close(CLOSE_TRY_AGAIN, "too much happened during the join", effects);
        }
    }

    fn hear_the_next(&mut self, event: &v1::Event) {
        let is_closed =
            event.conversation.as_ref().is_some_and(|shown| shown.status() == v1::ConversationStatus::Closed);
        let waits = self
            .queue
            .iter()
            .any(|waiting| matches!(waiting, Waiting::Hear { closed } if *closed == event.conversation_id));
        if is_closed && !waits {
            self.queue.push_back(Waiting::Hear { closed: event.conversation_id.clone() });
        }
    }

    fn hear(&mut self, mut names: VecDeque<Name>, effects: &mut Vec<Effect>) {
        let Some(topic) = names.pop_front() else { return };
        let (audience, replaces) = (Audience::Customer, None);
        effects.push(Effect::Subscribe { tag: self.next_tag(), topic, audience, replaces });
        self.work = Some(Work::Hear(names));
    }

    fn refresh_soon(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.refreshing, true) {
            effects.push(Effect::Timer { tag: REFRESH, after: REFRESH_AFTER });
        }
    }

    fn refresh(&mut self) {
        self.refreshing = false;
        if matches!(self.state, State::Joined(Claim { role: Role::Admin, .. })) {
            self.queue.push_back(Waiting::Refresh);
        }
    }

    /// An admin whose token is over is nobody from here on; customers stay as long as their connection.
    fn rights_ended(&mut self, reason: v1::RightsEndedReason, effects: &mut Vec<Effect>) {
        match reason {
            v1::RightsEndedReason::Revoked => self.close(CLOSE_POLICY, "credential revoked", effects),
            v1::RightsEndedReason::Expired | v1::RightsEndedReason::Unspecified => match &mut self.work {
                Some(Work::Join { ended, .. }) => *ended = true,
                _ if matches!(self.state, State::Joined(_)) => {
                    self.state = State::Refused { unknown: None };
                }
                _ => {}
            },
        }
    }

    fn close(&mut self, code: u16, reason: &'static str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close { code, reason });
        self.closed = true;
    }
}

/// The first join stands; the same again is told so again.
fn joins_again(joined: Claim, claim: Option<Claim>, ack: Option<u64>, effects: &mut Vec<Effect>) {
    if claim != Some(joined) {
        effects.push(Effect::Refused { what: "user:join", why: "joined already" });
    } else if joined.role == Role::Admin {
        effects.push(Effect::Send(shape::admin_online()));
    }
    requests::acknowledge(ack, effects);
}

fn is_ours(event: &v1::Event) -> bool {
    event.conversation.as_ref().is_some_and(|shown| shown.kind == KIND)
}

fn is_by_staff(read: &v1::MessagesRead) -> bool {
    read.reader.as_ref().is_some_and(|reader| reader.kind() == v1::AuthorKind::Staff)
}

fn message_number(event: &v1::Event) -> Option<u64> {
    match &event.payload {
        Some(Payload::MessageSent(sent)) => sent.message.as_ref().map(|message| message.number),
        _ => None,
    }
}
