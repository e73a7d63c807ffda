//! One connection: runs its machine, strictly in order, and carries the machine's effects out.
//!
//! Everything that happens to a connection reaches its machine through [`Session::step`], from one task: frames from
//! the transport, and through the outbox the answers, events and notices of the others. The transport writes what
//! [`Session::out`] holds after each step.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;
use tonic::Status;

use crate::{
    call::{Caller, Proof},
    dialect::{
        After, Answer, Call, Credential, Dialect, Effect, Frame, Input, Machine, Opening, OpeningKind,
        Response, Tag,
    },
    edge::Edge,
    link::{Attach, Command, Wanted},
    mount::Mount,
    outbox::{Ending, Item, Outbox},
};

pub(crate) mod pace;

/// How many calls, attaches and subscriptions of one connection may be under way; further frames wait for an answer.
pub const CALLS_IN_FLIGHT: usize = 32;

/// How many timers one machine may have at a time; it names them, so it needs few.
const TIMERS_MAX: usize = 64;

/// A mount with the dialect that it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub mount: Arc<Mount>,
    pub dialect: Arc<dyn Dialect>,
}

/// The answer of a REST exchange, and what must have left before it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub response: Response,
    pub after: Option<After>,
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
    /// Frames for the client, in order.
    pub out: Vec<Frame>,
    pub reply: Option<Reply>,
    pub ending: Option<Ending>,
}

impl Session {
    pub fn open(edge: &Arc<Edge>, mounted: &Mounted, peer: Option<IpAddr>, kind: OpeningKind) -> Self {
        let opening = Opening { mount: Arc::clone(&mounted.mount), peer, kind };
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
        self.in_flight < CALLS_IN_FLIGHT
    }

    /// True while something that was asked for has not been answered, or a timer runs.
    pub fn is_waiting(&self) -> bool {
        self.in_flight > 0 || !self.timers.is_empty()
    }

    /// Takes what came through the outbox: a frame goes out, an input is stepped.
    pub async fn take(&mut self, item: Item) {
        match item {
            Item::Frame(frame, _ticket) => self.out.push(frame),
            Item::Input(input, _ticket) => self.step(*input).await,
        }
    }

    /// One step of the machine, and its effects.
    pub async fn step(&mut self, input: Input) {
        self.learn(&input);
        let mut effects = Vec::new();
        self.machine.step(input, &mut effects);
        for effect in effects {
            self.carry_out(effect).await;
        }
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

    /// The client is gone: the machine says its last, and the link forgets the connection.
    pub async fn close(mut self) {
        self.outbox.end(Ending::GONE);
        let mut effects = Vec::new();
        self.machine.step(Input::Closed, &mut effects);
        for effect in effects {
            if let Effect::Call { tag, call, credential } = effect {
                self.call(tag, *call, credential);
            }
        }
        if self.announced {
            self.announced = false;
            self.edge.link.tell(Command::Detach { connection: Arc::clone(&self.connection) }).await;
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
            Input::Frame(_) | Input::Request(_) | Input::Event { .. } | Input::Timer(_) | Input::Closed => {}
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Call { tag, call, credential } => self.call(tag, *call, credential),
            Effect::Attach { tag, credential } => self.attach(tag, credential).await,
            Effect::Subscribe { tag, topic, audience, replaces } => {
                self.in_flight += 1;
                if !self.announced {
                    let answer = Err(Status::unauthenticated("the connection has not proved who it is"));
                    self.outbox.push(answer_item(tag, answer, None));
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
            Effect::Send(frame) => self.out.push(frame),
            Effect::Respond { response, after } => {
                self.reply.get_or_insert(Reply { response, after });
            }
            Effect::Timer { tag, after } => self.set_timer(tag, after),
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
            Credential::Bearer(token) | Credential::ApiKey(token) => Some(Proof::Bearer(token)),
            Credential::Guest => Some(Proof::Guest),
        };
        let outbox = Arc::clone(&self.outbox);
        let Some(proof) = proof else {
            let answer = Err(Status::unauthenticated("the connection has not proved who it is"));
            outbox.push(answer_item(tag, answer, None));
            return;
        };
        let caller = Caller {
            mount: Arc::clone(&self.mounted.mount),
            connection: Arc::clone(&self.connection),
            peer: self.peer,
            proof,
        };
        let calls = self.edge.calls.clone();
        self.edge.tasks.spawn(async move {
            let (answer, position) = calls.call(call, &caller).await;
            outbox.push(answer_item(tag, answer, position));
        });
    }

    async fn attach(&mut self, tag: Tag, credential: Credential) {
        self.in_flight += 1;
        self.announced = true;
        let attach = Attach {
            connection: Arc::clone(&self.connection),
            outbox: Arc::clone(&self.outbox),
            mounted: self.mounted.clone(),
            peer: self.peer,
            present: self.kind == OpeningKind::WebSocket,
            credential: match credential {
                Credential::Connection => self.handle.clone().map(Proof::Handle),
                Credential::Bearer(token) | Credential::ApiKey(token) => Some(Proof::Bearer(token)),
                Credential::Guest => Some(Proof::Guest),
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

impl Drop for Session {
    /// A connection that ends without its close is missed by the link when it next has something for it.
    fn drop(&mut self) {
        self.outbox.end(Ending::GONE);
    }
}

/// An answer on its way to the machine.
pub(crate) fn answer_item(tag: Tag, answer: Result<Answer, Status>, position: Option<u64>) -> Item {
    Item::Input(Box::new(Input::Answer { tag, answer, position }), None)
}
