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

use std::{collections::HashSet, mem::take, sync::Arc, time::Duration};

use http::HeaderMap;
use parlor_api::v1::{self, event::Payload};

use super::{
    asker::{Asker, Done},
    identity::Shown,
    join,
    queue::{QUEUE_MAX, Queue, Waiting},
    read::{Asked, Claim, KIND, Role},
    requests,
    send::{self, BURST_MAX},
    shape,
};
use crate::{
    dialect::{
        Answer, Credential, Effect, Input, Machine, Opening, Recovery, SocketEvent, Tag, ask::Work,
        refusal::Refusal,
    },
    mount::Mount,
};

/// What comes before a join waits so long for it: a page that was offline says first all that it has kept, and then that
/// it joins.
pub(super) const PARKED_FOR: Duration = Duration::from_millis(500);

/// Events that come while a connection is given what it missed. More than that in so short a time is no shop.
pub(super) const HELD_MAX: usize = 1_024;

const PARKING: Tag = 1;

/// RFC 6455: against the policy of the endpoint; and of IANA: try again later.
const CLOSE_POLICY: u16 = 1008;
const CLOSE_TRY_AGAIN: u16 = 1013;

/// The state of one connection.
pub(super) struct Socket {
    mount: Arc<Mount>,
    /// Of the request that opened it, until the client is in.
    headers: Option<Box<HeaderMap>>,
    shown: Shown,
    state: State,
    work: Work<Done>,
    queue: Queue,
    /// What came while it catches up.
    held: Vec<Arc<v1::Event>>,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody has tried to join; what waits is parked.
    Nobody,
    Joining {
        claim: Claim,
        ack: Option<u64>,
        /// The rights ended on the way in.
        ended: bool,
    },
    Joined(Claim),
    /// Whoever tried was refused; with the id that nobody has, if that is why.
    Refused {
        unknown: Option<u64>,
    },
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
                self.work.core.tell(Effect::Accept { pid: None });
            }
            Input::Emitted { event, ack } => self.emitted(&event, ack),
            Input::Answer { tag, answer, .. } => self.answered(tag, answer),
            Input::Event { event, .. } => self.happened(event),
            Input::Timer(PARKING) => self.answer_as_nobodys(0),
            Input::Refreshed(list) => self.queue.push_list(list),
            Input::RightsEnded(reason) => self.rights_ended(reason),
            Input::Closed => self.closed = true,
            // What is not said here.
            Input::Frame(_) | Input::Request(_) | Input::Timer(_) => {}
        }
        self.go_on();
        self.work.core.give_out(effects);
    }

    /// A join must get past what is parked for it.
    fn takes(&self) -> bool {
        self.parks() || self.queue.has_room()
    }

    fn is_settled(&self) -> bool {
        !matches!(self.state, State::Joining { .. })
    }
}

