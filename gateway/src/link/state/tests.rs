//! The link's state by itself: every answer of the core in the order a test chooses.

use std::sync::Arc;

use parlor_api::v1::{self, link_request::Command as Asked, link_response::Body, topic::Name};
use tokio::time::{Duration, Instant};

use super::*;
use crate::{
    call::Proof,
    dialect::{Frame, Recovery, TopicHandle},
    link::Proving,
    mount::Mount,
    mounted::Mounted,
    outbox::{Ending, OUTBOX_BYTES},
    registry,
    tests::echo::{ANYBODY, message_event},
};

mod subject;

const ROOM: &str = "the room";

fn proving() -> Proving {
    Proving { as_role: v1::Role::Unspecified, peer: None, present: true, recovery: Recovery::default() }
}

/// The state, and what it is told and asked.
struct Bench {
    state: State,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut state = State::new("edge".to_owned(), "epoch".to_owned(), Duration::from_secs(10));
        state.hello();
        let mut bench = Self { state, now: Instant::now() };
        bench.welcome(false);
        bench
    }

    fn say(&mut self, body: Body) {
        self.state.response(v1::LinkResponse { body: Some(body) });
        // On a busy machine a delivery may have been slow enough for its topic to rest.
        while let Some(due) = self.state.next_flush() {
            self.state.flush(due);
        }
    }

    fn welcome(&mut self, resumed: bool) {
        self.say(Body::Welcome(v1::LinkWelcome { resumed, ..Default::default() }));
    }

    /// What the state wants sent, with its numbers.
    fn asked(&mut self) -> Vec<(u64, Asked)> {
        let sent = std::iter::from_fn(|| self.state.ledger.next_outgoing());
        sent.map(|request| (request.number, request.command.unwrap())).collect()
    }

    fn only_asked(&mut self) -> (u64, Asked) {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    /// A connection that has proved itself.
    fn connection(&mut self, name: &str) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(OUTBOX_BYTES));
        let mount = Mount {
            name: "echo".to_owned(),
            dialect: "echo".to_owned(),
            prefix: String::new(),
            listener: None,
            tenant: None,
            issuers: Vec::new(),
            origins: Vec::new(),
            login_issuer: None,
            allow_signup: false,
            guests: false,
            identity: crate::mount::Identity::Token,
            rate: None,
            linger: Duration::ZERO,
        };
        let mounted = Mounted { mount: Arc::new(mount), dialect: registry::find("echo").unwrap() };
        let attach = Attach {
            connection: name.into(),
            outbox: Arc::clone(&outbox),
            mounted,
            proving: proving(),
            proof: Proof::Guest(true),
            tag: 1,
        };
        self.state.command(Command::Attach(Box::new(attach)), self.now);
        let (number, _) = self.only_asked();
        self.attached(number, name);
        assert_eq!(heard(&outbox), ["answer"]);
        outbox
    }

    fn attached(&mut self, number: u64, name: &str) {
        self.say(Body::Attached(v1::LinkAttached {
            number,
            connection: name.to_owned(),
            handle: format!("handle of {name}"),
            tenant: "acme".to_owned(),
            ..Default::default()
        }));
    }

    fn subscribe(&mut self, name: &str, topic: Name) -> u64 {
        self.subscribe_instead(name, topic, None)
    }

    fn subscribe_instead(&mut self, name: &str, topic: Name, replaces: Option<TopicHandle>) -> u64 {
        let wanted = Wanted { tag: 2, topic, audience: ANYBODY, replaces };
        self.state.command(Command::Subscribe { connection: name.into(), wanted }, self.now);
        self.only_asked().0
    }

    fn subscribed(&mut self, number: u64, name: &str, handle: u64, position: u64) {
        self.say(Body::Subscribed(v1::LinkSubscribed {
            number,
            connection: name.to_owned(),
            topic: handle,
            position,
            conversation_id: ROOM.to_owned(),
            snapshot: None,
        }));
    }

    /// A connection that hears the room above a position.
    fn hearing(&mut self, name: &str, handle: u64, position: u64) -> Arc<Outbox> {
        let outbox = self.connection(name);
        let number = self.subscribe(name, room());
        self.subscribed(number, name, handle, position);
        assert_eq!(heard(&outbox), ["answer"]);
        outbox
    }

    fn event(&mut self, handle: u64, number: u64) {
        self.say(Body::Event(event(handle, number)));
    }

    /// Answers the one fetch that was asked for with everything up to `head`.
    fn answer_fetch(&mut self, head: u64) -> v1::LinkFetch {
        let (number, asked) = self.only_asked();
        let Asked::Fetch(fetch) = asked else { panic!("a fetch was expected, not {asked:?}") };
        let events = (fetch.after + 1..=head).map(|number| event(fetch.topic, number)).collect();
        let (topic, floor) = (fetch.topic, 1);
        self.say(Body::Fetched(v1::LinkFetched { number, topic, events, through: head, head, floor }));
        fetch
    }
}

