//! Chat over one stream: commands up, answers and events down.
//!
//! Commands are taken one after another, so that what a client sends in order is stored in order; only the wait for a
//! message to be durable overlaps with what follows. A client that does not read its answers is not read either.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use futures::{
    FutureExt as _, Stream,
    future::BoxFuture,
    stream::{self, BoxStream, FuturesUnordered, StreamExt as _},
};
use parlor_api::{
    bound::Bounded as _,
    v1::{
        self, ConverseAnswer, ConverseFailure, ConverseResponse, converse_answer::Answer,
        converse_request::Command, converse_response::Body,
    },
};
use parlor_store::{ConversationId, NewMessage};
use tonic::Status;

use super::{
    convert::{self, sent},
    decode,
    rpc::ChatRpc,
    watch::{Inbox, Listening, MAILBOX_BYTES, Tail},
};
use crate::{
    Error, Result,
    caller::Caller,
    hub::Item,
    optional::some,
    request::Answers,
    wire::{signed, unsigned},
};

/// Conversations that can be open on one stream.
pub const MAX_OPEN: usize = 100;

/// Messages of one stream that can wait to become durable; more are read when one is.
const MAX_IN_FLIGHT: usize = 32;

struct Conversing {
    rpc: ChatRpc,
    caller: Caller,
    commands: Option<BoxStream<'static, Result<v1::ConverseRequest, Status>>>,
    last_number: u64,
    /// The command that is being carried out.
    current: Option<BoxFuture<'static, Step>>,
    /// It opens a conversation: what is heard of it meanwhile must wait until it is open.
    opening: bool,
    /// Messages that are becoming durable.
    in_flight: FuturesUnordered<BoxFuture<'static, ConverseResponse>>,
    inbox: Arc<Inbox>,
    open: HashMap<ConversationId, Listening>,
    tails: VecDeque<Tail>,
    ended: BoxFuture<'static, Error>,
}

/// What becomes of a command.
enum Step {
    Respond(Box<ConverseResponse>),
    Append(u64, Box<NewMessage>),
    Open(u64, Box<Listening>),
    Close(u64, ConversationId),
}

impl ChatRpc {
    /// Carries out the commands of a stream.
    pub(super) fn converse(
        &self,
        caller: Caller,
        commands: impl Stream<Item = Result<v1::ConverseRequest, Status>> + Send + 'static,
    ) -> Result<Answers<ConverseResponse>> {
        let principal = caller.principal()?;
        let conversing = Conversing {
            rpc: self.clone(),
            commands: Some(commands.boxed()),
            last_number: 0,
            current: None,
            opening: false,
            in_flight: FuturesUnordered::new(),
            inbox: Arc::new(Inbox::new(MAILBOX_BYTES)),
            open: HashMap::new(),
            tails: VecDeque::new(),
            ended: self.chat.hub.ended(&self.chat.rights, principal),
            caller,
        };
        let responses = stream::try_unfold(conversing, |mut conversing| async move {
            let response = conversing.next().await.map_err(Status::from)?;
            Ok(response.map(|response| (response, conversing)))
        });
        Ok(responses.boxed())
    }
}

impl Conversing {
    /// The next thing to send; `None` once the client has said its last and everything is answered.
    async fn next(&mut self) -> Result<Option<ConverseResponse>> {
        loop {
            if self.commands.is_none() && self.current.is_none() && self.in_flight.is_empty() {
                return Ok(None);
            }
            let Self { rpc, commands, current, in_flight, inbox, tails, ended, .. } = self;
            let shows = !self.opening;
            let reads = current.is_none() && in_flight.len() < MAX_IN_FLIGHT;
            tokio::select! {
                error = &mut *ended => return Err(error),
                step = some(current.as_mut()) => {
                    (self.current, self.opening) = (None, false);
                    if let Some(response) = self.step(step) {
                        return Ok(Some(response));
                    }
                }
                Some(response) = in_flight.next(), if !in_flight.is_empty() => return Ok(Some(response)),
                event = next_event(&rpc.chat, inbox, tails), if shows => {
                    if let Some(response) = self.show(event?)? {
                        return Ok(Some(response));
                    }
                }
                command = some(commands.as_mut().map(|commands| commands.next())), if reads && commands.is_some() => match command {
                    Some(Ok(command)) => self.begin(command),
                    // The client is gone or has finished.
                    Some(Err(_)) | None => self.commands = None,
                },
            }
        }
    }

    fn begin(&mut self, request: v1::ConverseRequest) {
        let number = request.number;
        let bounded = request.check();
        let rises = number > self.last_number;
        self.last_number = self.last_number.max(number);
        let command = match request.command {
            _ if !rises => Err(Error::field("number", "does not rise")),
            None => Err(Error::field("command", "is missing")),
            Some(command) => bounded.map(|()| command).map_err(Error::from),
        };
        self.opening = matches!(command, Ok(Command::Open(_)));
        let (rpc, caller, inbox) = (self.rpc.clone(), self.caller.clone(), Arc::clone(&self.inbox));
        let carry_out = async move {
            let carried_out = match command {
                Ok(command) => carry_out(&rpc, &caller, &inbox, number, command).await,
                Err(error) => Err(error),
            };
            carried_out.unwrap_or_else(|error| Step::Respond(Box::new(failure(number, error))))
        };
        self.current = Some(carry_out.boxed());
    }

