//! A WebSocket of the dialect: frames one after the other, and the end of rights.
//!
//! ```text
//! frame ─► handler of `frames` ⇄ core ─► answer ─► the next frame
//! ```
//!
//! The rule it keeps: while one frame is worked on, later ones are not taken, so that answers leave in the order of
//! questions.

use parlor_api::v1;
use parlor_socketio::Text;
use serde_json::Value;

use super::{
    frames::{Client, Fault, Feed, Handled},
    read, shape,
};
use crate::dialect::{Effect, Frame, Input, Machine, ask::Running};

/// After so many refused proofs in a row the socket is closed; a front-end retries with the token it has, a guesser does
/// not stop.
const REFUSED_PROOFS_MAX: u32 = 10;

/// RFC 6455: the endpoint received something against its policy.
const CLOSE_POLICY: u16 = 1008;

const REGISTER: &str = "register";
const REGISTER_ADMIN: &str = "register_admin";
const STAFF_MESSAGE: &str = "staff_message";

/// The state of one socket.
#[derive(Default)]
pub(super) struct Socket {
    client: Client,
    /// What is being worked on.
    work: Option<Work>,
    /// The subscription of the session went with the rights it was made by: it comes next.
    restores: bool,
    closed: bool,
}

/// A frame on its way.
struct Work {
    /// What it is, as the client calls it.
    what: &'static str,
    running: Running<Handled>,
}

impl Machine for Socket {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if self.closed {
            return;
        }
        match input {
            Input::Frame(frame) if self.work.is_none() => self.frame(&text(frame), effects),
            Input::Answer { tag, answer, position } => {
                if let Some(Work { what, running }) = &mut self.work {
                    let (what, handled) = (*what, running.answered(tag, answer, position, effects));
                    self.handled(what, handled, effects);
                }
            }
            Input::RightsEnded(reason) => self.rights_ended(reason, effects),
            Input::Closed => self.close(),
            // A frame that was not to come yet, and what this machine never asks for.
            Input::Frame(_)
            | Input::Connect { .. }
            | Input::Emitted { .. }
            | Input::Request(_)
            | Input::Event { .. }
            | Input::Refreshed(_)
            | Input::Timer(_) => {}
        }
        if self.restores && self.takes() && !self.closed {
            self.restores = false;
            self.begin(REGISTER, self.client.clone().restore(), effects);
        }
    }

    fn takes(&self) -> bool {
        self.work.is_none()
    }

    fn has_joined(&self) -> bool {
        self.closed || self.client.standing().has_joined()
    }

    fn is_settled(&self) -> bool {
        self.work.as_ref().is_none_or(|work| work.what == STAFF_MESSAGE)
    }
}

impl Socket {
    fn frame(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let frame = match read::json(text) {
            None | Some(Value::Null) => return refuse("frame", "Invalid message format", effects),
            Some(Value::Object(frame)) => frame,
            Some(_) => return,
        };
        let client = self.client.clone();
        match frame.get("type").and_then(Value::as_str) {
            Some(REGISTER) => self.begin(REGISTER, client.register(frame), effects),
            Some(REGISTER_ADMIN) => self.begin(REGISTER_ADMIN, client.register_admin(frame), effects),
            Some(STAFF_MESSAGE) => self.begin(STAFF_MESSAGE, client.staff_message(frame), effects),
            // Pings, live streams and what else later clients say: never an error.
            Some(_) | None => {}
        }
    }

    fn begin(
        &mut self,
        what: &'static str,
        handler: impl Future<Output = Handled> + Send + 'static,
        effects: &mut Vec<Effect>,
    ) {
        let mut running = Running::new(&self.client.core, handler);
        let handled = running.go_on(effects);
        self.work = Some(Work { what, running });
        self.handled(what, handled, effects);
    }

    /// Says what a handler came to, once it is done.
    fn handled(&mut self, what: &'static str, handled: Option<Handled>, effects: &mut Vec<Effect>) {
        let Some(handled) = handled else { return };
        self.work = None;
        match handled {
            Ok(answer) => effects.extend(answer.map(Effect::Send)),
            Err(Fault::Refused(why)) => refuse(what, why, effects),
            Err(Fault::Failed(why)) => effects.push(error(why)),
            Err(Fault::Unproven) => {
                refuse(what, "Authentication failed", effects);
                let mut standing = self.client.standing();
                standing.refused_proofs += 1;
                if standing.refused_proofs >= REFUSED_PROOFS_MAX {
                    drop(standing);
                    self.shut("too many failed registrations", effects);
                }
            }
        }
    }

    /// Its subscriptions are gone. What was heard as staff stays unheard; a session is heard again as a guest.
    fn rights_ended(&mut self, reason: v1::RightsEndedReason, effects: &mut Vec<Effect>) {
        let mut standing = self.client.standing();
        if standing.end() != Feed::Unheard {
            effects.push(error("Authentication failed"));
        }
        let is_heard_no_more = standing.forget_topic();
        drop(standing);
        match reason {
            v1::RightsEndedReason::Revoked => self.shut("credential revoked", effects),
            v1::RightsEndedReason::Expired | v1::RightsEndedReason::Unspecified => {
                self.restores |= is_heard_no_more;
            }
        }
    }

    fn shut(&mut self, reason: &'static str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close { code: CLOSE_POLICY, reason });
        self.close();
    }

    fn close(&mut self) {
        self.closed = true;
        self.work = None;
    }
}

/// Says why something is refused, and counts it.
fn refuse(what: &'static str, why: &'static str, effects: &mut Vec<Effect>) {
    effects.push(Effect::Refused { what, why });
    effects.push(error(why));
}

fn error(message: &str) -> Effect {
    Effect::Send(shape::error_frame(message))
}

/// The text of a frame; binary frames are read as text, as they always were.
fn text(frame: Frame) -> Text {
    match frame {
        Frame::Text(text) => text,
        Frame::Binary(bytes) => match Text::try_from(bytes.clone()) {
            Ok(text) => text,
            Err(_) => Text::from(String::from_utf8_lossy(&bytes).into_owned()),
        },
        Frame::Event(event) => Text::from(String::from_utf8_lossy(&event.json).into_owned()),
    }
}