fn room() -> Name {
    Name::ConversationKey("room".to_owned())
}

fn event(topic: u64, number: u64) -> v1::LinkEvent {
    v1::LinkEvent { topic, number, event: Some(message_event(ROOM, number, "hello")) }
}

/// What waits for a connection, in words.
fn heard(outbox: &Outbox) -> Vec<String> {
    let mut items = Vec::new();
    let taken = outbox.take(usize::MAX, &mut items);
    outbox.release(taken);
    let words = items.into_iter().map(|item| match item {
        Item::Frame(Frame::Text(text), _) => text.to_string(),
        Item::Frame(Frame::Binary(_) | Frame::Event(_), _) => "other".to_owned(),
        Item::Input(input, _) => match *input {
            Input::Answer { answer: Ok(_), .. } => "answer".to_owned(),
            Input::Answer { answer: Err(refusal), .. } => {
                format!("failed {:?}", tonic::Code::from_i32(refusal.code))
            }
            Input::Event { event, .. } => format!("state {}", event.conversation_id),
            Input::RightsEnded(_) => "rights ended".to_owned(),
            Input::Frame(_)
            | Input::Connect { .. }
            | Input::Emitted { .. }
            | Input::Request(_)
            | Input::Timer(_)
            | Input::Refreshed(_)
            | Input::Closed => "unexpected".to_owned(),
        },
    });
    words.collect()
}

fn events(numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| format!("event {number} hello")).collect()
}

#[test]
fn who_joins_ahead_of_the_gateway_is_not_given_what_was_before() {
    let mut bench = Bench::new();
    let early = bench.hearing("early", 7, 0);
    bench.event(7, 5);
    let (fetch, _) = bench.only_asked();
    let late = bench.connection("late");
    let number = bench.subscribe("late", room());
    bench.subscribed(number, "late", 7, 5);
    let events_missing = (1..=5).map(|number| event(7, number)).collect();
    let page =
        v1::LinkFetched { number: fetch, topic: 7, events: events_missing, through: 5, head: 5, floor: 1 };
    bench.say(Body::Fetched(page));
    bench.event(7, 6);
    assert_eq!(heard(&early), events(1..=6));
    assert_eq!(heard(&late), ["answer", "event 6 hello"]);
}

#[test]
fn who_joins_behind_the_gateway_is_given_what_others_have() {
    let mut bench = Bench::new();
    let early = bench.hearing("early", 7, 0);
    bench.say(Body::Lagged(v1::LinkLagged { topic: 7, head: 10, snapshot: None }));
    bench.answer_fetch(10);
    assert_eq!(heard(&early), events(1..=10));
    let late = bench.hearing("late", 7, 8);
    assert_eq!(bench.answer_fetch(10).after, 8);
    bench.event(7, 11);
    assert_eq!(heard(&late), events(9..=11));
    assert_eq!(heard(&early), events(11..=11));
}

#[test]
fn what_is_replaced_is_heard_up_to_the_answer_and_not_beyond() {
    let mut bench = Bench::new();
    let outbox = bench.hearing("one", 7, 0);
    let other = bench.hearing("two", 7, 0);
    let number =
        bench.subscribe_instead("one", Name::ConversationKey("next".to_owned()), Some(TopicHandle(1)));
    bench.event(7, 1);
    bench.subscribed(number, "one", 8, 0);
    let (_, asked) = bench.only_asked();
    assert!(matches!(asked, Asked::Unsubscribe(left) if left.topic == 7 && left.connection == "one"));
    bench.event(7, 2);
    bench.event(8, 1);
    assert_eq!(heard(&outbox), ["event 1 hello", "answer", "event 1 hello"]);
    assert_eq!(heard(&other), events(1..=2));
}

#[test]
fn what_is_replaced_by_itself_or_by_nothing_is_heard_on() {
    let mut bench = Bench::new();
    let outbox = bench.hearing("one", 7, 0);
    let number = bench.subscribe_instead("one", room(), Some(TopicHandle(1)));
    bench.subscribed(number, "one", 7, 0);
    bench.event(7, 1);
    assert_eq!(heard(&outbox), ["answer", "event 1 hello"]);

    let number =
        bench.subscribe_instead("one", Name::ConversationKey("next".to_owned()), Some(TopicHandle(1)));
    bench.say(Body::Failure(v1::LinkFailure { number, failure: None }));
    bench.event(7, 2);
    assert_eq!(heard(&outbox).last().unwrap(), "event 2 hello");
}