    fn step(&mut self, step: Step) -> Option<ConverseResponse> {
        match step {
            Step::Respond(response) => Some(*response),
            Step::Append(number, message) => {
                let (sender, caller) = (self.rpc.chat.sender.clone(), self.caller.clone());
                let append = async move {
                    match sender.append(&caller, *message).await {
                        Ok(appended) => answer(number, Answer::Sent(sent(&appended))),
                        Err(error) => failure(number, error),
                    }
                };
                self.in_flight.push(append.boxed());
                None
            }
            Step::Open(number, listening) => Some(self.opened(number, *listening)),
            Step::Close(number, id) => {
                self.open.remove(&id);
                self.tails.retain(|tail| tail.conversation != id);
                let conversation_id = id.to_string();
                Some(answer(number, Answer::Closed(v1::ConverseClosed { conversation_id })))
            }
        }
    }

    /// Opening an open conversation again moves it to where this command says.
    fn opened(&mut self, number: u64, mut listening: Listening) -> ConverseResponse {
        let id = listening.conversation.id;
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&id) {
            let maximum = MAX_OPEN as u64;
            return failure(number, Error::LimitReached { limit: "open conversations", maximum });
        }
        let tail = listening.take_tail();
        let opened = v1::ConverseOpened {
            conversation: Some(convert::conversation(&listening.conversation)),
            after_sequence: unsigned(listening.after),
        };
        self.tails.retain(|tail| tail.conversation != id);
        self.open.insert(id, listening);
        self.tails.push_back(tail);
        answer(number, Answer::Opened(opened))
    }

    fn show(&mut self, event: Next) -> Result<Option<ConverseResponse>> {
        let event = match event {
            Next::Stored(event) => Some(event),
            Next::Live(item) => self.take(item)?,
        };
        let shown = event.map(|event| Body::Event(Arc::unwrap_or_clone(event)));
        Ok(shown.map(|event| ConverseResponse { body: Some(event) }))
    }

    /// What is left in the inbox of a conversation that was closed is dropped, and so is what a tail has given.
    fn take(&mut self, item: Item<Arc<v1::Event>>) -> Result<Option<Arc<v1::Event>>> {
        let id = match &item {
            Item::Event(topic, _) | Item::Lagged { topic, .. } => topic.conversation_id(),
            Item::Note(event) => ConversationId::parse(&event.conversation_id),
        };
        match id.and_then(|id| self.open.get_mut(&id)) {
            Some(listening) => listening.live(item),
            None => Ok(None),
        }
    }
}

enum Next {
    Stored(Arc<v1::Event>),
    Live(Item<Arc<v1::Event>>),
}

/// Tails first: what is live waits in the inbox, so that each conversation stays in order.
async fn next_event(chat: &super::Chat, inbox: &Inbox, tails: &mut VecDeque<Tail>) -> Result<Next> {
    while let Some(tail) = tails.front_mut() {
        if let Some(stored) = tail.next(chat).await? {
            return Ok(Next::Stored(Arc::new(stored)));
        }
        tails.pop_front();
    }
    Ok(Next::Live(inbox.next().await))
}

async fn carry_out(
    rpc: &ChatRpc,
    caller: &Caller,
    inbox: &Arc<Inbox>,
    number: u64,
    command: Command,
) -> Result<Step> {
    let (chat, principal) = (&rpc.chat, caller.principal()?);
    let step = match command {
        Command::Open(request) => {
            let named = chat.find.meant(principal, request.conversation).await?;
            let after = request.after_sequence.map(signed);
            Step::Open(number, Box::new(chat.listen(caller, &named, after, inbox).await?))
        }
        Command::Close(request) => {
            Step::Close(number, chat.find.meant(principal, request.conversation).await?.id())
        }
        Command::Send(request) => {
            let sending = decode::sending(principal.tenant, request)?;
            rpc.kept.take(caller)?;
            Step::Append(number, Box::new(chat.sender.prepare(caller, sending).await?))
        }
        Command::Typing(request) => {
            let typing = rpc.set_typing(caller, request).await?;
            Step::Respond(Box::new(answer(number, Answer::Typing(typing))))
        }
        Command::Read(request) => {
            let (read, _) = rpc.mark_read(caller, request).await?;
            Step::Respond(Box::new(answer(number, Answer::Read(read))))
        }
        Command::React(request) => {
            let (reacted, _) = rpc.react(caller, request).await?;
            Step::Respond(Box::new(answer(number, Answer::Reacted(reacted))))
        }
    };
    Ok(step)
}

fn answer(number: u64, answer: Answer) -> ConverseResponse {
    ConverseResponse { body: Some(Body::Answer(ConverseAnswer { number, answer: Some(answer) })) }
}

fn failure(number: u64, error: Error) -> ConverseResponse {
    let failure = Some(v1::Failure::from(&Status::from(error)));
    ConverseResponse { body: Some(Body::Failure(ConverseFailure { number, failure })) }
}
