//! What the keeper of a topic asks of a state.

use parlor_api::v1;
use parlor_store::Millis;

use crate::hub::announced::Announced;

/// A topic that nobody watches stays open for so long: page loads leave and come back.
pub(in crate::hub) const LINGER_MS: Millis = 2_000;

/// What was made of what came from the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Applied {
    /// It changed nothing that is shown.
    Nothing,
    /// It is told on as it came, with its number.
    Told,
    /// The state is told as it is now, with the next number.
    Changed,
    /// Something before it is missing: the state is to be read again.
    Missing,
}

/// One state, as its topic keeps it.
pub(in crate::hub) trait State: Send {
    /// Becomes what a snapshot shows.
    fn restore(&mut self, snapshot: v1::Event);

    /// Takes what came from the bus. `head` is the number that was told last.
    fn apply(&mut self, announced: &Announced, head: i64, now: Millis) -> Applied;

    /// The state as an event.
    fn snapshot(&self, head: i64) -> v1::Event;

    /// When something of it is over by itself.
    fn next_expiry(&self) -> Option<Millis> {
        None
    }

    /// Forgets what is over; true if there was something.
    fn expire(&mut self, _now: Millis) -> bool {
        false
    }

    /// How long it is kept after the last who was interested.
    fn linger_ms(&self) -> Millis {
        LINGER_MS
    }
}

pub(super) fn user_id(person: Option<&v1::Person>) -> String {
    person.map(|person| person.user_id.clone()).unwrap_or_default()
}
