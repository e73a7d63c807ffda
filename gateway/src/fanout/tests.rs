//! Who is given an event, and who is passed over.

use super::*;
use crate::{
    dialect::{Frame, Machine, Opening, Wire},
    outbox::{Departure, OUTBOX_BYTES},
    tests::echo::{ANYBODY, Echo, message_event},
};

/// Shows every message to all but the connection that it came from.
#[derive(Debug)]
struct Aside;

impl Dialect for Aside {
    fn wire(&self) -> &'static Wire {
        Echo::REFUSING.wire()
    }

    fn open(&self, opening: Opening) -> Box<dyn Machine> {
        Echo::REFUSING.open(opening)
    }

    fn render(&self, event: &v1::Event, _audience: Audience) -> Rendered {
        Rendered::FrameButOrigin(Frame::Text(event.sequence.to_string().into()))
    }
}

/// A topic that "ann" and "bob" hear from its start.
struct Room {
    subscribers: Subscribers,
    ann: Arc<Outbox>,
    bob: Arc<Outbox>,
}

impl Room {
    fn new(only: [Option<&str>; 2]) -> Self {
        let outbox = || Arc::new(Outbox::new(OUTBOX_BYTES));
        let mut room = Self { subscribers: Subscribers::default(), ann: outbox(), bob: outbox() };
        let dialect: Arc<dyn Dialect> = Arc::new(Aside);
        for ((name, outbox), only) in [("ann", &room.ann), ("bob", &room.bob)].into_iter().zip(only) {
            let (connection, dialect) = (&Arc::from(name), &dialect);
            let joining = Joining { dialect, audience: ANYBODY, connection, outbox, from: 0, only };
            room.subscribers.join(&joining);
        }
        room
    }

    fn say(&mut self, number: u64, connection: &str) {
        let origin_connection = connection.to_owned();
        let event = v1::Event { origin_connection, ..message_event("c", number, "hi") };
        let ticket = Arc::new(Departure::of(None));
        self.subscribers.deliver(number, &Arc::new(event), &ticket);
    }
}

/// The texts that wait.
fn texts(outbox: &Outbox) -> Vec<String> {
    let mut items = Vec::new();
    outbox.take(usize::MAX, &mut items);
    let text = |item| match item {
        Item::Frame(Frame::Text(text), _) => text.as_str().to_owned(),
        other => panic!("{other:?} is no text"),
    };
    items.into_iter().map(text).collect()
}

#[test]
fn what_is_not_for_the_connection_it_came_from_reaches_all_others_in_order() {
    let mut room = Room::new([None, None]);
    for (number, connection) in [(1, "bob"), (2, "ann"), (3, "bob"), (4, "nobody here"), (5, "ann")] {
        room.say(number, connection);
    }
    room.subscribers.flush();
    assert_eq!(texts(&room.ann), ["1", "3", "4"]);
    assert_eq!(texts(&room.bob), ["2", "4", "5"]);
}

#[test]
fn a_connection_is_passed_over_where_it_hears_one_conversation_of_a_feed() {
    let mut room = Room::new([Some("c"), None]);
    room.say(1, "ann");
    room.say(2, "bob");
    room.subscribers.flush();
    assert_eq!(texts(&room.ann), ["2"]);
    assert_eq!(texts(&room.bob), ["1"]);
}

#[test]
fn a_connection_that_is_passed_over_is_not_given_the_event_after_a_rewind_either() {
    let mut room = Room::new([None, None]);
    room.say(1, "ann");
    room.subscribers.passed(1);
    room.say(1, "ann");
    room.say(2, "bob");
    room.subscribers.flush();
    assert_eq!(texts(&room.ann), ["2"]);
    assert_eq!(texts(&room.bob), ["1"]);
}
