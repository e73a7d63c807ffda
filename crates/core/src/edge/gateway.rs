//! One gateway, over the life of its epoch: its connections, what they hear, and the rights they have.
//!
//! One task owns all of it. Commands of one connection are carried out one after another; those of different connections
//! overlap, so that a slow proof delays nobody else. What waits (proofs, reads, opening a topic) runs in `running`; what
//! changes the gateway's state happens in this task, without waiting.
//!
//! It outlives its stream by the lease. A gateway that comes back repeats what was not answered, so a command of an
//! earlier stream gets no answer: what waits is forgotten, and what is under way is recorded silently. Every command may be
//! repeated: attaching again replaces, subscribing again answers where the topic is now, and detaching or unsubscribing
//! what is gone does nothing. Ended rights answer no command, so they are told on every stream until the gateway names the
//! connection again.

mod attached;
mod lanes;
mod rights;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use futures::{
    FutureExt as _,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt as _},
};
use parlor_api::v1::{self, RightsEndedReason, link_request::Command, link_response::Body};
use parlor_store::Millis;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use self::{
    lanes::Lanes,
    rights::{Ended, RightsTimers},
};
use super::{
    connection::{Attached, Connection, Hearing},
    fetch, hear,
    queue::Queue,
    registry::{Door, Stream},
    shared::{Options, Shared},
    stream::{Requests, Responses, check_name, duration},
    topics::Topics,
};
use crate::{
    Error, Result,
    caller::Principal,
    optional::some,
    presence::{Present, Visiting},
};

/// Commands that may be under way or wait for their connection; beyond it none are read.
const MAX_UNDER_WAY: usize = 4096;

/// Fetches carried out at once: each brings up to [`super::queue::FETCH_BYTES`].
const MAX_FETCHING: usize = 16;

/// Streams that wait to take over: a gateway has one, and may be replacing it.
const MAX_STREAMS_WAITING: usize = 4;

pub(super) struct Gateway {
    shared: Arc<Shared>,
    name: String,
    /// Makes names of connections unique among all gateways.
    scope: Arc<str>,
    queue: Arc<Queue>,
    connections: HashMap<Arc<str>, Box<Connection>>,
    /// Connections that the gateway may still believe to have rights.
    ended: HashMap<Arc<str>, RightsEndedReason>,
    topics: Topics,
    rights: RightsTimers,
    lanes: Lanes,
    /// Fetches that wait for others, or for the gateway to read.
    fetches: VecDeque<(u64, v1::LinkFetch)>,
    fetching: usize,
    running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// Counts the streams that were served.
    stream: u64,
    /// When the gateway was last heard.
    heard_at: Millis,
    /// Tells who waits for the place that it is free.
    _ended: DropGuard,
}

/// What a command waits for.
type Work = BoxFuture<'static, Result<Done>>;

/// What a command came to, to be recorded.
struct Outcome {
    /// Whose lane goes on; none for a fetch.
    connection: Option<Arc<str>>,
    number: u64,
    /// The stream it came on.
    stream: u64,
    done: Result<Done>,
}

enum Done {
    Attached(Box<Attached>),
    Subscribed(Box<Hearing>),
    Fetched(v1::LinkFetched),
}

/// Begins to serve a gateway, or hands the stream to the task that does.
pub(super) async fn link(
    shared: &Arc<Shared>,
    hello: v1::LinkHello,
    requests: Requests,
) -> Result<Responses> {
    let (begun, served) = (CancellationToken::new(), CancellationToken::new());
    let mut stream = Stream { requests, begun: begun.clone(), _served: served.clone().drop_guard() };
    if let Some(door) = shared.registry.find(&hello.gateway, &hello.epoch) {
        match door.streams.send(stream).await {
            Ok(()) => return Ok(door.queue.responses(begun, served)),
            // It has just ended: the gateway begins again.
            Err(mpsc::error::SendError(back)) => stream = back,
        }
    }
    let queue = begin(shared, hello, stream).await?;
    begun.cancel();
    Ok(queue.responses(begun, served))
}

