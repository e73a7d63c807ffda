//! Sending: where a message goes, and that it is stored. One alone, or several in their order with as few commits as it
//! takes.

use futures::future::{Either, join_all, ready};
use parlor_api::{
    bound::Bounded as _,
    v1::{self, send_messages_result::Outcome},
};
use parlor_store::{
    Appended, Cause, ConversationId, MessageRequest, Mutation, NewMessage, OwnConversation, Store,
};
use tonic::Status;

use super::{
    access::{self, Named, Reference},
    convert::sent,
    decode,
    find::{Finder, customer},
    wish::Sending,
};
use crate::{Error, Result, caller::Caller, clock::Clock, request::Requests, share::Shares};

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

    /// The message that a sending stores; whether it may, is found out where it is stored.
    pub async fn prepare(&self, caller: &Caller, sending: Sending) -> Result<NewMessage> {
        let named = match self.own(caller, &sending).await? {
            Some(named) => named,
            None => self.destination(caller, &sending.conversation).await?,
        };
        self.message(caller, &named, sending)
    }

    /// Stores what was prepared.
    pub async fn append(&self, caller: &Caller, message: NewMessage) -> Result<Appended> {
        self.begin(caller, message).await?.await
    }

    /// Queues what was prepared, after all that is queued already; what it gives answers when the message is durable. A key
    /// of no conversation is counted, and opens nothing to a caller who has tried too many.
    async fn begin<'a>(
        &'a self,
        caller: &'a Caller,
        mut message: NewMessage,
    ) -> Result<impl Future<Output = Result<Appended>> + 'a> {
        let guesses = is_guess(&message);
        let limited = if guesses { self.find.may_guess(caller).err() } else { None };
        if let Some(limited) = &limited {
            if message.access.person.is_none() {
                return Err(limited.clone());
            }
            // Only what they take part in is open to them.
            message.access.by_key = false;
        }
        let answer = self.store.chat.begin_append(message).await?;
        Ok(async move {
            let appended = answer.await.map_err(Error::from);
            match (&appended, limited) {
                (Err(Error::NotFound(_) | Error::NotOwner), Some(limited)) => return Err(limited),
                (Err(Error::NotFound(_)), None) if guesses => self.find.guessed(caller)?,
                _ => {}
            }
            appended
        })
    }

    /// Stores the messages, as many as the caller may have kept; answers with the highest position as well.
    pub async fn several(
        &self,
        caller: &Caller,
        messages: Vec<v1::SendMessageRequest>,
        kept: &Shares,
    ) -> Result<(v1::SendMessagesResponse, Option<i64>)> {
        caller.principal()?;
        if messages.is_empty() {
            return Err(Error::field("messages", "must be at least one"));
        }
        let (mut allowed, mut last) = (Vec::with_capacity(messages.len()), None);
        for message in messages {
            allowed.push(self.allowed(caller, message, kept, &mut last).await);
        }
        // One is queued when the one before it is: the writer stores them in that order, and together. A key that may be
        // a guess is found right or wrong before anything else is tried, so that each wrong one counts.
        let mut begun = Vec::with_capacity(allowed.len());
        let mut known = None;
        for message in allowed {
            let conversation = message.as_ref().ok().map(|message| message.conversation_id);
            let guesses = message.as_ref().is_ok_and(is_guess) && conversation != known;
            let answer = match message {
                Ok(message) => self.begin(caller, message).await,
                Err(refused) => Err(refused),
            };
            begun.push(match answer {
                Ok(answer) if guesses => {
                    let appended = answer.await;
                    known = conversation.filter(|_| appended.is_ok());
                    Either::Right(ready(appended))
                }
                Ok(answer) => Either::Left(answer),
                Err(refused) => Either::Right(ready(Err(refused))),
            });
        }
        let stored = join_all(begun).await;
        let position = stored.iter().flatten().map(|appended| appended.message.position).max();
        let results = stored.into_iter().map(result).collect();
        Ok((v1::SendMessagesResponse { results }, position))
    }

    /// The message that is to be stored. Mostly all go to one conversation, which is looked up once.
    async fn allowed(
        &self,
        caller: &Caller,
        message: v1::SendMessageRequest,
        kept: &Shares,
        last: &mut Option<(Reference, Named)>,
    ) -> Result<NewMessage> {
        message.check()?;
        let sending = decode::sending(caller.principal()?.tenant, message)?;
        kept.take(caller)?;
        if let Some(named) = self.own(caller, &sending).await? {
            return self.message(caller, &named, sending);
        }
        let named = match last {
            Some((reference, named)) if *reference == sending.conversation => named.clone(),
            _ => {
                let named = self.destination(caller, &sending.conversation).await?;
                *last = Some((sending.conversation.clone(), named.clone()));
                named
            }
        };
        self.message(caller, &named, sending)
    }

    /// Where a message to the caller's own conversation goes, if there is one: where it was stored before, since that may have
    /// been closed and another opened; else to the open one.
    async fn own(&self, caller: &Caller, sending: &Sending) -> Result<Option<Named>> {
        let (Reference::Own(kind), Some(request_id)) = (&sending.conversation, &sending.request_id) else {
            return Ok(None);
        };
        let principal = caller.principal()?;
        let (tenant, owner, author) = (principal.tenant, customer(principal)?, principal.key());
        let found = self.store.chat.own_destination(tenant, owner, kind, &author, request_id).await?;
        Ok(found.map(Named::Id))
    }

    /// Where a message goes that names its conversation so.
    async fn destination(&self, caller: &Caller, reference: &Reference) -> Result<Named> {
        match reference {
            Reference::Own(kind) => Ok(Named::Id(self.own_or_new(caller, kind.clone()).await?)),
            reference => self.find.named(caller.principal()?, reference.clone()).await,
        }
    }

    fn message(&self, caller: &Caller, named: &Named, sending: Sending) -> Result<NewMessage> {
        let principal = caller.principal()?;
        Ok(NewMessage {
            cause: Cause { author: principal.author(&sending.guest_name), ..caller.cause(&self.clock)? },
            conversation_id: named.id(),
            access: access::of(principal, named),
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
        let (id, exists) = self.store.chat.own_conversation(principal.tenant, owner, &kind).await?;
        if exists {
            return Ok(id);
        }
        let wanted = OwnConversation { cause: caller.cause(&self.clock)?, owner, kind, waiting: false };
        let (made, _) = self.store.apply(Mutation::own_conversation(wanted)).await?;
        Ok(made.id)
    }
}

fn result(stored: Result<Appended>) -> v1::SendMessagesResult {
    let outcome = match stored {
        Ok(appended) => Outcome::Sent(sent(&appended)),
        Err(error) => Outcome::Failure(v1::Failure::from(&Status::from(error))),
    };
    v1::SendMessagesResult { outcome: Some(outcome) }
}

/// True if knowing its conversation's key is all that lets a message in.
fn is_guess(message: &NewMessage) -> bool {
    message.access.by_key && !message.access.staff
}
