//! What is asked once somebody is in, and what somebody who is not gets instead.
//!
//! The rule it keeps: exactly one answer for each request that has one, in the style it was asked in: the acknowledgement
//! if there is one to give, else the event. What may not be read looks like what is not there: empty.

use parlor_api::v1;
use serde::Serialize;

use super::{
    KIND,
    burst::Burst,
    read::{Asked, Claim, Place, Role, Sender, Sending},
    shape::{self, History, LIST, MESSAGES, Message, OWN, Own, Row},
};
use crate::dialect::{
    Answer, Call, Credential, Effect, Frame, SocketEvent, Tag,
    refusal::{Kind, Refusal},
};

/// The list holds so many, the latest first.
const ROWS_MAX: i32 = 1_000;

/// A history holds so many, the newest.
pub(super) const HISTORY_MAX: i32 = 500;

/// A question that waits for the core.
#[derive(Debug)]
pub(super) enum Asking {
    Send { place: Place, ack: Option<u64> },
    SendAll(Burst),
    List { ack: Option<u64> },
    Messages { number: u64, ack: Option<u64> },
    MarkRead { ack: Option<u64> },
    Own { ack: Option<u64> },
    OwnMessages { conversation: Box<v1::Conversation>, ack: Option<u64> },
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Next {
    Ask(Box<Call>, Asking),
    Done,
    /// It is done, and the list has changed for every admin.
    Changed,
}

impl Next {
    /// The effect of a question.
    pub(super) fn call(tag: Tag, call: Box<Call>) -> Effect {
        Effect::Call { tag, call, credential: Credential::Connection }
    }
}

/// Begins a request of somebody who is in.
pub(super) fn begin(joined: Claim, asked: Asked, ack: Option<u64>, effects: &mut Vec<Effect>) -> Next {
    match (asked, joined.role) {
        (Asked::Send(sending), role) => send(sending, role, ack, effects),
        (Asked::List, Role::Admin) => list(ack),
        (Asked::Messages(Some(number)), _) => {
            Next::Ask(history(Place::Number(number).named()), Asking::Messages { number, ack })
        }
        (Asked::MarkRead(Some(number)), Role::Admin) => {
            let conversation = Some(Place::Number(number).named());
            let call = Call::MarkRead(v1::MarkReadRequest { conversation, through_sequence: 0 });
            Next::Ask(Box::new(call), Asking::MarkRead { ack })
        }
        (Asked::Own, Role::Customer) => {
            let call = Call::CreateConversation(v1::CreateConversationRequest {
                kind: KIND.to_owned(),
                own: true,
                ..v1::CreateConversationRequest::default()
            });
            Next::Ask(Box::new(call), Asking::Own { ack })
        }
        (asked, _) => {
            let malformed = matches!(asked, Asked::Messages(None) | Asked::MarkRead(None));
            refuse(&asked, if malformed { "malformed" } else { "not permitted" }, effects);
            nothing(&asked, ack, effects);
            Next::Done
        }
    }
}

/// The list, as an admin asks for it, or as it is sent unasked.
pub(super) fn list(ack: Option<u64>) -> Next {
    Next::Ask(Box::new(Call::ListConversations(latest(ROWS_MAX))), Asking::List { ack })
}

/// The conversations of this dialect, the latest first.
pub(super) fn latest(page_size: i32) -> v1::ListConversationsRequest {
    v1::ListConversationsRequest {
        page_size,
        kind: KIND.to_owned(),
        order_by_update: true,
        ..v1::ListConversationsRequest::default()
    }
}

/// The newest messages of a conversation, oldest first.
pub(super) fn newest(conversation: v1::ConversationRef, page_size: i32) -> v1::ListMessagesRequest {
    v1::ListMessagesRequest {
        conversation: Some(conversation),
        page_size,
        ..v1::ListMessagesRequest::default()
    }
}

/// Answers a request of somebody who is not in. `unknown` is the id they claimed that nobody has.
pub(super) fn outside(unknown: Option<u64>, asked: &Asked, ack: Option<u64>, effects: &mut Vec<Effect>) {
    refuse(asked, "not joined", effects);
    match asked {
        Asked::Send(_) => {
            let text = unknown.map_or_else(|| shape::NOT_AUTHENTICATED.to_owned(), shape::no_user);
            fail(&text, ack, effects);
        }
        _ => nothing(asked, ack, effects),
    }
}

/// Answers a message that could not be taken.
pub(super) fn fail(text: &str, ack: Option<u64>, effects: &mut Vec<Effect>) {
    effects.push(Effect::Send(shape::error(text)));
    acknowledge(ack, effects);
}

/// Calls back where nothing is to be told.
pub(super) fn acknowledge(ack: Option<u64>, effects: &mut Vec<Effect>) {
    if let Some(ack) = ack {
        effects.push(Effect::Acknowledge { ack, arguments: SocketEvent::from("[]".to_owned()) });
    }
}

/// The empty answer, in the style asked for.
fn nothing(asked: &Asked, ack: Option<u64>, effects: &mut Vec<Effect>) {
    match asked {
        Asked::List => reply(LIST, ack, &[(); 0], effects),
        Asked::Messages(number) => messages(*number, &[], ack, effects),
        // No page can show a conversation that is none, so only who waits for a call is told.
        Asked::Own => {
            if let Some(ack) = ack {
                effects.push(Effect::Acknowledge { ack, arguments: SocketEvent::arguments(&Own::none()) });
            }
        }
        Asked::Send(_) => fail(shape::FAILED, ack, effects),
        Asked::Join(_) | Asked::MarkRead(_) => acknowledge(ack, effects),
    }
}

fn send(sending: Option<Sending>, role: Role, ack: Option<u64>, effects: &mut Vec<Effect>) -> Next {
    match message(sending, role) {
        Ok((place, message)) => Next::Ask(Box::new(Call::SendMessage(message)), Asking::Send { place, ack }),
        Err(Unsendable { why, text }) => {
            effects.push(Effect::Refused { what: "message:send", why });
            fail(text, ack, effects);
            Next::Done
        }
    }
}

/// Why a message is not even asked for.
pub(super) struct Unsendable {
    pub why: &'static str,
    pub text: &'static str,
}

/// What is asked of the core for a message.
pub(super) fn message(
    sending: Option<Sending>,
    role: Role,
) -> Result<(Place, v1::SendMessageRequest), Unsendable> {
    let refused = |why, text| Err(Unsendable { why, text });
    let Some(Sending { place, text, sender }) = sending else { return refused("malformed", shape::FAILED) };
    if !matches!(sender, Sender::Unsaid) && sender != Sender::Is(role) {
        return refused("forged", shape::FAILED);
    }
    if role == Role::Admin && place == Place::Unsaid {
        return refused("no conversation", shape::WHERE);
    }
    let message = v1::SendMessageRequest {
        conversation: Some(place.named()),
        text,
        // Only `conversation:markAsRead` reads.
        leave_unread: true,
        ..v1::SendMessageRequest::default()
    };
    Ok((place, message))
}

fn history(conversation: v1::ConversationRef) -> Box<Call> {
    Box::new(Call::ListMessages(newest(conversation, HISTORY_MAX)))
}

impl Asking {
    /// Goes on with what the core answered.
    pub(super) fn answered(self, answer: Result<Answer, Refusal>, effects: &mut Vec<Effect>) -> Next {
        match (self, answer) {
            // It is heard as an event, by the sender too.
            (Self::Send { ack, .. }, Ok(_)) => acknowledge(ack, effects),
            (Self::Send { place, ack }, Err(status)) => not_sent(place, &status, ack, effects),
            (Self::SendAll(burst), answer) => burst.answered(answer, effects),
            (Self::List { ack }, Ok(Answer::ListConversations(page))) => {
                let rows: Vec<Row<'_>> = page.conversations.iter().filter_map(Row::new).collect();
                reply(LIST, ack, &rows, effects);
            }
            (Self::List { ack }, _) => reply(LIST, ack, &[(); 0], effects),
            (Self::Messages { number, ack }, Ok(Answer::ListMessages(page))) => {
                let ours = page.conversation.as_ref().filter(|shown| shown.kind == KIND);
                if ours.is_none() {
                    effects.push(Effect::Refused { what: "conversation:getMessages", why: "not found" });
                }
                let shown = ours.map(|shown| Message::all(&page.messages, shown)).unwrap_or_default();
                messages(Some(number), &shown, ack, effects);
            }
            (Self::Messages { number, ack }, answer) => {
                refused_by(&answer, "conversation:getMessages", effects);
                messages(Some(number), &[], ack, effects);
            }
            (Self::MarkRead { ack }, answer) => {
                refused_by(&answer, "conversation:markAsRead", effects);
                acknowledge(ack, effects);
                if answer.is_ok() {
                    return Next::Changed;
                }
            }
            (Self::Own { ack }, Ok(Answer::CreateConversation(found))) => {
                return own(found, ack, effects);
            }
            (Self::OwnMessages { conversation, ack }, Ok(Answer::ListMessages(page))) => {
                let conversation = page.conversation.unwrap_or(*conversation);
                let shown = Message::all(&page.messages, &conversation);
                reply(OWN, ack, &Own::new(&conversation, &shown), effects);
            }
            (Self::Own { ack }, _) => nothing(&Asked::Own, ack, effects),
            // It is there, though what is in it cannot be read now.
            (Self::OwnMessages { conversation, ack }, _) => {
                reply(OWN, ack, &Own::new(&conversation, &[]), effects);
            }
        }
        Next::Done
    }
}

fn own(found: v1::CreateConversationResponse, ack: Option<u64>, effects: &mut Vec<Effect>) -> Next {
    let Some(conversation) = found.conversation else {
        nothing(&Asked::Own, ack, effects);
        return Next::Done;
    };
    if found.created {
        reply(OWN, ack, &Own::new(&conversation, &[]), effects);
        return Next::Done;
    }
    let name = Some(v1::conversation_ref::Name::Id(conversation.id.clone()));
    let call = history(v1::ConversationRef { name });
    Next::Ask(call, Asking::OwnMessages { conversation: Box::new(conversation), ack })
}

/// Answers a message that the core did not take.
pub(super) fn not_sent(place: Place, status: &Refusal, ack: Option<u64>, effects: &mut Vec<Effect>) {
    effects.extend(status.counted("message:send"));
    fail(&refusal(place, status), ack, effects);
}

/// Counts what the core refused.
fn refused_by(answer: &Result<Answer, Refusal>, what: &'static str, effects: &mut Vec<Effect>) {
    effects.extend(answer.as_ref().err().and_then(|status| status.counted(what)));
}

/// Why the core did not take a message, in the words of old.
fn refusal(place: Place, status: &Refusal) -> String {
    match (status.kind, place) {
        (Kind::NotFound | Kind::NotPermitted, Place::Number(number)) => shape::no_conversation(number),
        (Kind::NotProven, _) => shape::NOT_AUTHENTICATED.to_owned(),
        _ => shape::FAILED.to_owned(),
    }
}

fn messages(number: Option<u64>, shown: &[Message<'_>], ack: Option<u64>, effects: &mut Vec<Effect>) {
    match ack {
        Some(ack) => {
            effects.push(Effect::Acknowledge { ack, arguments: SocketEvent::arguments(&shown) });
        }
        None => {
            let history = History { conversation_id: number, messages: shown };
            effects.push(Effect::Send(Frame::Event(SocketEvent::new(MESSAGES, &history))));
        }
    }
}

fn reply(name: &str, ack: Option<u64>, argument: &impl Serialize, effects: &mut Vec<Effect>) {
    effects.push(match ack {
        Some(ack) => Effect::Acknowledge { ack, arguments: SocketEvent::arguments(argument) },
        None => Effect::Send(Frame::Event(SocketEvent::new(name, argument))),
    });
}

fn refuse(asked: &Asked, why: &'static str, effects: &mut Vec<Effect>) {
    effects.push(Effect::Refused { what: asked.name(), why });
}