#[test]
fn a_fetch_that_a_break_swallowed_is_asked_again_by_the_new_handle() {
    let mut bench = Bench::new();
    let outbox = bench.hearing("one", 7, 0);
    bench.event(7, 3);
    assert!(matches!(bench.only_asked().1, Asked::Fetch(_)));
    bench.state.lost();
    bench.welcome(false);
    let asked = bench.asked();
    let [(attach, Asked::Attach(told)), (subscribe, Asked::Subscribe(_))] = asked.as_slice() else {
        panic!("the connection and its topic are told: {asked:?}");
    };
    assert_eq!(told.credential, Some(Proof::Handle("handle of one".to_owned())));
    bench.attached(*attach, "one");
    bench.subscribed(*subscribe, "one", 9, 3);
    assert_eq!(bench.answer_fetch(3).topic, 9);
    bench.event(7, 4);
    bench.event(9, 4);
    assert_eq!(heard(&outbox), events(1..=4), "the old handle means nothing");
}

#[test]
fn what_followed_a_lost_answer_is_fetched() {
    let mut bench = Bench::new();
    let outbox = bench.connection("one");
    let number = bench.subscribe("one", room());
    bench.state.lost();
    bench.welcome(true);
    assert_eq!(bench.only_asked().0, number, "the same number again");
    bench.subscribed(number, "one", 7, 2);
    bench.answer_fetch(4);
    assert_eq!(heard(&outbox), [vec!["answer".to_owned()], events(3..=4)].concat());
}

#[test]
fn a_fetch_that_failed_is_tried_again() {
    let mut bench = Bench::new();
    let outbox = bench.hearing("one", 7, 0);
    bench.event(7, 2);
    let (number, _) = bench.only_asked();
    bench.say(Body::Failure(v1::LinkFailure { number, failure: Some(v1::Failure::default()) }));
    assert_eq!(bench.asked().len(), 0);
    bench.state.tick(bench.now);
    bench.answer_fetch(2);
    assert_eq!(heard(&outbox), events(1..=2));
}

#[test]
fn a_subscription_answered_too_late_is_given_back() {
    let mut bench = Bench::new();
    let outbox = bench.connection("one");
    let number = bench.subscribe("one", room());
    bench.state.tick(bench.now + Duration::from_secs(11));
    assert_eq!(heard(&outbox), ["failed Unavailable"]);
    bench.subscribed(number, "one", 7, 0);
    let (_, asked) = bench.only_asked();
    let wanted = v1::LinkUnsubscribe { connection: "one".to_owned(), topic: 7 };
    assert_eq!(asked, Asked::Unsubscribe(wanted));
}

