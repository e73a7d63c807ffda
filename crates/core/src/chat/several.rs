//! Several messages of one caller, stored in their order with as few commits as it takes.

use futures::future::join_all;
use parlor_api::{
    limits::BATCH_MESSAGES,
    v1::{self, send_messages_result::Outcome},
};
use parlor_store::{Appended, ConversationId, NewMessage};
use tonic::Status;

use super::{Chat, access::Reference, convert::Viewer, decode, rpc::sent};
use crate::{Error, Result, caller::Caller};

impl Chat {
    /// Stores the messages; answers with the highest position as well.
    pub(super) async fn send_several(
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
}

fn result(viewer: Viewer, stored: Result<Appended>) -> v1::SendMessagesResult {
    let outcome = match stored {
        Ok(appended) => Outcome::Sent(sent(viewer, &appended)),
        Err(error) => Outcome::Failure(v1::Failure::from(&Status::from(error))),
    };
    v1::SendMessagesResult { outcome: Some(outcome) }
}
