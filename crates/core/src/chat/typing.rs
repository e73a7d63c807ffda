//! Who is typing: announced, never stored, and forgotten by itself.

use parlor_api::v1::{self, event::Payload};

use super::{Chat, access::Named, convert};
use crate::{Result, caller::Caller, hub::Topic};

/// The number of a mark on the bus.
const STOPPED: i64 = 0;
const TYPING: i64 = 1;

impl Chat {
    /// Shows or hides that the caller is typing.
    pub async fn set_typing(&self, caller: &Caller, named: &Named, typing: bool) -> Result<()> {
        let principal = caller.principal()?;
        let conversation = self.find.accessible(principal, &caller.peer, named).await?;
        let topic = Topic::typing(principal.tenant, conversation.id);
        let author = convert::author(&principal.author(""));
        let mark = v1::Event {
            conversation_id: conversation.id.to_string(),
            audience: v1::Audience::Participants.into(),
            origin_connection: caller.connection.clone(),
            payload: Some(Payload::TypingState(v1::TypingState { authors: vec![author] })),
            ..Default::default()
        };
        // The topic opened here lingers longer than the mark, so who begins to watch in a moment still sees it.
        let _interest = self.hub.open(topic).await?;
        self.hub.publish(topic, if typing { TYPING } else { STOPPED }, &mark);
        Ok(())
    }
}
