//! The machine without a runtime: stepped by hand, and the tests answer for the core.

use bytes::Bytes;
use parlor_api::v1;
use serde_json::{Value, json};

use super::Native;
use crate::dialect::{
    Answer, Effect, OpeningKind, Subscribed, TopicHandle,
    kit::{self, sent},
    refusal::{Kind, Refusal},
};

type Talk = kit::Talk<Native>;

impl Talk {
    fn connected(auth: &Value) -> Self {
        let mut talk = Self::open(OpeningKind::SocketIo, kit::mount("native"));
        talk.connect(Some(auth));
        talk
    }

    /// Up to the answer to its one watch, which began at position 9.
    fn entering(auth: &Value, recovered_from: Option<u64>) -> (Self, v1::ListMissedEventsRequest) {
        let mut talk = Self::connected(auth);
        talk.answer(attached("old", recovered_from));
        talk.answer(subscribed(1, 9));
        let effects = talk.answer(subscribed(2, 0));
        let [Effect::Call { call, .. }] = effects else { panic!("{effects:?}") };
        let request: v1::ListMissedEventsRequest = call.request();
        let request = request.clone();
        (talk, request)
    }
}

fn attached(pid: &str, recovered_from: Option<u64>) -> Answer {
    let (pid, began) = (pid.to_owned(), 4);
    Answer::Attached(v1::LinkAttached { pid, recovered_from, began, ..v1::LinkAttached::default() })
}

fn subscribed(topic: u64, position: u64) -> Answer {
    let (topic, conversation_id) = (TopicHandle(topic), "c".to_owned());
    Answer::Subscribed(Subscribed { topic, position, conversation_id })
}

fn page(complete: bool, sequences: &[u64]) -> Answer {
    let events = sequences.iter().map(|sequence| v1::Event {
        conversation_id: "c".to_owned(),
        sequence: *sequence,
        offset: format!("o{sequence}"),
        ..v1::Event::default()
    });
    Answer::from(v1::ListMissedEventsResponse {
        events: events.collect(),
        complete,
        ..v1::ListMissedEventsResponse::default()
    })
}

#[test]
fn without_a_token_nobody_comes_in() {
    for auth in [json!({}), json!({"token": ""}), json!({"token": 7}), json!([])] {
        let effects = Talk::connected(&auth).effects;
        assert!(
            effects.iter().any(|effect| matches!(effect, Effect::Refuse { data: Some(_), .. })),
            "{auth}"
        );
    }
}

#[test]
fn whoever_goes_on_hears_what_was_missed_before_what_waits() {
    let auth = json!({"token": "t", "watch": ["c"], "pid": "old", "offset": "o5"});
    let (mut talk, asked) = Talk::entering(&auth, Some(4));
    assert_eq!((asked.after_offset.as_str(), asked.after_position), ("o5", 4));
    assert_eq!(asked.conversations[0].through_position, 9);
    let effects = talk.answer(page(true, &[6, 7]));
    assert!(matches!(&effects[0], Effect::Accept { pid: Some(pid) } if pid == "old"));
    let frames = sent(effects);
    assert!(frames[0].contains("\"recovered\":true"), "{frames:?}");
    assert!(frames[1].ends_with(",\"o6\"]") && frames[2].ends_with(",\"o7\"]"), "{frames:?}");
    assert!(matches!(effects.last(), Some(Effect::Release { above: 9 })));
}

#[test]
fn what_is_not_complete_is_a_new_session() {
    let auth = json!({"token": "t", "watch": ["c"], "pid": "old", "offset": "o5"});
    let (mut talk, _) = Talk::entering(&auth, Some(4));
    let effects = talk.answer(page(false, &[]));
    let anew = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Attach { recovery, .. } if recovery.recover.is_none()));
    assert!(anew && sent(effects).is_empty(), "{effects:?}");
    talk.answer(attached("new", None));
    talk.answer(subscribed(3, 12));
    talk.answer(subscribed(2, 0));
    let effects = talk.answer(page(true, &[]));
    assert!(matches!(&effects[0], Effect::Accept { pid: Some(pid) } if pid == "new"));
    assert!(sent(effects)[0].contains("\"recovered\":false"));
}

#[test]
fn while_the_core_is_away_the_client_is_sent_off_to_come_back() {
    let mut talk = Talk::connected(&json!({"token": "t"}));
    let effects = talk.fail(Refusal::of(Kind::Away, "the core does not answer"));
    assert!(matches!(effects, [Effect::Reconnect]), "{effects:?}");
}

#[test]
fn a_watch_is_answered_after_the_older_events_that_it_asked_for() {
    let mut talk = Talk::connected(&json!({"token": "t"}));
    talk.answer(attached("", None));
    let watch = json!(["WatchConversation", {"conversation": {"id": "c"}, "afterSequence": "0"}]);
    assert!(matches!(talk.say(&watch, Some(1)), [Effect::Hold, Effect::Subscribe { .. }]));
    talk.answer(subscribed(1, 9));
    talk.answer(subscribed(2, 0));
    let effects = talk.answer(page(true, &[6]));
    let [Effect::Send(_), Effect::Acknowledge { ack: 1, arguments }, Effect::Release { above: 0 }] = effects
    else {
        panic!("{effects:?}")
    };
    assert_eq!(arguments.text(), r#"[{"response":{"afterSequence":"0","conversationId":"c"}}]"#);
    let unwatched = talk.say(&json!(["UnwatchConversation", {"conversationId": "c"}]), Some(2));
    assert!(matches!(unwatched[0], Effect::Unsubscribe { only: Some(_), .. }), "{unwatched:?}");
}

#[test]
fn a_watch_whose_older_events_are_refused_breaks_the_connection_off() {
    let mut talk = Talk::connected(&json!({"token": "t"}));
    talk.answer(attached("", None));
    talk.say(&json!(["WatchConversation", {"conversation": {"id": "c"}}]), Some(1));
    talk.answer(subscribed(1, 9));
    talk.answer(subscribed(2, 0));
    let effects = talk.fail(kit::no_conversation());
    assert!(
        matches!(effects, [Effect::Reconnect]),
        "half begun, it would hold what waits for ever: {effects:?}"
    );
}

#[test]
fn requests_are_carried_out_one_after_the_other() {
    let mut talk = Talk::connected(&json!({"token": "t"}));
    talk.answer(attached("", None));
    assert!(talk.machine.takes());
    let effects = talk.say(&json!(["ListOnline", {}]), Some(1));
    assert!(matches!(effects, [Effect::Call { .. }]));
    assert!(!talk.machine.takes(), "the next one waits");
    assert!(talk.say(&json!(["ListOnline", {}]), Some(2)).is_empty());
    let effects = talk.answer(Answer::Called(Bytes::new()));
    let [Effect::Acknowledge { ack: 1, arguments }, Effect::Call { .. }] = effects else {
        panic!("{effects:?}")
    };
    assert_eq!(arguments.text(), r#"[{"response":{}}]"#);
}
