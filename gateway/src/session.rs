//! One connection: runs its machine, strictly in order, and carries the machine's effects out.
//!
//! Everything that happens to a connection reaches its machine through [`Session::step`], from one task: frames from
//! the transport, and through the outbox the answers, events and notices of the others. The transport writes what
//! [`Session::out`] holds after each step.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    call::{Caller, Proof},
    derived::Hearer,
    dialect::{
        After, Answer, Call, Credential, Derived, Effect, Frame, Input, Machine, Memory, Opening,
        OpeningKind, Response, SocketEvent, Tag,
        refusal::{Kind, Refusal},
    },
    edge::Edge,
    link::{Attach, Command, Wanted},
    mounted::Mounted,
    outbox::{Ending, Item, Outbox},
};

pub(crate) mod pace;
pub(crate) mod turns;

use self::turns::Turns;

/// How many calls, attaches and subscriptions of one connection may be under way; further frames wait for an answer.
pub const CALLS_IN_FLIGHT: usize = 32;

/// How many timers one machine may have at a time; it names them, so it needs few.
const TIMERS_MAX: usize = 64;

/// The time for the rest of what a client had sent: as long as one that is too fast is borne with.
const FINISHED_WITHIN: Duration = Duration::from_secs(30);

/// The answer of a REST exchange, and what must have left before it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub response: Response,
    pub after: Option<After>,
}

/// What goes to a client of a socket.
#[derive(Debug)]
pub(crate) enum Out {
    Frame(Frame),
    /// The answer to the request for a namespace: its session's name, or why not.
    Accept {
        pid: Option<String>,
    },
    Refuse {
        message: String,
        data: Option<bytes::Bytes>,
    },
    Acknowledge {
        ack: u64,
        arguments: SocketEvent,
    },
}

/// The state of one connection beside its socket.
pub(crate) struct Session {
    edge: Arc<Edge>,
    mounted: Mounted,
    machine: Box<dyn Machine>,
    pub outbox: Arc<Outbox>,
    connection: Arc<str>,
    peer: Option<IpAddr>,
    kind: OpeningKind,
    /// The principal's handle, once attached.
    handle: Option<String>,
    tenant: Option<String>,
    /// The link knows of the connection and must be told of its end.
    announced: bool,
    in_flight: usize,
    timers: Vec<(Instant, Tag)>,
    /// What goes to the client, in order.
    pub out: Vec<Out>,
    pub reply: Option<Box<Reply>>,
    pub ending: Option<Ending>,
}

impl Session {
    pub fn open(
        edge: &Arc<Edge>,
        mounted: &Mounted,
        peer: Option<IpAddr>,
        kind: OpeningKind,
        headers: &http::HeaderMap,
    ) -> Self {
        let opening = Opening { mount: Arc::clone(&mounted.mount), peer, kind, headers: telling(headers) };
        Self {
            machine: mounted.dialect.open(opening),
            outbox: Arc::new(Outbox::new(edge.limits.outbox_bytes)),
            connection: edge.next_connection(),
            edge: Arc::clone(edge),
            mounted: mounted.clone(),
            peer,
            kind,
            handle: None,
            tenant: mounted.mount.tenant.clone(),
            announced: false,
            in_flight: 0,
            timers: Vec::new(),
            out: Vec::new(),
            reply: None,
            ending: None,
        }
    }

    /// Waits until the gateway has handed on what a reply names, within a bound.
    pub async fn hold(&mut self, after: After) {
        self.edge.link.passed(after, self.tenant.as_deref(), self.edge.limits.reply_hold).await;
    }

    /// True while another frame may be stepped.
    pub fn has_room(&self) -> bool {
        self.in_flight < CALLS_IN_FLIGHT && self.machine.takes()
    }

    /// Its client has said who it is, and is let in.
    pub fn has_joined(&self) -> bool {
        self.machine.has_joined()
    }

    /// True while something that was asked for has not been answered, or a timer runs.
    pub fn is_waiting(&self) -> bool {
        self.in_flight > 0 || !self.timers.is_empty()
    }

    /// Takes what came through the outbox: a frame goes out, an input is stepped.
    pub async fn take(&mut self, item: Item) {
        match item {
            Item::Frame(frame, _ticket) => self.out.push(Out::Frame(frame)),
            Item::Input(input, _ticket) => self.step(*input).await,
        }
    }

    /// One step of the machine, and its effects.
    pub async fn step(&mut self, input: Input) {
        self.learn(&input);
        let mut effects = Vec::new();
        self.machine.step(input, &mut effects);
        self.carry_out_all(effects).await;
    }

