//! One gateway, over the life of its epoch: its connections, what they hear, and the rights they have.
//!
//! One task owns all of it. Commands of one connection are carried out one after another; those of different connections
//! overlap, so that a slow proof delays nobody else. What waits (proofs, reads, opening a topic) runs in `running`; what
//! changes the session happens in this task, without waiting.
//!
//! A session outlives its stream by the lease. A gateway that comes back repeats what was not answered, so a command of an
//! earlier stream gets no answer: what waits is forgotten, and what is under way is recorded silently. Every command may be
//! repeated: attaching again replaces, subscribing again answers where the topic is now, and detaching or unsubscribing
//! what is gone does nothing. Ended rights answer no command, so they are told on every stream until the gateway names the
//! connection again.

mod rights;
mod topics;

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
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::Status;

#[cfg(test)]
pub(super) use self::topics::MAX_TOPICS;
use self::{
    rights::{Ended, RightsTimers},
    topics::Topics,
};
use super::{
    Responses, Shared, check_name,
    command::{self, Attached, Hearing, Present},
    duration,
    queue::Queue,
    registry::{Door, Stream},
};
use crate::{
    Error, Result,
    caller::Principal,
    wire::{person, roles, timestamp},
};

/// So many commands may be under way or wait for their connection before no more are read.
const MAX_UNDER_WAY: usize = 4096;

/// So many fetches are carried out at once: each brings up to [`command::FETCH_BYTES`].
const MAX_FETCHING: usize = 16;

/// Streams that wait to take over: a gateway has one, and may be replacing it.
const MAX_STREAMS_WAITING: usize = 4;

struct Session {
    shared: Arc<Shared>,
    gateway: String,
    /// Makes names of connections unique among all gateways.
    scope: Arc<str>,
    queue: Arc<Queue>,
    connections: HashMap<String, Connection>,
    /// Connections that the gateway may still believe to have rights.
    ended: HashMap<String, RightsEndedReason>,
    topics: Topics,
    rights: RightsTimers,
    /// Commands that wait for an earlier one of their connection; a connection with one under way is here.
    lanes: HashMap<String, VecDeque<v1::LinkRequest>>,
    /// Fetches that wait for others, or for the gateway to read.
    fetches: VecDeque<(u64, v1::LinkFetch)>,
    fetching: usize,
    /// Commands in `lanes` and `fetches`.
    waiting: usize,
    running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// Counts the streams that were served.
    stream: u64,
}

/// A connection that is attached.
struct Connection {
    principal: Arc<Principal>,
    /// The client's address, for limits.
    peer: Arc<str>,
    present: Option<Present>,
    /// Tells its rights from those of an earlier attach of the same name.
    generation: u64,
}