/// Begins to serve a gateway, in the place of an earlier epoch.
async fn begin(shared: &Arc<Shared>, hello: v1::LinkHello, stream: Stream) -> Result<Arc<Queue>> {
    let (streams, waiting) = mpsc::channel(MAX_STREAMS_WAITING);
    let queue = Queue::new(shared.options.queue_bytes);
    let (replaced, ended) = (CancellationToken::new(), CancellationToken::new());
    let door = Door {
        epoch: hello.epoch.clone(),
        queue: Arc::clone(&queue),
        streams,
        replaced: replaced.clone(),
        ended: ended.clone(),
    };
    // Before anybody can tell it something else.
    queue.control(welcome(&shared.options, false));
    if let Some(earlier_ended) = shared.registry.insert(&hello.gateway, door)? {
        // Connections of the earlier epoch are gone before any come through this one.
        earlier_ended.cancelled().await;
    }
    shared.registry.tell_drain(&queue);
    let gateway = Gateway::new(shared, hello, &queue, ended.drop_guard());
    shared.tasks.spawn(gateway.run(waiting, Some(stream), replaced));
    Ok(queue)
}

impl Gateway {
    /// One without connections.
    fn new(shared: &Arc<Shared>, hello: v1::LinkHello, queue: &Arc<Queue>, ended: DropGuard) -> Self {
        Self {
            scope: format!("{}/{}", hello.gateway, hello.epoch).into(),
            shared: Arc::clone(shared),
            name: hello.gateway,
            topics: Topics::new(Arc::clone(queue)),
            queue: Arc::clone(queue),
            connections: HashMap::new(),
            ended: HashMap::new(),
            rights: RightsTimers::new(&shared.rights, shared.past.clock().clone()),
            lanes: Lanes::default(),
            fetches: VecDeque::new(),
            fetching: 0,
            running: FuturesUnordered::new(),
            stream: 0,
            heard_at: shared.past.clock().now(),
            _ended: ended,
        }
    }

    /// Serves streams, one after another, until the lease is over or the epoch is replaced.
    async fn run(
        mut self,
        mut streams: mpsc::Receiver<Stream>,
        mut stream: Option<Stream>,
        replaced: CancellationToken,
    ) {
        let stop = self.shared.stop.clone();
        let lease = self.shared.options.lease;
        let mut due = Instant::now() + lease;
        loop {
            self.begin_fetches();
            let under_way = self.lanes.waiting() + self.fetches.len() + self.running.len();
            let reads = under_way < MAX_UNDER_WAY && self.queue.has_room();
            tokio::select! {
                () = stop.cancelled() => return self.end(true),
                () = replaced.cancelled() => return self.end(false),
                Some(next) = streams.recv() => {
                    self.break_off(stream.take());
                    self.resume();
                    next.begun.cancel();
                    stream = Some(next);
                    due = Instant::now() + lease;
                }
                Some(outcome) = self.running.next(), if !self.running.is_empty() => self.record(outcome),
                ended = self.rights.next() => self.end_rights(ended),
                // Looks again at what may be begun.
                () = self.queue.room(), if !reads || !self.fetches.is_empty() => {}
                request = some(stream.as_mut().map(|stream| stream.requests.next())), if reads => {
                    due = Instant::now() + lease;
                    self.heard_at = self.shared.past.clock().now();
                    match request {
                        Some(Ok(request)) => self.accept(request),
                        Some(Err(_)) | None => self.break_off(stream.take()),
                    }
                }
                () = tokio::time::sleep_until(due) => match stream.take() {
                    // Not read is not silent: what it sent may be waiting behind its own unread answers.
                    Some(unread) if !reads => {
                        stream = Some(unread);
                        due = Instant::now() + lease;
                    }
                    Some(silent) => {
                        self.break_off(Some(silent));
                        due = Instant::now() + lease;
                    }
                    None => return self.end(false),
                },
            }
        }
    }

    fn break_off(&self, stream: Option<Stream>) {
        if stream.is_some() {
            drop(stream);
            self.queue.shut();
        }
    }

    fn resume(&mut self) {
        self.stream += 1;
        self.lanes.forget_waiting();
        self.fetches.clear();
        self.queue.shut();
        self.queue.control(welcome(&self.shared.options, true));
        self.shared.registry.tell_drain(&self.queue);
        for (connection, reason) in &self.ended {
            self.tell_ended(connection, *reason);
        }
        self.queue.reopen();
    }

