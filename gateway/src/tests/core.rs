//! A core for tests: one conversation as a log, served over the real contract, with misfortunes on request.

mod chat;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use parlor_api::{
    metadata,
    v1::{
        self, edge_service_server::EdgeService, link_attach::Credential, link_request::Command,
        link_response::Body,
    },
};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use crate::tests::echo::message_event;

pub use chat::Chat;

pub const EDGE_KEY: &str = "the-edge-key-of-these-tests";
pub const TENANT: &str = "acme";
pub const ROOM: &str = "018f0000-0000-7000-8000-000000000001";
const LEASE: Duration = Duration::from_secs(2);

type Answers = mpsc::Sender<Result<v1::LinkResponse, Status>>;

/// The core, shared by the test and the services.
#[derive(Clone, Default)]
pub struct Core {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    log: Vec<v1::Event>,
    link: Option<Answers>,
    epoch: String,
    attached: HashMap<String, Option<Credential>>,
    subscribed: Vec<String>,
    handle: u64,
    commands: Vec<Command>,
    /// The next events are stored and not told.
    deaf: bool,
    forgetful: bool,
    refuses_handles: bool,
    away: bool,
    metadata: Vec<MetadataMap>,
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Stores a message and tells it, unless deaf; its sequence.
    pub fn append(&self, text: &str) -> u64 {
        let sequence = {
            let mut state = self.state();
            let sequence = state.log.len() as u64 + 1;
            state.log.push(message_event(ROOM, sequence, text));
            if !state.deaf && !state.subscribed.is_empty() {
                state.tell(sequence);
            }
            sequence
        };
        self.bump();
        sequence
    }

    /// Tells an event again.
    pub fn repeat(&self, sequence: u64) {
        self.state().tell(sequence);
    }

    /// Says that events up to the head exist.
    pub fn lag(&self) {
        let state = self.state();
        state.say(Body::Lagged(v1::LinkLagged {
            topic: state.handle,
            head: state.log.len() as u64,
            snapshot: None,
        }));
    }

    pub fn deaf(&self, deaf: bool) {
        self.state().deaf = deaf;
    }

    /// Ends the stream; the next hello is resumed or not.
    pub fn break_link(&self, forget: bool) {
        let mut state = self.state();
        state.forgetful = forget;
        state.link = None;
    }

    pub fn refuse_handles(&self) {
        self.state().refuses_handles = true;
    }

    /// Refuses everything, as if there were no core.
    pub fn away(&self, away: bool) {
        let mut state = self.state();
        state.away = away;
        if away {
            state.link = None;
        }
    }

    pub fn end_rights(&self, connection: &str) {
        let reason = v1::RightsEndedReason::Expired.into();
        let connection = connection.to_owned();
        self.state().say(Body::RightsEnded(v1::LinkRightsEnded { connection, reason }));
    }

    pub fn attached(&self) -> Vec<String> {
        self.state().attached.keys().cloned().collect()
    }

    /// The credentials attached with, by the kinds the test looks for.
    pub fn attached_by_handle(&self) -> usize {
        let handle = |credential: &&Option<Credential>| matches!(credential, Some(Credential::Handle(_)));
        self.state().attached.values().filter(handle).count()
    }

    pub fn subscriptions(&self) -> usize {
        self.state().subscribed.len()
    }

    pub fn commands(&self) -> Vec<Command> {
        self.state().commands.clone()
    }

    /// The metadata of the calls so far.
    pub fn metadata(&self) -> Vec<MetadataMap> {
        self.state().metadata.clone()
    }