    /// When the next timer of the machine runs out.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.iter().map(|(when, _)| *when).min()
    }

    /// Steps every timer that has run out.
    pub async fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some(due) = self.timers.iter().position(|(when, _)| *when <= now) {
            let (_, tag) = self.timers.swap_remove(due);
            self.step(Input::Timer(tag)).await;
        }
    }

    /// The client is gone, and nothing was heard of it for `silence`. What it had sent before is carried out still: who
    /// writes and leaves has written. Who had come in is gone for the core at once; their handle stands for them.
    pub async fn end<T>(mut self, silence: Duration, turns: &mut Turns<T>, input: fn(T) -> Input) {
        let began = Instant::now();
        if self.in_flight == 0 && turns.is_empty() {
            return self.close(silence).await;
        }
        self.outbox.end(Ending::GONE);
        let over = began + FINISHED_WITHIN;
        if self.is_settled() {
            self.detach(silence).await;
        } else {
            self.finish(turns, input, over, Self::is_settled).await;
            self.detach(silence + began.elapsed()).await;
        }
        self.finish(turns, input, over, |_| false).await;
        self.close(silence + began.elapsed()).await;
    }

    /// It needs its connection with the core no more.
    fn is_settled(&self) -> bool {
        self.handle.is_some() && self.machine.is_settled()
    }

    /// Steps what waits and what is answered until nothing does, until it is `done`, or until it is over.
    async fn finish<T>(
        &mut self,
        turns: &mut Turns<T>,
        input: fn(T) -> Input,
        over: Instant,
        done: fn(&Self) -> bool,
    ) {
        loop {
            self.dispatch(turns, input).await;
            // Nobody reads any more.
            self.out.clear();
            let now = Instant::now();
            let waits = self.in_flight > 0 || (self.has_room() && !turns.is_empty());
            if done(self) || self.ending.is_some() || !waits || now >= over || turns.is_held_back(now) {
                return;
            }
            let wakes = turns.wakes(now, self.has_room()).map_or(over, |wakes| wakes.min(over));
            tokio::select! {
                () = self.outbox.next() => self.take_all().await,
                () = tokio::time::sleep_until(wakes) => {}
            }
        }
    }

    async fn take_all(&mut self) {
        let mut items = Vec::new();
        self.outbox.take(usize::MAX, &mut items);
        for item in items {
            self.take(item).await;
        }
    }

    /// Steps what waits for its turn, as long as it is somebody's turn.
    pub async fn dispatch<T>(&mut self, turns: &mut Turns<T>, input: fn(T) -> Input) {
        while self.ending.is_none() {
            let now = Instant::now();
            if !self.has_room() {
                return turns.hold(now);
            }
            let Some(next) = turns.next(now) else { return };
            self.step(input(next)).await;
        }
    }

    /// The client is gone: the machine says its last, and the link forgets the connection. What was sent to it during the
    /// last `silence` may never have arrived.
    pub async fn close(mut self, silence: Duration) {
        self.outbox.end(Ending::GONE);
        let mut effects = Vec::new();
        self.machine.step(Input::Closed, &mut effects);
        for effect in effects {
            if let Effect::Call { tag, call, credential } = effect {
                self.call(tag, call, credential);
            }
        }
        self.detach(silence).await;
    }

    async fn detach(&mut self, silence: Duration) {
        if self.announced {
            self.announced = false;
            self.edge.link.tell(Command::Detach { connection: Arc::clone(&self.connection), silence }).await;
        }
    }

    /// Keeps what the machine's inputs say of the connection itself.
    fn learn(&mut self, input: &Input) {
        match input {
            Input::Answer { answer, .. } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if let Ok(Answer::Attached(attached)) = answer {
                    self.handle = Some(attached.handle.clone());
                    self.tenant = Some(attached.tenant.clone());
                }
            }
            Input::RightsEnded(_) => self.handle = None,
            Input::Frame(_)
            | Input::Connect { .. }
            | Input::Emitted { .. }
            | Input::Request(_)
            | Input::Event { .. }
            | Input::Refreshed(_)
            | Input::Timer(_)
            | Input::Closed => {}
        }
    }

    /// Counts input that is refused.
    pub fn refused(&self, what: &'static str, why: &'static str) {
        count_refused(self.mounted.dialect.wire().name, what, why);
    }

    /// Carries out what was decided outside the machine.
    pub async fn carry_out_all(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            self.carry_out(effect).await;
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Call { tag, call, credential } => self.call(tag, call, credential),
            Effect::Attach { tag, credential, memory } => self.attach(tag, credential, memory).await,
            Effect::Subscribe { tag, topic, audience, replaces } => {
                self.in_flight += 1;
                if !self.announced {
                    let answer = Err(unproven());
                    self.outbox.push(Item::answer(tag, answer, None));
                    return;
                }
                let connection = Arc::clone(&self.connection);
                let wanted = Wanted { tag, topic, audience, replaces };
                self.edge.link.tell(Command::Subscribe { connection, wanted }).await;
            }
            Effect::Unsubscribe { topic } => {
                let connection = Arc::clone(&self.connection);
                self.edge.link.tell(Command::Unsubscribe { connection, topic }).await;
            }
            Effect::Unhear { topic, conversation_id } => {
                let connection = Arc::clone(&self.connection);
                self.edge.link.tell(Command::Unhear { connection, topic, conversation_id }).await;
            }
            Effect::Hold => self.outbox.hold(),
            Effect::Release { above } => self.outbox.go_on(above),
            Effect::Refresh(list) => self.refresh(list),
            Effect::Break => self.outbox.end(Ending::TRY_AGAIN),
            Effect::Send(frame) => self.out.push(Out::Frame(frame)),
            Effect::Accept { pid } => self.out.push(Out::Accept { pid }),
            Effect::Refuse { message, data } => self.out.push(Out::Refuse { message, data }),
            Effect::Acknowledge { ack, arguments } => self.out.push(Out::Acknowledge { ack, arguments }),
            Effect::Respond { response, after } => {
                self.reply.get_or_insert_with(|| Box::new(Reply { response, after }));
            }
            Effect::Timer { tag, after } => self.set_timer(tag, after),
            Effect::Refused { what, why } => self.refused(what, why),
            Effect::Close { code, reason } => {
                self.ending.get_or_insert(Ending { code, reason });
            }
        }
    }

    /// Calls run beside the connection, so that what was asked is done even if the client leaves.
    fn call(&mut self, tag: Tag, call: Call, credential: Credential) {
        self.in_flight += 1;
        let proof = match credential {
            Credential::Connection => self.handle.clone().map(Proof::Handle),
            Credential::Bearer(token) => Some(Proof::Bearer(token)),
            Credential::Guest => Some(Proof::Guest),
            // For attaching: a call is made by whom the connection then is.
            Credential::BearerAsCustomer(_) | Credential::Claim { .. } => None,
        };
        let outbox = Arc::clone(&self.outbox);
        let Some(proof) = proof else {
            let answer = Err(unproven());
            outbox.push(Item::answer(tag, answer, None));
            return;
        };
        let caller = self.caller(proof);
        let calls = self.edge.calls.clone();
        self.edge.tasks.spawn(async move {
            let (answer, position) = calls.call(call, &caller).await;
            outbox.push(Item::answer(tag, answer, position));
        });
    }

    /// Nothing is sent to whoever has not proved who they are.
    fn refresh(&self, list: &'static Derived) {
        if let Some(handle) = self.handle.clone() {
            let caller = self.caller(Proof::Handle(handle));
            let hearer = Hearer { caller, outbox: Arc::clone(&self.outbox) };
            self.edge.lists.refresh(list, self.tenant.clone(), hearer);
        }
    }

    fn caller(&self, proof: Proof) -> Caller {
        Caller {
            mount: Arc::clone(&self.mounted.mount),
            connection: Arc::clone(&self.connection),
            peer: self.peer,
            proof,
        }
    }

    async fn attach(&mut self, tag: Tag, credential: Credential, memory: Memory) {
        self.in_flight += 1;
        self.announced = true;
        let attach = Attach {
            connection: Arc::clone(&self.connection),
            outbox: Arc::clone(&self.outbox),
            mounted: self.mounted.clone(),
            peer: self.peer,
            present: self.kind != OpeningKind::Rest,
            memory,
            credential: match credential {
                Credential::Connection => self.handle.clone().map(Proof::Handle),
                Credential::Bearer(token) => Some(Proof::Bearer(token)),
                Credential::Guest => Some(Proof::Guest),
                Credential::BearerAsCustomer(token) => Some(Proof::BearerAsCustomer(token)),
                Credential::Claim { subject, role } => Some(Proof::Claim { subject, role }),
            },
            tag,
        };
        self.edge.link.tell(Command::Attach(Box::new(attach))).await;
    }

    fn set_timer(&mut self, tag: Tag, after: Duration) {
        self.timers.retain(|(_, set)| *set != tag);
        if self.timers.len() < TIMERS_MAX {
            self.timers.push((Instant::now() + after, tag));
        }
    }
}

/// Counts input that is refused: of which dialect, what, and why.
pub(crate) fn count_refused(dialect: &'static str, what: &'static str, why: &'static str) {
    metrics::counter!(crate::metric::INPUT_REFUSED, "dialect" => dialect, "what" => what, "why" => why)
        .increment(1);
}

/// The headers that say who somebody is, or where their page is from. They are copied: a header of a request shares the
/// buffer that the request was read into, and whoever keeps one keeps all of it.
pub(crate) fn telling(headers: &http::HeaderMap) -> http::HeaderMap {
    let mut kept = http::HeaderMap::new();
    for name in [http::header::AUTHORIZATION, http::header::COOKIE, http::header::ORIGIN] {
        for value in headers.get_all(&name) {
            let copy = http::HeaderValue::from_bytes(value.as_bytes());
            kept.append(name.clone(), copy.expect("a header's value is a header's value"));
        }
    }
    kept
}

impl Drop for Session {
    /// A connection that ends without its close is missed by the link when it next has something for it.
    fn drop(&mut self) {
        self.outbox.abandon();
    }
}

fn unproven() -> Refusal {
    Refusal::of(Kind::NotProven, "the connection has not proved who it is")
}