#[test]
fn a_subscription_that_cannot_be_restored_ends_its_connection_only() {
    let mut bench = Bench::new();
    let (one, other) = (bench.hearing("one", 7, 0), bench.connection("other"));
    bench.state.lost();
    bench.welcome(false);
    for (number, asked) in bench.asked() {
        match asked {
            Asked::Attach(attach) => bench.attached(number, &attach.connection),
            Asked::Subscribe(_) => {
                let failure = Some(v1::Failure::default());
                bench.say(Body::Failure(v1::LinkFailure { number, failure }));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(one.ending(), Some(Ending::SUBSCRIPTION_LOST));
    assert_eq!(other.ending(), None);
}

#[test]
fn a_state_is_told_as_it_is_and_then_by_its_newest() {
    let mut bench = Bench::new();
    let outbox = bench.connection("one");
    let number = bench.subscribe("one", Name::Presence(v1::TopicPresence {}));
    let state = |name: &str| v1::Event { conversation_id: name.to_owned(), ..Default::default() };
    bench.say(Body::Subscribed(v1::LinkSubscribed {
        number,
        connection: "one".to_owned(),
        topic: 7,
        position: 3,
        snapshot: Some(state("first")),
        ..Default::default()
    }));
    let told =
        |number: u64, name: &str| Body::Event(v1::LinkEvent { topic: 7, number, event: Some(state(name)) });
    bench.say(told(5, "newer"));
    bench.say(told(4, "older"));
    bench.say(Body::Lagged(v1::LinkLagged { topic: 7, head: 5, snapshot: Some(state("the same")) }));
    bench.say(Body::Lagged(v1::LinkLagged { topic: 7, head: 9, snapshot: Some(state("newest")) }));
    assert_eq!(heard(&outbox), ["answer", "state first", "state newer", "state newest"]);
    assert_eq!(bench.asked().len(), 0, "nothing of a state is fetched");
}

#[test]
fn a_state_begins_anew_with_a_core_that_counts_anew() {
    let mut bench = Bench::new();
    let outbox = bench.connection("one");
    let number = bench.subscribe("one", Name::Typing(ROOM.to_owned()));
    let begun = |number: u64, topic: u64, position: u64, shown: &str| {
        let snapshot = Some(v1::Event { conversation_id: shown.to_owned(), ..Default::default() });
        let connection = "one".to_owned();
        let conversation_id = ROOM.to_owned();
        v1::LinkSubscribed { number, connection, topic, position, conversation_id, snapshot }
    };
    bench.say(Body::Subscribed(begun(number, 7, 90, "before")));
    bench.state.lost();
    bench.welcome(false);
    for (number, asked) in bench.asked() {
        match asked {
            Asked::Attach(attach) => bench.attached(number, &attach.connection),
            _ => bench.say(Body::Subscribed(begun(number, 1, 2, "after"))),
        }
    }
    bench.event(1, 3);
    assert_eq!(heard(&outbox), ["answer", "state before", "state after", "event 3 hello"]);
}

#[test]
fn the_end_of_rights_is_told_once_however_often_the_core_says_it() {
    let mut bench = Bench::new();
    let outbox = bench.hearing("ann", 7, 0);
    for _ in 0..2 {
        bench.say(Body::RightsEnded(v1::LinkRightsEnded {
            connection: "ann".to_owned(),
            reason: v1::RightsEndedReason::Expired.into(),
        }));
    }
    assert_eq!(heard(&outbox).iter().filter(|told| *told == "rights ended").count(), 1);
}

impl Bench {
    /// A connection proves itself again; answers the number of the command.
    fn prove_again(&mut self, name: &str) -> u64 {
        let known = self.state.connections.get(name).unwrap();
        let attach = Attach {
            connection: name.into(),
            outbox: Arc::clone(&known.outbox),
            mounted: known.mounted.clone(),
            proving: proving(),
            proof: Proof::Bearer("another".to_owned()),
            tag: 3,
        };
        self.state.command(Command::Attach(Box::new(attach)), self.now);
        self.only_asked().0
    }

    fn attached_without(&mut self, number: u64, name: &str, dropped: Vec<u64>) {
        self.say(Body::Attached(v1::LinkAttached {
            number,
            connection: name.to_owned(),
            handle: format!("another handle of {name}"),
            tenant: "acme".to_owned(),
            dropped,
            ..Default::default()
        }));
    }
}

#[test]
fn what_the_core_drops_is_heard_no_longer_and_named_to_the_dialect() {
    let mut bench = Bench::new();
    let (one, other) = (bench.hearing("one", 7, 0), bench.hearing("other", 7, 0));
    let number = bench.subscribe("one", Name::ConversationKey("another room".to_owned()));
    bench.subscribed(number, "one", 8, 0);
    assert_eq!(heard(&one), ["answer"]);
    let number = bench.prove_again("one");
    bench.attached_without(number, "one", vec![7, 99]);
    assert_eq!(bench.asked().len(), 0, "the core knows");
    let mut items = Vec::new();
    let taken = one.take(usize::MAX, &mut items);
    one.release(taken);
    let Some(Item::Input(input, _)) = items.pop() else { panic!("no answer") };
    let Input::Answer { answer: Ok(Answer::Attached(attached)), .. } = *input else { panic!("not attached") };
    assert_eq!(attached.dropped, [1], "the first topic of this gateway");
    bench.event(7, 1);
    bench.event(8, 1);
    assert_eq!(heard(&one), events(1..=1), "of the other room");
    assert_eq!(heard(&other), events(1..=1));
}

#[test]
fn a_subscription_that_was_dropped_before_its_answer_came_fails() {
    let mut bench = Bench::new();
    let outbox = bench.connection("one");
    let asked = bench.subscribe("one", room());
    let number = bench.prove_again("one");
    bench.attached_without(number, "one", vec![7]);
    bench.subscribed(asked, "one", 7, 0);
    bench.event(7, 1);
    assert_eq!(heard(&outbox), ["answer", "failed PermissionDenied"]);
    let again = bench.subscribe("one", room());
    bench.subscribed(again, "one", 7, 1);
    assert_eq!(heard(&outbox), ["answer"], "what is asked later stands");
}

#[test]
fn a_connection_that_ended_silently_is_forgotten() {
    let mut bench = Bench::new();
    let outbox = bench.hearing("one", 7, 0);
    outbox.abandon();
    bench.state.tick(bench.now);
    let (_, asked) = bench.only_asked();
    assert_eq!(asked, Asked::Detach(v1::LinkDetach { connection: "one".to_owned(), ..Default::default() }));
}
