//! The person who asked for something: in their name the core is asked, and in their style they are answered.

use parlor_api::v1;
use serde::Serialize;

use super::{
    read::Asked,
    shape::{self, History, LIST, MESSAGES, Message, Own},
};
use crate::dialect::{Credential, Effect, Frame, SocketEvent, ask::Core, refusal::Refusal, rpc::Rpc};

/// What work on a connection leaves behind.
#[derive(Debug)]
pub(super) enum Done {
    /// Nothing but its answer.
    Answered,
    /// Somebody is in, and this is what they missed.
    Joined(Box<v1::ListMissedEventsResponse>),
    /// The proof says otherwise, or there is nobody with the id that was claimed.
    Refused { unknown: Option<u64> },
    /// Nobody could say: nothing follows for the claim.
    Unreachable,
}

/// The way back to who asked.
pub(super) struct Asker {
    pub core: Core,
    /// The acknowledgement that they wait for.
    ack: Option<u64>,
}

impl Asker {
    pub(super) fn new(core: &Core, ack: Option<u64>) -> Self {
        Self { core: core.clone(), ack }
    }

    pub(super) async fn ask<R: Rpc>(&self, request: R) -> Result<R::Answer, Refusal> {
        self.core.ask(request, &Credential::Connection).await
    }

    /// The acknowledgement, or else the event.
    pub(super) fn reply(&self, name: &str, argument: &impl Serialize) {
        match self.ack {
            Some(_) => self.call(|| SocketEvent::arguments(argument)),
            None => self.core.send(Frame::Event(SocketEvent::new(name, argument))),
        }
    }

    /// Calls back, if they wait for that.
    fn call(&self, arguments: impl FnOnce() -> SocketEvent) {
        if let Some(ack) = self.ack {
            self.core.tell(Effect::Acknowledge { ack, arguments: arguments() });
        }
    }

    /// Calls back where nothing is to be told.
    pub(super) fn acknowledge(&self) {
        self.call(|| SocketEvent::from("[]".to_owned()));
    }

    /// Tells of a message that could not be taken.
    pub(super) fn fail(&self, text: &str) {
        self.core.send(shape::error(text));
        self.acknowledge();
    }

    /// The messages of a conversation: bare in an acknowledgement, and with its number in the event.
    pub(super) fn history(&self, number: Option<u64>, messages: &[Message<'_>]) {
        match self.ack {
            Some(_) => self.call(|| SocketEvent::arguments(&messages)),
            None => self.reply(MESSAGES, &History { conversation_id: number, messages }),
        }
    }

    /// The empty answer.
    pub(super) fn nothing(&self, asked: &Asked) {
        match asked {
            Asked::List => self.reply(LIST, &[(); 0]),
            Asked::Messages(number) => self.history(*number, &[]),
            // No page can show a conversation that is none, so only who waits for a call is told.
            Asked::Own => self.call(|| SocketEvent::arguments(&Own::none())),
            Asked::Send(_) => self.fail(shape::FAILED),
            Asked::Join(_) | Asked::MarkRead(_) => self.acknowledge(),
        }
    }
}
