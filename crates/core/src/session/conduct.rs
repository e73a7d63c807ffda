//! Sessions over one stream: commands up, answers and events down.
//!
//! Commands are carried out one after another, so that what a client sends in order happens in order; events come meanwhile. A
//! client that does not read its answers is not read either.

use std::sync::Arc;

use futures::{
    FutureExt as _, Stream,
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt as _},
};
use parlor_api::{
    bound::Bounded as _,
    v1::{
        self, ConductAnswer, ConductFailure, ConductResponse, conduct_request::Command,
        conduct_response::Body,
    },
};
use tonic::Status;

use super::{rpc::SessionRpc, watch::Feed};
use crate::{Error, Result, caller::Caller, optional::some, request::Answers};

struct Conducting {
    rpc: SessionRpc,
    caller: Caller,
    commands: Option<BoxStream<'static, Result<v1::ConductRequest, Status>>>,
    last_number: u64,
    /// The command that is being carried out.
    current: Option<BoxFuture<'static, ConductResponse>>,
    feed: Feed,
    ended: BoxFuture<'static, Error>,
}

impl SessionRpc {
    /// Carries out the commands of a stream.
    pub(super) async fn conduct(
        &self,
        caller: &Caller,
        commands: impl Stream<Item = Result<v1::ConductRequest, Status>> + Send + 'static,
    ) -> Result<Answers<ConductResponse>> {
        let conducting = Conducting {
            rpc: self.clone(),
            caller: caller.clone(),
            commands: Some(commands.boxed()),
            last_number: 0,
            current: None,
            feed: self.sessions.feed(caller).await?,
            ended: self.sessions.ended(caller)?,
        };
        let responses = stream::try_unfold(conducting, |mut conducting| async move {
            let response = conducting.next().await.map_err(Status::from)?;
            Ok(response.map(|response| (response, conducting)))
        });
        Ok(responses.boxed())
    }
}

impl Conducting {
    /// The next thing to send; `None` once the client has said its last and everything is answered.
    async fn next(&mut self) -> Result<Option<ConductResponse>> {
        loop {
            if self.commands.is_none() && self.current.is_none() {
                return Ok(None);
            }
            let Self { commands, current, feed, ended, .. } = self;
            let reads = current.is_none() && commands.is_some();
            tokio::select! {
                error = &mut *ended => return Err(error),
                response = some(current.as_mut()) => {
                    self.current = None;
                    return Ok(Some(response));
                }
                event = feed.next() => {
                    let body = Some(Body::Event(Arc::unwrap_or_clone(event)));
                    return Ok(Some(ConductResponse { body }));
                }
                command = some(commands.as_mut().map(|commands| commands.next())), if reads => match command {
                    Some(Ok(command)) => self.begin(command),
                    // The client is gone or has finished.
                    Some(Err(_)) | None => self.commands = None,
                },
            }
        }
    }

    fn begin(&mut self, request: v1::ConductRequest) {
        let number = request.number;
        let bounded = request.check();
        let rises = number > self.last_number;
        self.last_number = self.last_number.max(number);
        let command = match request.command {
            _ if !rises => Err(Error::field("number", "does not rise")),
            None => Err(Error::field("command", "is missing")),
            Some(command) => bounded.map(|()| command).map_err(Error::from),
        };
        let (rpc, caller) = (self.rpc.clone(), self.caller.clone());
        let carry_out = async move {
            let carried_out = match command {
                Ok(command) => carry_out(&rpc, &caller, command).await,
                Err(error) => Err(error),
            };
            let body = match carried_out {
                Ok(session) => Body::Answer(ConductAnswer { number, session }),
                Err(error) => {
                    let failure = Some(v1::Failure::from(&Status::from(error)));
                    Body::Failure(ConductFailure { number, failure })
                }
            };
            ConductResponse { body: Some(body) }
        };
        self.current = Some(carry_out.boxed());
    }
}

async fn carry_out(rpc: &SessionRpc, caller: &Caller, command: Command) -> Result<Option<v1::Session>> {
    Ok(match command {
        Command::Request(request) => rpc.request(caller, request).await?.0.session,
        Command::Accept(request) => rpc.accept(caller, request).await?.0.session,
        Command::Decline(request) => rpc.decline(caller, request).await?.0.session,
        Command::Cancel(request) => rpc.cancel(caller, request).await?.0.session,
        Command::End(request) => rpc.end(caller, request).await?.0.session,
    })
}
