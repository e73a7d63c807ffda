//! The machine without a runtime: stepped by hand, and the tests answer for the core.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use parlor_api::v1;
use serde_json::{Value, json};
use tonic::Status;

use super::Native;
use crate::{
    dialect::{
        Answer, Call, Dialect as _, Effect, Frame, Input, Machine, Opening, OpeningKind, SocketEvent, Tag,
        TopicHandle,
    },
    mount::{Identity, Mount},
};

struct Talk {
    machine: Box<dyn Machine>,
    tag: Tag,
}

impl Talk {
    fn open() -> Self {
        let mount = Mount {
            name: "native".to_owned(),
            dialect: "native".to_owned(),
            prefix: "/native".to_owned(),
            listener: None,
            tenant: Some("demo".to_owned()),
            issuers: Vec::new(),
            origins: Vec::new(),
            login_issuer: None,
            allow_signup: false,
            guests: false,
            identity: Identity::Token,
            rate: None,
            linger: std::time::Duration::ZERO,
        };
        let opening = Opening {
            mount: Arc::new(mount),
            peer: None,
            kind: OpeningKind::SocketIo,
            headers: HeaderMap::new(),
        };
        Self { machine: Native.open(opening), tag: 0 }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.step(input, &mut effects);
        for effect in &effects {
            if let Effect::Call { tag, .. } | Effect::Attach { tag, .. } | Effect::Subscribe { tag, .. } =
                effect
            {
                self.tag = *tag;
            }
        }
        effects
    }

    fn connect(&mut self, auth: &Value) -> Vec<Effect> {
        self.step(Input::Connect { auth: Some(Bytes::from(auth.to_string())) })
    }

    fn answer(&mut self, answer: Result<Answer, Status>) -> Vec<Effect> {
        let tag = self.tag;
        self.step(Input::Answer { tag, answer, position: None })
    }

    fn emit(&mut self, event: &Value, ack: u64) -> Vec<Effect> {
        self.step(Input::Emitted { event: SocketEvent::from(event.to_string()), ack: Some(ack) })
    }

    /// Up to the answer to its one watch, which began at position 9.
    fn entering(auth: &Value, recovered_from: Option<u64>) -> (Self, v1::ListMissedEventsRequest) {
        let mut talk = Self::open();
        talk.connect(auth);
        talk.answer(Ok(attached("old", recovered_from)));
        talk.answer(Ok(subscribed(1, 9)));
        let effects = talk.answer(Ok(subscribed(2, 0)));
        let [Effect::Call { call, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        let Call::ListMissedEvents(request) = call.as_ref() else { panic!("{call:?}") };
        (talk, request.clone())
    }
}

fn attached(pid: &str, recovered_from: Option<u64>) -> Answer {
    let (pid, began) = (pid.to_owned(), 4);
    Answer::Attached(v1::LinkAttached { pid, recovered_from, began, ..v1::LinkAttached::default() })
}

fn subscribed(topic: u64, position: u64) -> Answer {
    Answer::Subscribed { topic: TopicHandle(topic), position, conversation_id: "c".to_owned() }
}

fn page(complete: bool, sequences: &[u64]) -> Answer {
    let events = sequences.iter().map(|sequence| v1::Event {
        conversation_id: "c".to_owned(),
        sequence: *sequence,
        offset: format!("o{sequence}"),
        ..v1::Event::default()
    });
    Answer::ListMissedEvents(v1::ListMissedEventsResponse {
        events: events.collect(),
        complete,
        ..v1::ListMissedEventsResponse::default()
    })
}

fn sent(effects: &[Effect]) -> Vec<String> {
    let frames = effects.iter().filter_map(|effect| match effect {
        Effect::Send(Frame::Event(event)) => Some(event.text().to_owned()),
        _ => None,
    });
    frames.collect()
}

#[test]
fn without_a_token_nobody_comes_in() {
    for auth in [json!({}), json!({"token": ""}), json!({"token": 7}), json!([])] {
        let effects = Talk::open().connect(&auth);
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
    let effects = talk.answer(Ok(page(true, &[6, 7])));
    assert!(matches!(&effects[0], Effect::Accept { pid: Some(pid) } if pid == "old"));
    let frames = sent(&effects);
    assert!(frames[0].contains("\"recovered\":true"), "{frames:?}");
    assert!(frames[1].ends_with(",\"o6\"]") && frames[2].ends_with(",\"o7\"]"), "{frames:?}");
    assert!(matches!(effects.last(), Some(Effect::Release { above: 9 })));
}

#[test]
fn what_is_not_complete_is_a_new_session() {
    let auth = json!({"token": "t", "watch": ["c"], "pid": "old", "offset": "o5"});
    let (mut talk, _) = Talk::entering(&auth, Some(4));
    let effects = talk.answer(Ok(page(false, &[])));
    let anew = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Attach { memory, .. } if memory.recover.is_none()));
    assert!(anew && sent(&effects).is_empty(), "{effects:?}");
    talk.answer(Ok(attached("new", None)));
    talk.answer(Ok(subscribed(3, 12)));
    talk.answer(Ok(subscribed(2, 0)));
    let effects = talk.answer(Ok(page(true, &[])));
    assert!(matches!(&effects[0], Effect::Accept { pid: Some(pid) } if pid == "new"));
    assert!(sent(&effects)[0].contains("\"recovered\":false"));
}

#[test]
fn while_the_core_is_away_the_client_is_sent_off_to_come_back() {
    let mut talk = Talk::open();
    talk.connect(&json!({"token": "t"}));
    let effects = talk.answer(Err(Status::unavailable("the core does not answer")));
    assert!(matches!(effects.as_slice(), [Effect::Break]), "{effects:?}");
}

#[test]
fn requests_are_carried_out_one_after_the_other() {
    let mut talk = Talk::open();
    talk.connect(&json!({"token": "t"}));
    talk.answer(Ok(attached("", None)));
    assert!(talk.machine.takes());
    let effects = talk.emit(&json!(["ListOnline", {}]), 1);
    assert!(matches!(effects.as_slice(), [Effect::Call { .. }]));
    assert!(!talk.machine.takes(), "the next one waits");
    assert!(talk.emit(&json!(["ListOnline", {}]), 2).is_empty());
    let effects = talk.answer(Ok(Answer::Public(Bytes::new())));
    let [Effect::Acknowledge { ack: 1, arguments }, Effect::Call { .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(arguments.text(), r#"[{"response":{}}]"#);
}
