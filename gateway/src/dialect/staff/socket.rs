//! A WebSocket of the dialect: frames one after the other, and the end of rights.
//!
//! ```text
//! frame ─► handler of `frames` ⇄ core ─► answer ─► the next frame
//! ```
//!
//! The rule it keeps: while one frame is worked on, later ones are not taken, so that answers leave in the order of
//! questions.

use parlor_api::v1;
use serde_json::Value;

use super::{
    frames::{Client, Fault, Feed, Handled},
    read, shape,
};
use crate::dialect::{Effect, Input, Machine, ask::Work};

/// After so many refused proofs in a row the socket is closed; a front-end retries with the token it has, a guesser does
/// not stop.
const REFUSED_PROOFS_MAX: u32 = 10;

/// RFC 6455: the endpoint received something against its policy.
const CLOSE_POLICY: u16 = 1008;

const REGISTER: &str = "register";
const REGISTER_ADMIN: &str = "register_admin";
const STAFF_MESSAGE: &str = "staff_message";

/// The state of one socket.
pub(super) struct Socket {
    client: Client,
    work: Work<Handled>,
    /// What is being worked on, as the client calls it.
    what: &'static str,
    /// The subscription of the session went with the rights it was made by: it comes next.
    restores: bool,
    closed: bool,
}

impl Machine for Socket {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if self.closed {
            return;
        }
        match input {
            // Binary frames are read as text, as they always were.
            Input::Frame(frame) if self.takes() => self.frame(&String::from_utf8_lossy(frame.message().1)),
            Input::Answer { tag, answer, position } => {
                let handled = self.work.answered(tag, answer, position);
                self.handled(handled);
            }
            Input::RightsEnded(reason) => self.rights_ended(reason),
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
            self.begin(REGISTER, self.client.clone().restore());
        }
        self.work.core.give_out(effects);
    }

    fn takes(&self) -> bool {
        self.work.is_idle()
    }

    fn has_joined(&self) -> bool {
        self.closed || self.client.standing().has_joined()
    }

    fn is_settled(&self) -> bool {
        self.takes() || self.what == STAFF_MESSAGE
    }
}

impl Socket {
    pub(super) fn new() -> Self {
        let work = Work::default();
        let client = Client::new(&work.core);
        Self { client, work, what: "", restores: false, closed: false }
    }

    fn frame(&mut self, text: &str) {
        let frame = match read::json(text) {
            None | Some(Value::Null) => return self.refuse("frame", "Invalid message format"),
            Some(Value::Object(frame)) => frame,
            Some(_) => return,
        };
        let client = self.client.clone();
        match frame.get("type").and_then(Value::as_str) {
            Some(REGISTER) => self.begin(REGISTER, client.register(frame)),
            Some(REGISTER_ADMIN) => self.begin(REGISTER_ADMIN, client.register_admin(frame)),
            Some(STAFF_MESSAGE) => self.begin(STAFF_MESSAGE, client.staff_message(frame)),
            // Pings, live streams and what else later clients say: never an error.
            Some(_) | None => {}
        }
    }

    fn begin(&mut self, what: &'static str, handler: impl Future<Output = Handled> + Send + 'static) {
        self.what = what;
        let handled = self.work.begin(handler);
        self.handled(handled);
    }

    /// Says what a handler came to, once it is done.
    fn handled(&mut self, handled: Option<Handled>) {
        match handled {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(answer))) => self.work.core.send(answer),
            Some(Err(Fault::Refused(why))) => self.refuse(self.what, why),
            Some(Err(Fault::Failed(why))) => self.error(why),
            Some(Err(Fault::Unproven)) => {
                self.refuse(self.what, "Authentication failed");
                if self.client.standing().refuse_proof() >= REFUSED_PROOFS_MAX {
                    self.shut("too many failed registrations");
                }
            }
        }
    }

    /// Its subscriptions are gone. What was heard as staff stays unheard; a session is heard again as a guest.
    fn rights_ended(&mut self, reason: v1::RightsEndedReason) {
        let mut standing = self.client.standing();
        if standing.end() != Feed::Unheard {
            self.error("Authentication failed");
        }
        let is_heard_no_more = standing.forget_topic();
        drop(standing);
        match reason {
            v1::RightsEndedReason::Revoked => self.shut("credential revoked"),
            v1::RightsEndedReason::Expired | v1::RightsEndedReason::Unspecified => {
                self.restores |= is_heard_no_more;
            }
        }
    }

    /// Says why something is refused, and counts it.
    fn refuse(&self, what: &'static str, why: &'static str) {
        self.work.core.refuse(what, why);
        self.error(why);
    }

    fn error(&self, message: &str) {
        self.work.core.send(shape::error_frame(message));
    }

    fn shut(&mut self, reason: &'static str) {
        self.work.core.tell(Effect::Close { code: CLOSE_POLICY, reason });
        self.close();
    }

    fn close(&mut self) {
        self.closed = true;
        self.work.stop();
    }
}
