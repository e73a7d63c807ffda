//! One connection: drives its machine, strictly in order, and carries the machine's effects out.
//!
//! Everything that happens to a connection reaches its machine through [`Driver::step`], from one task: frames from
//! the transport, and through the outbox the answers, events and notices of the others. The transport writes what
//! [`Driver::out`] holds after each step.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    dialect::{After, Effect, Frame, Input, Machine, Opening, OpeningKind, Reply, SocketEvent, Tag},
    edge::Edge,
    link::Wanted,
    mounted::Mounted,
    outbox::{Ending, Item, Outbox},
};

pub(crate) mod pace;
mod questions;
pub(crate) mod turns;

use self::{questions::Questions, turns::Turns};

/// How many calls, attaches and subscriptions of one connection may be under way; further frames wait for an answer.
pub const CALLS_IN_FLIGHT: usize = 32;

/// How many timers one machine may have at a time; it names them, so it needs few.
const TIMERS_MAX: usize = 64;

/// The time for the rest of what a client had sent: as long as one that is too fast is borne with.
const FINISHED_WITHIN: Duration = Duration::from_secs(30);

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
pub(crate) struct Driver {
    machine: Box<dyn Machine>,
    questions: Questions,
    pub outbox: Arc<Outbox>,
    timers: Vec<(Instant, Tag)>,
    /// What goes to the client, in order.
    pub out: Vec<Out>,
    pub reply: Option<Box<Reply>>,
    pub ending: Option<Ending>,
    dialect: &'static str,
}

impl Driver {
    pub fn open(
        edge: &Arc<Edge>,
        mounted: &Mounted,
        peer: Option<IpAddr>,
        kind: OpeningKind,
        headers: &http::HeaderMap,
    ) -> Self {
        let opening = Opening { mount: Arc::clone(&mounted.mount), peer, kind, headers: telling(headers) };
        let outbox = Arc::new(Outbox::new(edge.limits.outbox_bytes));
        Self {
            machine: mounted.dialect.open(opening),
            questions: Questions::new(edge, mounted, &outbox, peer, kind),
            outbox,
            timers: Vec::new(),
            out: Vec::new(),
            reply: None,
            ending: None,
            dialect: mounted.dialect.wire().name,
        }
    }

    /// Waits until the gateway has handed on what a reply names, within a bound.
    pub async fn hold(&mut self, after: After) {
        self.questions.hold(after).await;
    }

    /// True while another frame may be stepped.
    pub fn has_room(&self) -> bool {
        self.questions.in_flight() < CALLS_IN_FLIGHT && self.machine.takes()
    }

    /// Its client has said who it is, and is let in.
    pub fn has_joined(&self) -> bool {
        self.machine.has_joined()
    }

    /// True while something that was asked for has not been answered, or a timer runs.
    pub fn is_waiting(&self) -> bool {
        self.questions.in_flight() > 0 || !self.timers.is_empty()
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
        self.questions.learn(&input);
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
        if self.questions.in_flight() == 0 && turns.is_empty() {
            return self.close(silence).await;
        }
        self.outbox.end(Ending::GONE);
        let over = began + FINISHED_WITHIN;
        if self.is_settled() {
            self.questions.detach(silence).await;
        } else {
            self.finish(turns, input, over, Self::is_settled).await;
            self.questions.detach(silence + began.elapsed()).await;
        }
        self.finish(turns, input, over, |_| false).await;
        self.close(silence + began.elapsed()).await;
    }

    /// It needs its connection with the core no more.
    fn is_settled(&self) -> bool {
        self.questions.is_proven() && self.machine.is_settled()
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
            let waits = self.questions.in_flight() > 0 || (self.has_room() && !turns.is_empty());
            if done(self) || self.ending.is_some() || !waits || now >= over || turns.is_held_back(now) {
                return;
            }
            let wakes = turns.wakes(now, self.has_room()).map_or(over, |wakes| wakes.min(over));
            tokio::select! {
                () = self.outbox.next() => {
                    let mut items = Vec::new();
                    self.outbox.take(usize::MAX, &mut items);
                    for item in items {
                        self.take(item).await;
                    }
                }
                () = tokio::time::sleep_until(wakes) => {}
            }
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
                self.questions.call(tag, call, credential);
            }
        }
        self.questions.detach(silence).await;
    }

    /// Counts input that is refused; the log tells of those who are not let in.
    pub fn refused(&self, what: &'static str, why: &'static str) {
        count_refused(self.dialect, what, why);
        self.questions.refused(what, why);
    }

    /// Carries out what was decided outside the machine.
    pub async fn carry_out_all(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            self.carry_out(effect).await;
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Call { tag, call, credential } => self.questions.call(tag, call, credential),
            Effect::Attach { tag, credential, recovery } => {
                self.questions.attach(tag, credential, recovery).await;
            }
            Effect::Subscribe { tag, topic, audience, replaces } => {
                self.questions.subscribe(Wanted { tag, topic, audience, replaces }).await;
            }
            Effect::Unsubscribe { topic, only } => self.questions.unsubscribe(topic, only).await,
            Effect::Hold => self.outbox.hold(),
            Effect::Release { above } => self.outbox.go_on(above),
            Effect::Refresh(list) => self.questions.refresh(list),
            Effect::Reconnect => self.outbox.end(Ending::TRY_AGAIN),
            Effect::Send(frame) => self.out.push(Out::Frame(frame)),
            Effect::Accept { pid } => self.out.push(Out::Accept { pid }),
            Effect::Refuse { message, data } => self.out.push(Out::Refuse { message, data }),
            Effect::Acknowledge { ack, arguments } => self.out.push(Out::Acknowledge { ack, arguments }),
            Effect::Respond(reply) => {
                self.reply.get_or_insert_with(|| Box::new(reply));
            }
            Effect::Timer { tag, after } => self.set_timer(tag, after),
            Effect::Refused { what, why } => self.refused(what, why),
            Effect::Close { code, reason } => {
                self.ending.get_or_insert(Ending { code, reason });
            }
        }
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

impl Drop for Driver {
    /// A connection that ends without its close is missed by the link when it next has something for it.
    fn drop(&mut self) {
        self.outbox.abandon();
    }
}
