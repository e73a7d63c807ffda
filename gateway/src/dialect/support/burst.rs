//! Messages that wait behind each other are asked for together: they share a commit and are answered in their order.

use parlor_api::{
    limits::BATCH_MESSAGES,
    v1::{self, send_messages_result::Outcome},
};

use super::{
    read::{Place, Role, Sending},
    requests::{self, Asking, Next, Unsendable},
    shape,
};
use crate::dialect::{Answer, Call, Effect, refusal::Refusal};

/// Messages asked for at once. What waits behind them goes with the next call.
pub(super) const BURST_MAX: usize = 64;

const _: () = assert!(BURST_MAX <= BATCH_MESSAGES);

/// Who waits for what became of their message, in order.
#[derive(Debug)]
pub(super) struct Burst(Vec<Waiting>);

#[derive(Debug)]
enum Waiting {
    /// For the core's next answer.
    Asked { place: Place, ack: Option<u64> },
    /// For those before it: it was refused here.
    Refused { text: &'static str, ack: Option<u64> },
}

/// Asks for messages with the acknowledgements they want.
pub(super) fn send(
    messages: Vec<(Option<Sending>, Option<u64>)>,
    role: Role,
    effects: &mut Vec<Effect>,
) -> Next {
    let (mut asked, mut waiting) = (Vec::new(), Vec::new());
    for (sending, ack) in messages {
        match requests::message(sending, role) {
            Ok((place, message)) => {
                asked.push(message);
                waiting.push(Waiting::Asked { place, ack });
            }
            Err(Unsendable { why, text }) => {
                effects.push(Effect::Refused { what: "message:send", why });
                waiting.push(Waiting::Refused { text, ack });
            }
        }
    }
    let burst = Burst(waiting);
    if asked.is_empty() {
        burst.answered(Ok(Answer::SendMessages(v1::SendMessagesResponse::default())), effects);
        return Next::Done;
    }
    let call = Call::SendMessages(v1::SendMessagesRequest { messages: asked });
    Next::Ask(Box::new(call), Asking::SendAll(burst))
}

impl Burst {
    /// What was sent is heard as an event, by the sender too.
    pub(super) fn answered(self, answer: Result<Answer, Refusal>, effects: &mut Vec<Effect>) {
        let (results, failed) = match answer {
            Ok(Answer::SendMessages(sent)) => (sent.results, None),
            Ok(_) => (Vec::new(), None),
            Err(status) => (Vec::new(), Some(status)),
        };
        let mut results = results.into_iter().map(|result| result.outcome);
        for waiting in self.0 {
            match waiting {
                Waiting::Refused { text, ack } => requests::fail(text, ack, effects),
                Waiting::Asked { place, ack } => match (&failed, results.next().flatten()) {
                    (None, Some(Outcome::Sent(_))) => requests::acknowledge(ack, effects),
                    (None, Some(Outcome::Failure(failure))) => {
                        requests::not_sent(place, &failure.into(), ack, effects);
                    }
                    (Some(status), _) => requests::not_sent(place, status, ack, effects),
                    (None, None) => requests::fail(shape::FAILED, ack, effects),
                },
            }
        }
    }
}
