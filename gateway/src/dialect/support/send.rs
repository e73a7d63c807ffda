//! Messages. Those that wait behind each other are asked for together: they share a commit and are answered in their order.

use parlor_api::{
    limits::BATCH_MESSAGES,
    v1::{self, send_messages_result::Outcome},
};

use super::{
    asker::{Asker, Done},
    read::{Place, Role, Sender, Sending},
    shape,
};
use crate::dialect::refusal::{Kind, Refusal};

/// Messages asked for at once. What waits behind them goes with the next call.
pub(super) const BURST_MAX: usize = 64;

const _: () = assert!(BURST_MAX <= BATCH_MESSAGES);

const WHAT: &str = "message:send";

/// Sends one message, or several that came behind each other. An admin who answers has read what was before.
pub(super) async fn send(messages: Vec<(Option<Sending>, Asker)>, role: Role) -> Done {
    let (mut asked, mut waiting) = (Vec::new(), Vec::new());
    for (sending, asker) in messages {
        let place = judge(sending, role).map(|Sending { place, text, .. }| {
            asked.push(v1::SendMessageRequest {
                conversation: Some(place.named()),
                text,
                ..v1::SendMessageRequest::default()
            });
            place
        });
        if let Err((why, _)) = place {
            asker.core.refuse(WHAT, why);
        }
        waiting.push((place, asker));
    }
    let Some((_, asker)) = waiting.first() else { return Done::Answered };
    let mut stored = store(asked, asker).await.into_iter();
    for (place, asker) in &waiting {
        match place.map(|place| (place, stored.next().unwrap_or_else(|| Err(Refusal::unexpected())))) {
            // It is heard as an event, by the sender too.
            Ok((_, Ok(()))) => asker.acknowledge(),
            Ok((place, Err(refusal))) => {
                asker.core.refused(WHAT, &refusal);
                asker.fail(&not_sent(place, &refusal));
            }
            Err((_, text)) => asker.fail(text),
        }
    }
    Done::Answered
}

/// What there is to send; or why the core is not even asked, and what the sender is told.
fn judge(sending: Option<Sending>, role: Role) -> Result<Sending, (&'static str, &'static str)> {
    let sending = sending.ok_or(("malformed", shape::FAILED))?;
    match sending {
        Sending { sender: Sender::Is(sender), .. } if sender != role => Err(("forged", shape::FAILED)),
        Sending { place: Place::Unsaid, .. } if role == Role::Admin => Err(("no conversation", shape::WHERE)),
        sending => Ok(sending),
    }
}

/// Stores messages; what became of each, in their order.
async fn store(mut messages: Vec<v1::SendMessageRequest>, asker: &Asker) -> Vec<Result<(), Refusal>> {
    let count = messages.len();
    if count < 2 {
        return match messages.pop() {
            Some(alone) => vec![asker.ask(alone).await.map(drop)],
            None => Vec::new(),
        };
    }
    match asker.ask(v1::SendMessagesRequest { messages }).await {
        Ok(sent) => sent.results.into_iter().map(outcome).collect(),
        Err(refusal) => vec![Err(refusal); count],
    }
}

fn outcome(result: v1::SendMessagesResult) -> Result<(), Refusal> {
    match result.outcome {
        Some(Outcome::Sent(_)) => Ok(()),
        Some(Outcome::Failure(failure)) => Err(failure.into()),
        None => Err(Refusal::unexpected()),
    }
}

/// Why the core did not take a message, in the words of old.
fn not_sent(place: Place, refusal: &Refusal) -> String {
    match (refusal.kind, place) {
        (Kind::NotFound | Kind::NotPermitted, Place::Number(number)) => shape::no_conversation(number),
        (Kind::NotProven, _) => shape::NOT_AUTHENTICATED.to_owned(),
        _ => shape::FAILED.to_owned(),
    }
}