    /// Forgets everything. `stays` leaves presence as it is, because the gateway does not go down with this core.
    fn end(mut self, stays: bool) {
        if stays {
            for (_, connection) in self.connections.drain() {
                connection.present.into_iter().for_each(Present::stay);
                connection.visiting.into_iter().for_each(Visiting::stay);
            }
        }
        for connection in self.connections.values() {
            if let (Some(key), Some(redelivery)) = (connection.person(), &connection.redelivery) {
                self.shared.past.left_at(key, redelivery.began, self.heard_at);
            }
        }
        // Before its place is free: one that follows counts the same connections anew.
        self.connections.clear();
        self.running.clear();
        self.queue.clear();
        self.shared.registry.remove(&self.name, &self.queue);
    }

    fn accept(&mut self, request: v1::LinkRequest) {
        let connection = match &request.command {
            Some(Command::Attach(command)) => &command.connection,
            Some(Command::Detach(command)) => &command.connection,
            Some(Command::Subscribe(command)) => &command.connection,
            Some(Command::Unsubscribe(command)) => &command.connection,
            Some(Command::Fetch(command)) => {
                return self.fetches.push_back((request.number, *command));
            }
            Some(Command::Renew(_)) => return self.done(request.number),
            Some(Command::Hello(_)) => {
                return self.fail(request.number, Error::field("hello", "comes first, and once"));
            }
            None => return self.fail(request.number, Error::field("command", "is missing")),
        };
        if let Err(error) = check_name("connection", connection) {
            return self.fail(request.number, error);
        }
        let connection = self.known(connection);
        let first = self.lanes.enter(&connection, request);
        self.go_on(&connection, first);
    }

    /// Carries out commands of a connection, up to the first that waits for something.
    fn go_on(&mut self, connection: &Arc<str>, mut next: Option<v1::LinkRequest>) {
        while let Some(request) = next {
            let number = request.number;
            if let Some(work) = self.carry_out(connection, request) {
                let (connection, stream) = (Some(Arc::clone(connection)), self.stream);
                let run = async move { Outcome { connection, number, stream, done: work.await } };
                return self.running.push(run.boxed());
            }
            next = self.lanes.next(connection);
        }
    }

    /// The name of a connection, as it is kept for one that is attached: once.
    fn known(&self, connection: &str) -> Arc<str> {
        let known = self.connections.get_key_value(connection);
        known.map_or_else(|| connection.into(), |(name, _)| Arc::clone(name))
    }

    /// Carries out a command, or gives what it waits for.
    fn carry_out(&mut self, connection: &Arc<str>, request: v1::LinkRequest) -> Option<Work> {
        let number = request.number;
        let begun = match request.command? {
            Command::Attach(command) => self.attach(connection, number, command),
            Command::Subscribe(command) => self.subscribe(connection, command.topic),
            Command::Detach(command) => {
                self.remember(connection, &command);
                self.forget(connection);
                self.ended.remove(connection);
                self.done(number);
                return None;
            }
            Command::Unsubscribe(command) => {
                self.topics.unsubscribe(connection, command.topic);
                self.done(number);
                return None;
            }
            Command::Hello(_) | Command::Fetch(_) | Command::Renew(_) => return None,
        };
        begun.map_err(|error| self.fail(number, error)).ok()
    }

    fn subscribe(&self, connection: &str, topic: Option<v1::Topic>) -> Result<Work> {
        let attached = self.connections.get(connection);
        let attached = attached.ok_or_else(|| Error::field("connection", "is not attached"))?;
        let hears = self.topics.heard_by(connection);
        let (shared, principal) = (Arc::clone(&self.shared), Arc::clone(&attached.principal));
        let peer = Arc::clone(&attached.peer);
        let subscribe = async move {
            let hearing = hear::subscribe(&shared, &principal, &peer, &hears, topic).await?;
            Ok(Done::Subscribed(Box::new(hearing)))
        };
        Ok(subscribe.boxed())
    }