/// What a command came to, to be recorded.
struct Outcome {
    /// Whose lane goes on; none for a fetch.
    connection: Option<String>,
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

/// Begins a session for a gateway, or hands the stream to the one that stands.
pub(super) async fn link(
    shared: &Arc<Shared>,
    hello: v1::LinkHello,
    requests: super::Requests,
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
    let (streams, waiting) = mpsc::channel(MAX_STREAMS_WAITING);
    let queue = Queue::new(shared.options.queue_bytes);
    let replaced = CancellationToken::new();
    let door =
        Door { epoch: hello.epoch.clone(), queue: Arc::clone(&queue), streams, replaced: replaced.clone() };
    shared.registry.insert(&hello.gateway, door)?;
    let session = Session {
        scope: format!("{}/{}", hello.gateway, hello.epoch).into(),
        shared: Arc::clone(shared),
        gateway: hello.gateway,
        topics: Topics::new(Arc::clone(&queue)),
        queue: Arc::clone(&queue),
        connections: HashMap::new(),
        ended: HashMap::new(),
        rights: RightsTimers::default(),
        lanes: HashMap::new(),
        fetches: VecDeque::new(),
        fetching: 0,
        waiting: 0,
        running: FuturesUnordered::new(),
        stream: 0,
    };
    queue.control(session.welcome(false));
    begun.cancel();
    shared.tasks.spawn(session.run(waiting, Some(stream), replaced));
    Ok(queue.responses(begun, served))
}

impl Session {
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
            let reads = self.waiting + self.running.len() < MAX_UNDER_WAY && self.queue.has_room();
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
                request = next_request(&mut stream), if reads => {
                    due = Instant::now() + lease;
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

    fn welcome(&self, resumed: bool) -> Body {
        let options = &self.shared.options;
        let (lease, node) = (Some(duration(options.lease)), options.node.clone());
        Body::Welcome(v1::LinkWelcome { resumed, lease, node })
    }

    fn break_off(&self, stream: Option<Stream>) {
        if stream.is_some() {
            drop(stream);
            self.queue.shut();
        }
    }

    fn resume(&mut self) {
        self.stream += 1;
        self.lanes.values_mut().for_each(VecDeque::clear);
        self.fetches.clear();
        self.waiting = 0;
        self.queue.shut();
        self.queue.control(self.welcome(true));
        for (connection, reason) in &self.ended {
            self.tell_ended(connection, *reason);
        }
        self.queue.reopen();
    }

    /// Forgets everything. `stays` leaves presence as it is, because the gateway does not go down with this core.
    fn end(mut self, stays: bool) {
        if stays {
            self.connections.drain().filter_map(|(_, connection)| connection.present).for_each(Present::stay);
        }
        // Before its place is free: a session that follows counts the same connections anew.
        self.connections.clear();
        self.running.clear();
        self.queue.clear();
        self.shared.registry.remove(&self.gateway, &self.queue);
    }

    fn accept(&mut self, request: v1::LinkRequest) {
        let connection = match &request.command {
            Some(Command::Attach(command)) => command.connection.clone(),
            Some(Command::Detach(command)) => command.connection.clone(),
            Some(Command::Subscribe(command)) => command.connection.clone(),
            Some(Command::Unsubscribe(command)) => command.connection.clone(),
            Some(Command::Fetch(command)) => {
                self.fetches.push_back((request.number, *command));
                self.waiting += 1;
                return;
            }
            Some(Command::Renew(_)) => return self.done(request.number),
            Some(Command::Hello(_)) => {
                return self.fail(request.number, Error::field("hello", "comes first, and once"));
            }
            None => return self.fail(request.number, Error::field("command", "is missing")),
        };
        if let Err(error) = check_name("connection", &connection) {
            return self.fail(request.number, error);
        }
        match self.lanes.get_mut(&connection) {
            Some(lane) => {
                lane.push_back(request);
                self.waiting += 1;
            }
            None => self.carry_out(connection, request),
        }
    }

    /// Carries out a command of a connection that has none under way.
    fn carry_out(&mut self, connection: String, request: v1::LinkRequest) {
        let number = request.number;
        match request.command {
            Some(Command::Attach(command)) => self.attach(connection, number, command),
            Some(Command::Subscribe(command)) => self.subscribe(connection, number, command.topic),
            Some(Command::Detach(_)) => {
                self.forget(&connection);
                self.ended.remove(&connection);
                self.done(number);
            }
            Some(Command::Unsubscribe(command)) => {
                self.topics.unsubscribe(&connection, command.topic);
                self.done(number);
            }
            Some(Command::Hello(_) | Command::Fetch(_) | Command::Renew(_)) | None => {}
        }
    }

    fn attach(&mut self, connection: String, number: u64, command: v1::LinkAttach) {
        if let Err(error) = self.check_count(&connection) {
            return self.fail(number, error);
        }
        let (shared, scope) = (Arc::clone(&self.shared), Arc::clone(&self.scope));
        self.start(connection, number, async move {
            let attached = command::attach(&shared, &scope, command).await?;
            Ok(Done::Attached(Box::new(attached)))
        });
    }

    /// Fails if the connection is one more than a gateway may hold.
    fn check_count(&self, connection: &str) -> Result<()> {
        let maximum = self.shared.options.connections;
        let known = self.connections.contains_key(connection) || self.ended.contains_key(connection);
        if known || self.connections.len() + self.ended.len() < maximum {
            return Ok(());
        }
        Err(Error::LimitReached { limit: "connections", maximum: maximum as u64 })
    }

    fn subscribe(&mut self, connection: String, number: u64, topic: Option<v1::Topic>) {
        let Some(attached) = self.connections.get(&connection) else {
            return self.fail(number, Error::field("connection", "is not attached"));
        };
        let hears = self.topics.heard_by(&connection);
        let (shared, principal) = (Arc::clone(&self.shared), Arc::clone(&attached.principal));
        let peer = Arc::clone(&attached.peer);
        self.start(connection, number, async move {
            let hearing = command::subscribe(&shared, &principal, &peer, &hears, topic).await?;
            Ok(Done::Subscribed(Box::new(hearing)))
        });
    }

    fn begin_fetches(&mut self) {
        while self.fetching < MAX_FETCHING
            && self.queue.has_room()
            && let Some((number, command)) = self.fetches.pop_front()
        {
            self.waiting -= 1;
            self.fetching += 1;
            let (shared, stream) = (Arc::clone(&self.shared), self.stream);
            let topic = self.queue.topic(command.topic);
            let fetch = async move {
                let done = command::fetch(&shared, topic, &command, number).await.map(Done::Fetched);
                Outcome { connection: None, number, stream, done }
            };
            self.running.push(fetch.boxed());
        }
    }

    fn start(
        &mut self,
        connection: String,
        number: u64,
        work: impl Future<Output = Result<Done>> + Send + 'static,
    ) {
        self.lanes.entry(connection.clone()).or_default();
        let (connection, stream) = (Some(connection), self.stream);
        self.running.push(async move { Outcome { connection, number, stream, done: work.await } }.boxed());
    }

    fn record(&mut self, outcome: Outcome) {
        let Outcome { connection, number, stream, done } = outcome;
        let is_asked = stream == self.stream;
        let name = connection.as_deref().unwrap_or_default();
        match done {
            // It counts for presence from now on, so it is recorded even if nobody asks any more.
            Ok(Done::Attached(attached)) => self.record_attached(name, is_asked.then_some(number), *attached),
            Ok(Done::Subscribed(hearing)) if is_asked => self.record_subscribed(name, number, *hearing),
            Ok(Done::Fetched(fetched)) if is_asked => self.queue.control(Body::Fetched(fetched)),
            Err(error) if is_asked => self.fail(number, error),
            Ok(Done::Subscribed(_) | Done::Fetched(_)) | Err(_) => {}
        }
        match connection {
            Some(connection) => self.advance(&connection),
            None => self.fetching -= 1,
        }
    }

    /// Carries out what waited for the command that has just been recorded.
    fn advance(&mut self, connection: &str) {
        let Some(mut lane) = self.lanes.remove(connection) else { return };
        while let Some(request) = lane.pop_front() {
            self.waiting -= 1;
            self.carry_out(connection.to_owned(), request);
            if let Some(busy) = self.lanes.get_mut(connection) {
                *busy = lane;
                return;
            }
        }
    }

    fn record_attached(&mut self, connection: &str, number: Option<u64>, attached: Attached) {
        // Others may have been attached meanwhile.
        if let Err(error) = self.check_count(connection) {
            return number.map_or((), |number| self.fail(number, error));
        }
        let Attached { principal, peer, present } = attached;
        let generation = self.rights.watch(&self.shared.rights, connection, &principal);
        let answer = number.map(|number| v1::LinkAttached {
            number,
            connection: connection.to_owned(),
            handle: self.shared.rights.seal_handle(&principal),
            person: principal.user().map(|user| person(user)),
            roles: roles(principal.roles),
            tenant: principal.tenant_slug.to_string(),
            rights_until: rights::until(&principal).map(timestamp),
        });
        self.ended.remove(connection);
        let attached = Connection { principal, peer, present, generation };
        if let Some(mut earlier) = self.connections.insert(connection.to_owned(), attached) {
            self.replaced(connection, &mut earlier);
        }
        if let Some(answer) = answer {
            self.queue.control(Body::Attached(answer));
        }
    }

    /// A connection proved somebody else, or the same person anew.
    fn replaced(&mut self, connection: &str, earlier: &mut Connection) {
        self.rights.forget(earlier.generation);
        let now = &self.connections[connection];
        let same_person = earlier.principal.user_id() == now.principal.user_id();
        let loses = earlier.principal.tenant != now.principal.tenant
            || (earlier.principal.is_staff() && !now.principal.is_staff());
        // The count is kept under the connection's name: the same person must not be counted out by the earlier guard.
        if same_person
            && now.present.is_some()
            && let Some(present) = earlier.present.take()
        {
            present.stay();
        }
        if loses {
            self.topics.forget(connection);
        }
    }

    fn record_subscribed(&mut self, connection: &str, number: u64, hearing: Hearing) {
        // Its rights may have ended while the topic was opened.
        if !self.connections.contains_key(connection) {
            return self.fail(number, Error::field("connection", "is not attached"));
        }
        match self.topics.check_count(connection, &hearing.topic) {
            Ok(()) => self.topics.subscribe(connection, number, hearing),
            Err(error) => self.fail(number, error),
        }
    }

    fn end_rights(&mut self, ended: Ended) {
        let current = self.connections.get(&ended.connection).map(|connection| connection.generation);
        if current != Some(ended.generation) {
            return;
        }
        self.forget(&ended.connection);
        self.tell_ended(&ended.connection, ended.reason);
        self.ended.insert(ended.connection, ended.reason);
    }

    fn tell_ended(&self, connection: &str, reason: RightsEndedReason) {
        let (connection, reason) = (connection.to_owned(), reason.into());
        self.queue.control(Body::RightsEnded(v1::LinkRightsEnded { connection, reason }));
    }

    fn forget(&mut self, connection: &str) {
        self.topics.forget(connection);
        if let Some(gone) = self.connections.remove(connection) {
            self.rights.forget(gone.generation);
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

async fn next_request(stream: &mut Option<Stream>) -> Option<Result<v1::LinkRequest, Status>> {
    match stream {
        Some(stream) => stream.requests.next().await,
        None => std::future::pending().await,
    }
}