impl Socket {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { mount, headers, .. } = opening;
        Self {
            shown: Shown::new(&mount, &headers, None),
            mount,
            headers: Some(Box::new(headers)),
            state: State::Nobody,
            work: Work::default(),
            queue: Queue::default(),
            held: Vec::new(),
            closed: false,
        }
    }

    // === Order ===

    fn emitted(&mut self, event: &SocketEvent, ack: Option<u64>) {
        let Some(mut asked) = Asked::read(event) else {
            return self.work.core.refuse("event", "unknown");
        };
        if let (Asked::Join(claim), true) = (&asked, self.parks()) {
            return self.join(*claim, ack);
        }
        let mut bytes = event.bytes();
        if !self.queue.fits(bytes) {
            if let Asked::Send(sending) = &mut asked {
                self.work.core.refuse("message:send", "too much waits");
                *sending = None;
            }
            bytes = 0;
        }
        self.queue.push(asked, ack, bytes);
        if self.parks() {
            self.park();
        }
    }

    /// True while what comes waits for a join that has not come.
    fn parks(&self) -> bool {
        matches!(self.state, State::Nobody)
    }

    /// One more is parked. Above the bound the oldest is answered as nobody's, so that answers stay in order.
    fn park(&mut self) {
        match self.queue.len() {
            1 => self.work.core.tell(Effect::Timer { tag: PARKING, after: PARKED_FOR }),
            _ => self.answer_as_nobodys(QUEUE_MAX),
        }
    }

    /// Until so many are left that a join may still come for.
    fn answer_as_nobodys(&mut self, left: usize) {
        while self.parks() && self.queue.len() > left {
            if let Some(Waiting::Request { asked, ack, .. }) = self.queue.pop() {
                requests::outside(None, &asked, &self.asker(ack));
            }
        }
    }

    fn go_on(&mut self) {
        while self.work.is_idle() && !self.closed && !self.parks() {
            match self.queue.pop() {
                Some(Waiting::Request { asked, ack, .. }) => self.request(asked, ack),
                Some(Waiting::HearOn { closed }) => {
                    self.work_on(join::hear_on(self.work.core.clone(), closed));
                }
                Some(Waiting::List(list)) => {
                    if matches!(self.state, State::Joined(Claim { role: Role::Admin, .. })) {
                        self.work.core.send(list);
                    }
                }
                None => return,
            }
        }
    }

    fn request(&mut self, asked: Asked, ack: Option<u64>) {
        let asker = self.asker(ack);
        match (self.state, asked) {
            (State::Joined(joined), Asked::Join(claim)) => self.joins_again(joined, claim, &asker),
            (_, Asked::Join(claim)) => self.join(claim, ack),
            (State::Joined(joined), Asked::Send(first)) => {
                let mut messages = vec![(first, asker)];
                while messages.len() < BURST_MAX
                    && let Some((next, ack)) = self.queue.pop_message()
                {
                    messages.push((next, self.asker(ack)));
                }
                self.work_on(send::send(messages, joined.role));
            }
            (State::Joined(joined), asked) => {
                self.work_on(requests::answer(asked, joined.role, asker));
            }
            (State::Refused { unknown }, asked) => requests::outside(unknown, &asked, &asker),
            (State::Nobody | State::Joining { .. }, asked) => requests::outside(None, &asked, &asker),
        }
    }

    fn work_on(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        let done = self.work.begin(work);
        self.done(done);
    }

    fn answered(&mut self, tag: Tag, answer: Result<Answer, Refusal>) {
        let done = match self.state {
            State::Joining { ended: true, .. } if self.work.core.is_latest(tag) => {
                self.work.stop();
                Some(Done::Refused { unknown: None })
            }
            _ => self.work.answered(tag, answer, None),
        };
        self.done(done);
    }

    fn done(&mut self, done: Option<Done>) {
        let Some(done) = done else { return };
        match (done, self.state) {
            (Done::Joined(missed), State::Joining { claim, ack, .. }) => self.joined(claim, ack, &missed),
            (Done::Refused { unknown }, State::Joining { ack, .. }) => self.refuse(unknown, ack),
            (Done::Unreachable, _) => self.unreachable(),
            (Done::Answered | Done::Joined(_) | Done::Refused { .. }, _) => {}
        }
    }

    fn asker(&self, ack: Option<u64>) -> Asker {
        Asker::new(&self.work.core, ack)
    }

    // === Joining ===

    fn join(&mut self, claim: Option<Claim>, ack: Option<u64>) {
        let proof = claim.and_then(|claim| Some((claim, self.shown.proof(claim)?)));
        let Some((claim, proof)) = proof else {
            self.state = State::Refused { unknown: None };
            self.work.core.refuse("user:join", "no proof");
            return self.asker(ack).acknowledge();
        };
        self.state = State::Joining { claim, ack, ended: false };
        self.work_on(join::join(self.work.core.clone(), claim, proof));
    }

    fn joined(&mut self, claim: Claim, ack: Option<u64>, missed: &v1::ListMissedEventsResponse) {
        self.state = State::Joined(claim);
        // It has served: whoever loses these rights has nothing better here.
        self.shown = Shown::default();
        let is_admin = claim.role == Role::Admin;
        if is_admin {
            self.work.core.send(shape::admin_online());
        }
        self.asker(ack).acknowledge();
        let mut given = HashSet::new();
        for event in missed.events.iter().filter(|event| is_ours(event)) {
            given.extend(message_number(event));
            self.show(event);
        }
        if is_admin {
            self.work.core.tell(Effect::Release { above: missed.reached_position });
        }
        for event in take(&mut self.held) {
            if message_number(&event).is_none_or(|number| !given.contains(&number)) {
                self.happened(event);
            }
        }
    }

    /// The first join stands; the same again is told so again.
    fn joins_again(&self, joined: Claim, claim: Option<Claim>, asker: &Asker) {
        if claim != Some(joined) {
            self.work.core.refuse("user:join", "joined already");
        } else if joined.role == Role::Admin {
            self.work.core.send(shape::admin_online());
        }
        asker.acknowledge();
    }

    /// A refusal is silent; what waits is told in its turn. The connection speaks for nobody, whatever was proven.
    fn refuse(&mut self, unknown: Option<u64>, ack: Option<u64>) {
        self.state = State::Refused { unknown };
        self.held.clear();
        self.work.core.tell(Effect::Release { above: u64::MAX });
        self.work.core.refuse("user:join", "not proven");
        let (tag, credential, recovery) = (self.work.core.next_tag(), Credential::Guest, Recovery::default());
        self.work.core.tell(Effect::Attach { tag, credential, recovery });
        self.asker(ack).acknowledge();
    }

    /// The page joins only when it connects, so it must connect again; what it asked is answered first.
    fn unreachable(&mut self) {
        while let Some(waiting) = self.queue.pop() {
            match waiting {
                Waiting::Request { asked: Asked::Send(_), ack, .. } => self.asker(ack).fail(shape::FAILED),
                Waiting::Request { asked, ack, .. } => requests::outside(None, &asked, &self.asker(ack)),
                Waiting::HearOn { .. } | Waiting::List(_) => {}
            }
        }
        self.close(CLOSE_TRY_AGAIN, "the service is unavailable");
    }

    // === What happens meanwhile ===

    fn happened(&mut self, event: Arc<v1::Event>) {
        let joined = match self.state {
            State::Joined(joined) => joined,
            State::Joining { .. } if self.held.len() < HELD_MAX => return self.held.push(event),
            State::Joining { .. } => {
                return self.close(CLOSE_TRY_AGAIN, "too much happened during the join");
            }
            // It was on its way when the rights ended.
            State::Nobody | State::Refused { .. } => return,
        };
        match (&event.payload, joined.role) {
            (Some(Payload::MessageSent(_)), _) => self.show(&event),
            (Some(Payload::MessagesRead(read)), Role::Admin) if is_by_staff(read) => {
                self.work.core.tell(Effect::Refresh(&requests::CONVERSATIONS));
            }
            (Some(Payload::ConversationChanged(_)), Role::Customer) if is_closed(&event) => {
                self.queue.hear_on(&event.conversation_id);
            }
            _ => {}
        }
    }

    fn show(&self, event: &v1::Event) {
        if let Some(frame) = shape::received(event) {
            self.work.core.send(frame);
        }
    }

    /// An admin whose token is over is nobody from here on; customers stay as long as their connection.
    fn rights_ended(&mut self, reason: v1::RightsEndedReason) {
        match (reason, &mut self.state) {
            (v1::RightsEndedReason::Revoked, _) => self.close(CLOSE_POLICY, "credential revoked"),
            (_, State::Joining { ended, .. }) => *ended = true,
            (_, state @ State::Joined(_)) => *state = State::Refused { unknown: None },
            (_, State::Nobody | State::Refused { .. }) => {}
        }
    }

    fn close(&mut self, code: u16, reason: &'static str) {
        self.work.core.tell(Effect::Close { code, reason });
        self.closed = true;
    }
}

fn is_ours(event: &v1::Event) -> bool {
    event.conversation.as_ref().is_some_and(|shown| shown.kind == KIND)
}

fn is_closed(event: &v1::Event) -> bool {
    event.conversation.as_ref().is_some_and(|shown| shown.status() == v1::ConversationStatus::Closed)
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