    /// Waits until something is true of the core.
    pub async fn until(&self, what: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !what(self) {
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it came true in time");
    }

    fn bump(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn command(&self, request: v1::LinkRequest) {
        let mut state = self.state();
        let number = request.number;
        let command = request.command.unwrap();
        state.commands.push(command.clone());
        match command {
            Command::Hello(hello) => {
                let resumed = state.epoch == hello.epoch && !state.forgetful;
                if !resumed {
                    state.attached.clear();
                    state.subscribed.clear();
                    state.handle += 1;
                }
                state.epoch = hello.epoch;
                state.forgetful = false;
                let lease = prost_types::Duration::try_from(LEASE).ok();
                state.say(Body::Welcome(v1::LinkWelcome { resumed, lease, node: "test".to_owned() }));
                if resumed && !state.subscribed.is_empty() {
                    let head = state.log.len() as u64;
                    state.say(Body::Lagged(v1::LinkLagged { topic: state.handle, head, snapshot: None }));
                }
            }
            Command::Attach(attach) => state.attach(number, attach),
            Command::Detach(detach) => {
                state.attached.remove(&detach.connection);
                state.subscribed.retain(|connection| *connection != detach.connection);
                state.say(Body::Done(v1::LinkDone { number }));
            }
            Command::Subscribe(subscribe) => {
                state.subscribed.push(subscribe.connection.clone());
                state.say(Body::Subscribed(v1::LinkSubscribed {
                    number,
                    connection: subscribe.connection,
                    topic: state.handle,
                    position: state.log.len() as u64,
                    conversation_id: ROOM.to_owned(),
                    snapshot: None,
                }));
            }
            Command::Unsubscribe(unsubscribe) => {
                state.subscribed.retain(|connection| *connection != unsubscribe.connection);
                state.say(Body::Done(v1::LinkDone { number }));
            }
            Command::Fetch(fetch) => state.fetch(number, &fetch),
            Command::Renew(_) => state.say(Body::Done(v1::LinkDone { number })),
        }
        drop(state);
        self.bump();
    }
}

impl State {
    fn say(&self, body: Body) {
        if let Some(link) = &self.link {
            let _ = link.try_send(Ok(v1::LinkResponse { body: Some(body) }));
        }
    }

    fn tell(&self, sequence: u64) {
        let event = self.log.get(sequence as usize - 1).cloned();
        self.say(Body::Event(v1::LinkEvent { topic: self.handle, number: sequence, event }));
    }

    fn attach(&mut self, number: u64, attach: v1::LinkAttach) {
        let refused = match &attach.credential {
            Some(Credential::Bearer(token)) => token == "bad",
            Some(Credential::Handle(_)) => self.refuses_handles,
            Some(Credential::ApiKey(_) | Credential::Guest(_) | Credential::Claim(_)) | None => false,
        };
        if refused {
            let failure = v1::Failure {
                code: tonic::Code::Unauthenticated as i32,
                reason: v1::Reason::CredentialRevoked.into(),
                ..Default::default()
            };
            self.say(Body::Failure(v1::LinkFailure { number, failure: Some(failure) }));
            return;
        }
        let staff = matches!(&attach.credential, Some(Credential::Bearer(token)) if token == "staff");
        let roles = if staff { vec![v1::Role::Staff.into()] } else { Vec::new() };
        let earlier = self.attached.insert(attach.connection.clone(), attach.credential);
        let was_staff = matches!(earlier, Some(Some(Credential::Bearer(token))) if token == "staff");
        let loses = was_staff && !staff && self.subscribed.contains(&attach.connection);
        if loses {
            self.subscribed.retain(|connection| *connection != attach.connection);
        }
        self.say(Body::Attached(v1::LinkAttached {
            number,
            handle: format!("handle-of-{}", attach.connection),
            connection: attach.connection,
            tenant: TENANT.to_owned(),
            roles,
            dropped: if loses { vec![self.handle] } else { Vec::new() },
            ..Default::default()
        }));
    }

    fn fetch(&self, number: u64, fetch: &v1::LinkFetch) {
        let head = self.log.len() as u64;
        // Small pages, so that catching up takes several.
        let through = (fetch.after + 3).min(head);
        let events = (fetch.after + 1..=through)
            .map(|number| v1::LinkEvent {
                topic: fetch.topic,
                number,
                event: self.log.get(number as usize - 1).cloned(),
            })
            .collect();
        self.say(Body::Fetched(v1::LinkFetched {
            number,
            topic: fetch.topic,
            events,
            through,
            head,
            floor: 1,
        }));
    }
}

#[tonic::async_trait]
impl EdgeService for Core {
    type LinkStream = std::pin::Pin<Box<dyn Stream<Item = Result<v1::LinkResponse, Status>> + Send>>;

    async fn link(
        &self,
        request: Request<Streaming<v1::LinkRequest>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        if request.metadata().get(metadata::EDGE_KEY).is_none_or(|key| key != EDGE_KEY) {
            return Err(Status::permission_denied("no edge key"));
        }
        let (answers, stream) = mpsc::channel(4_096);
        {
            let mut state = self.state();
            if state.away {
                return Err(Status::unavailable("away"));
            }
            state.link = Some(answers);
        }
        let (core, mut requests) = (self.clone(), request.into_inner());
        let reading = async move {
            while let Ok(Some(request)) = requests.message().await {
                core.command(request);
            }
        };
        Ok(Response::new(Box::pin(merge(ReceiverStream::new(stream), reading))))
    }
}

/// Runs the reading of commands with the stream of answers, so that it needs no task of its own.
fn merge<S>(
    answers: S,
    reading: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = Result<v1::LinkResponse, Status>> + Send
where
    S: Stream<Item = Result<v1::LinkResponse, Status>> + Send + 'static,
{
    let mut reading = Some(Box::pin(reading));
    let mut answers = Box::pin(answers);
    futures::stream::poll_fn(move |cx| {
        if let Some(future) = &mut reading
            && future.as_mut().poll(cx).is_ready()
        {
            reading = None;
        }
        answers.as_mut().poll_next(cx)
    })
}
