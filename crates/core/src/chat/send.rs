//! Sending: where a message goes, and that it is stored. One alone, or several in their order with as few commits as it
//! takes.

use futures::future::join_all;
use parlor_api::{
    limits::BATCH_MESSAGES,
    v1::{self, send_messages_result::Outcome},
};
use parlor_store::{
    Appended, Cause, ConversationId, MessageRequest, Mutation, NewMessage, OwnConversation, Store,
};
use tonic::Status;

use super::{
    Sending,
    access::Reference,
    convert::Viewer,
    decode,
    find::{Finder, customer},
    rpc::sent,
};
use crate::{Error, Result, caller::Caller, clock::Clock, request::Requests};

/// Sends messages. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Sender {
    store: Store,
    clock: Clock,
    find: Finder,
    requests: Requests,
}

impl Sender {
    pub fn new(store: Store, clock: Clock, find: Finder, requests: Requests) -> Self {
        Self { store, clock, find, requests }
    }

    /// Stores a message: durable when it answers.
    pub async fn send(&self, caller: &Caller, sending: Sending) -> Result<Appended> {
        let message = self.prepare(caller, sending).await?;
        self.append(caller, message).await
    }

    /// The message that a sending stores, once it is allowed.
    pub async fn prepare(&self, caller: &Caller, sending: Sending) -> Result<NewMessage> {
        let id = self.destination(caller, &sending.conversation).await?;
        self.message(caller, id, sending)
    }

    /// Stores what was prepared. Guests, who are not looked up before, are told here that there is no such conversation.
    pub async fn append(&self, caller: &Caller, message: NewMessage) -> Result<Appended> {
        let appended = self.store.append(message).await.map_err(Error::from);
        if matches!(appended, Err(Error::NotFound(_))) {
            self.find.guessed(caller)?;
        }
        appended
    }

    /// Stores the messages; answers with the highest position as well.
    pub async fn several(
        &self,
        caller: &Caller,
        messages: Vec<v1::SendMessageRequest>,
    ) -> Result<(v1::SendMessagesResponse, Option<i64>)> {
        let viewer = Viewer::of(caller.principal()?);
        if messages.is_empty() || messages.len() > BATCH_MESSAGES {
            return Err(Error::field("messages", format!("are not between 1 and {BATCH_MESSAGES}")));
        }
        let (mut allowed, mut last) = (Vec::with_capacity(messages.len()), None);
        for message in messages {
            allowed.push(self.allowed(caller, message, &mut last).await);
        }
        // They are begun in this order, and what has begun is in the writer's queue: it stores them so, and together.
        let appends = allowed.into_iter().map(|message| async move { self.append(caller, message?).await });
        let stored = join_all(appends).await;
        let position = stored.iter().flatten().map(|appended| appended.message.position).max();
        let results = stored.into_iter().map(|stored| result(viewer, stored)).collect();
        Ok((v1::SendMessagesResponse { results }, position))
    }

    /// The message that is stored, if it may be. Mostly all go to one conversation, which is looked up once.
    async fn allowed(
        &self,
        caller: &Caller,
        message: v1::SendMessageRequest,
        last: &mut Option<(Reference, ConversationId)>,
    ) -> Result<NewMessage> {
        let sending = decode::sending(caller.principal()?.tenant, message)?;
        let id = match last {
            Some((reference, id)) if *reference == sending.conversation => *id,
            _ => {
                let id = self.destination(caller, &sending.conversation).await?;
                *last = Some((sending.conversation.clone(), id));
                id
            }
        };
        self.message(caller, id, sending)
    }

    /// Where a message goes that names its conversation so, if the caller may send there.
    async fn destination(&self, caller: &Caller, reference: &Reference) -> Result<ConversationId> {
        let principal = caller.principal()?;
        if let Reference::Own(kind) = reference {
            return self.own_or_new(caller, kind.clone()).await;
        }
        let named = self.find.named(principal, reference.clone()).await?;
        self.find.refuse_sending(caller, principal, &named).await?;
        Ok(named.id())
    }

    fn message(
        &self,
        caller: &Caller,
        conversation_id: ConversationId,
        sending: Sending,
    ) -> Result<NewMessage> {
        let principal = caller.principal()?;
        Ok(NewMessage {
            cause: Cause { author: principal.author(&sending.guest_name), ..caller.cause(&self.clock)? },
            conversation_id,
            author_key: principal.key(),
            leaves_unread: sending.leaves_unread,
            request: self.request(&sending),
            text: sending.text,
        })
    }

    /// What a repetition is known by; `None` if the caller gave no id. How the conversation was named is no part of it.
    fn request(&self, sending: &Sending) -> Option<Box<MessageRequest>> {
        let id = sending.request_id.clone()?;
        let payload = v1::SendMessageRequest {
            conversation: None,
            text: sending.text.clone(),
            request_id: id.clone(),
            guest_name: sending.guest_name.clone(),
            leave_unread: sending.leaves_unread,
        };
        Some(Box::new(MessageRequest { id, payload_hash: self.requests.payload_hash(&payload) }))
    }

    /// The caller's own conversation of a kind, created if there is none.
    async fn own_or_new(&self, caller: &Caller, kind: String) -> Result<ConversationId> {
        let principal = caller.principal()?;
        let owner = customer(principal)?;
        // Mostly it is there, and a read is cheaper than a turn of the writer.
        let (id, found) = self.store.own_conversation(principal.tenant, owner, &kind).await?;
        if found.is_some() {
            return Ok(id);
        }
        let wanted = OwnConversation { cause: caller.cause(&self.clock)?, owner, kind, waiting: false };
        let (made, _) = self.store.apply(Mutation::own_conversation(wanted)).await?;
        Ok(made.id)
    }
}

fn result(viewer: Viewer, stored: Result<Appended>) -> v1::SendMessagesResult {
    let outcome = match stored {
        Ok(appended) => Outcome::Sent(sent(viewer, &appended)),
        Err(error) => Outcome::Failure(v1::Failure::from(&Status::from(error))),
    };
    v1::SendMessagesResult { outcome: Some(outcome) }
}
