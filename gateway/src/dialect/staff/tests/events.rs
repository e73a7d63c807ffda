//! How events look to staff and to customers.

use super::*;
use crate::dialect::{
    Audience, Rendered,
    who::{CUSTOMER, STAFF},
};

fn event(message: v1::Message, audience: v1::Audience) -> v1::Event {
    v1::Event {
        conversation_id: CONVERSATION_ID.to_owned(),
        sequence: message.sequence,
        time: message.create_time,
        audience: audience.into(),
        conversation: Some(conversation()),
        payload: Some(v1::event::Payload::MessageSent(v1::MessageSent { message: Some(message) })),
        ..v1::Event::default()
    }
}

fn shown(event: &v1::Event, audience: Audience) -> Option<String> {
    match Staff.render(event, audience) {
        Rendered::Frame(Frame::Text(text)) => Some(text.as_str().to_owned()),
        Rendered::Nothing => None,
        other => panic!("{other:?}"),
    }
}

fn sent_by(kind: v1::AuthorKind, person: Option<v1::Person>, text: &str) -> v1::Event {
    event(message(1, kind, person, text), v1::Audience::Participants)
}

#[test]
fn staff_hear_customers_and_customers_hear_staff() {
    let question = sent_by(v1::AuthorKind::Customer, None, "hello \"staff\"");
    let shown_to_staff = r#"{"type":"customer_message","sessionId":"session_1795206390007_yemuse1b4","message":"hello \"staff\"","customerName":"Customer","timestamp":"2026-11-20T20:26:30.007Z"}"#;
    assert_eq!(shown(&question, STAFF).as_deref(), Some(shown_to_staff));
    assert_eq!(shown(&question, CUSTOMER), None, "nobody hears their own words");

    let reply = sent_by(v1::AuthorKind::Staff, Some(person()), "<b>hi</b>");
    let shown_to_customer =
        r#"{"type":"staff_reply","message":"<b>hi</b>","timestamp":"2026-11-20T20:26:30.007Z"}"#;
    assert_eq!(shown(&reply, CUSTOMER).as_deref(), Some(shown_to_customer));
    assert_eq!(shown(&reply, STAFF), None, "other staff hear no reply");
}

#[test]
fn a_signed_in_customer_is_called_by_the_username() {
    let question = sent_by(v1::AuthorKind::Customer, Some(person()), "hi");
    assert!(shown(&question, STAFF).unwrap().contains(r#""customerName":"ada""#));
    let guest = v1::Person { display_name: "Grace".to_owned(), ..v1::Person::default() };
    let question = sent_by(v1::AuthorKind::Customer, Some(guest), "hi");
    assert!(shown(&question, STAFF).unwrap().contains(r#""customerName":"Grace""#));
    let nameless = v1::Person { username: String::new(), ..person() };
    let question = sent_by(v1::AuthorKind::Customer, Some(nameless), "hi");
    assert!(shown(&question, STAFF).unwrap().contains(r#""customerName":"Customer""#));
}

#[test]
fn customers_are_shown_nothing_that_is_for_staff_only() {
    let note = event(message(1, v1::AuthorKind::Staff, Some(person()), "careful"), v1::Audience::Staff);
    assert_eq!(shown(&note, CUSTOMER), None);
}

#[test]
fn nothing_but_messages_of_people_is_shown() {
    let system = sent_by(v1::AuthorKind::System, None, "closed");
    let changed = v1::Event {
        payload: Some(v1::event::Payload::ConversationChanged(v1::ConversationChanged::default())),
        ..system.clone()
    };
    for event in [system, changed, v1::Event::default()] {
        assert_eq!(shown(&event, STAFF), None);
        assert_eq!(shown(&event, CUSTOMER), None);
    }
}

#[test]
fn a_conversation_without_a_key_has_a_name_staff_can_use() {
    let mut question = sent_by(v1::AuthorKind::Customer, None, "hi");
    question.conversation.as_mut().unwrap().key.clear();
    let text = shown(&question, STAFF).unwrap();
    assert!(text.contains(&format!(r#""sessionId":"id:{CONVERSATION_ID}""#)));
}