    fn begin_fetches(&mut self) {
        while self.fetching < MAX_FETCHING
            && self.queue.has_room()
            && let Some((number, command)) = self.fetches.pop_front()
        {
            self.fetching += 1;
            let (shared, stream) = (Arc::clone(&self.shared), self.stream);
            let topic = self.queue.topic(command.topic);
            let work = async move {
                let fetched = fetch::fetch(&shared, topic, &command, number);
                let done = fetch::in_time(fetch::WITHIN, fetched).await.map(Done::Fetched);
                Outcome { connection: None, number, stream, done }
            };
            self.running.push(work.boxed());
        }
    }

    fn record(&mut self, outcome: Outcome) {
        let Outcome { connection, number, stream, done } = outcome;
        let is_asked = stream == self.stream;
        match (done, &connection) {
            // It counts for presence from now on, so it is recorded even if nobody asks any more.
            (Ok(Done::Attached(attached)), Some(name)) => {
                self.record_attached(name, is_asked.then_some(number), *attached);
            }
            (Ok(Done::Subscribed(hearing)), Some(name)) if is_asked => {
                self.record_subscribed(name, number, *hearing);
            }
            (Ok(Done::Fetched(fetched)), None) if is_asked => self.queue.control(Body::Fetched(fetched)),
            (Err(error), _) if is_asked => self.fail(number, error),
            (Ok(_) | Err(_), _) => {}
        }
        match connection {
            Some(connection) => {
                let next = self.lanes.next(&connection);
                self.go_on(&connection, next);
            }
            None => self.fetching -= 1,
        }
    }

    fn record_subscribed(&mut self, connection: &Arc<str>, number: u64, hearing: Hearing) {
        // Its rights may have ended while the topic was opened.
        let Some(heard) = self.connections.get_mut(connection) else {
            return self.fail(number, Error::field("connection", "is not attached"));
        };
        if let Err(error) = self.topics.check_count(connection, &hearing.topic) {
            return self.fail(number, error);
        }
        let topic = self.topics.subscribe(connection, number, hearing);
        heard.dropped.retain(|dropped| *dropped != topic);
    }

    fn end_rights(&mut self, ended: Ended) {
        match ended {
            Ended::Expired { connection, generation } => {
                let current = self.connections.get(&connection).map(|connection| connection.generation);
                if current == Some(generation) {
                    self.end_rights_of(&connection, RightsEndedReason::Expired);
                }
            }
            Ended::Withdrawn(withdrawal) => self.revoke(|principal| withdrawal.concerns(principal)),
            Ended::Unknown => {
                let rights = Arc::clone(&self.shared.rights);
                self.revoke(|principal| rights.standing().is_withdrawn(principal));
            }
        }
    }

    fn revoke(&mut self, concerns: impl Fn(&Principal) -> bool) {
        let concerned = self.connections.iter().filter(|(_, connection)| concerns(&connection.principal));
        let concerned: Vec<_> = concerned.map(|(name, _)| Arc::clone(name)).collect();
        concerned.iter().for_each(|name| self.end_rights_of(name, RightsEndedReason::Revoked));
    }

    fn end_rights_of(&mut self, connection: &Arc<str>, reason: RightsEndedReason) {
        self.forget(connection);
        self.tell_ended(connection, reason);
        self.ended.insert(Arc::clone(connection), reason);
    }

    fn tell_ended(&self, connection: &str, reason: RightsEndedReason) {
        let (connection, reason) = (connection.to_owned(), reason.into());
        self.queue.control(Body::RightsEnded(v1::LinkRightsEnded { connection, reason }));
    }

    fn forget(&mut self, connection: &str) {
        self.topics.forget(connection);
        if let Some(gone) = self.connections.remove(connection) {
            self.rights.forget(&gone.principal, gone.generation);
        }
    }

    fn done(&self, number: u64) {
        self.queue.control(Body::Done(v1::LinkDone { number }));
    }

    fn fail(&self, number: u64, error: Error) {
        let failure = Some(v1::Failure::from(&Status::from(error)));
        self.queue.control(Body::Failure(v1::LinkFailure { number, failure }));
    }
}

fn welcome(options: &Options, resumed: bool) -> Body {
    let (lease, node) = (Some(duration(options.lease)), options.node.clone());
    Body::Welcome(v1::LinkWelcome { resumed, lease, node })
}
