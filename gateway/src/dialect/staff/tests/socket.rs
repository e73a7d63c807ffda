//! Registrations and staff messages, and what a socket says to everything else.

use bytes::Bytes;
use serde_json::json;

use super::*;

#[test]
fn a_customer_is_registered_once_the_subscription_stands() {
    let mut talk = Talk::socket();
    assert_eq!(attach(talk.send(&json!({"type": "register", "sessionId": SESSION}))), &Credential::Guest);
    assert_eq!(subscribe(talk.answer(attached(&[]))), &key(SESSION));
    let effects = talk.answer(subscribed(1));
    assert_eq!(
        sent(effects),
        [format!(r#"{{"type":"registered","sessionId":"{SESSION}","status":"connected"}}"#)]
    );
    assert_eq!(effects.len(), 1);
}

#[test]
fn a_token_that_proves_nothing_is_as_good_as_none() {
    for token in [json!(null), json!(""), json!(5), json!({}), json!(["x"])] {
        let mut talk = Talk::socket();
        let effects = talk.send(&json!({"type": "register", "sessionId": SESSION, "token": token}));
        assert_eq!(attach(effects), &Credential::Guest);
    }
    let mut talk = Talk::socket();
    let effects = talk.send(&json!({"type": "register", "sessionId": SESSION, "token": "garbage"}));
    assert_eq!(call(effects).1, &bearer("garbage"));
    assert_eq!(attach(talk.fail(bad_token())), &Credential::Guest);
    talk.answer(attached(&[]));
    assert!(sent(talk.answer(subscribed(1)))[0].contains("registered"));
}

#[test]
fn a_customers_own_token_speaks_for_them() {
    for found in [Ok(Answer::from(v1::GetConversationResponse::default())), Err(no_conversation())] {
        let mut talk = Talk::socket();
        talk.send(&json!({"type": "register", "sessionId": SESSION, "token": "mine"}));
        assert_eq!(attach(talk.answer_at(found, None)), &bearer("mine"));
        assert_eq!(subscribe(talk.answer(attached(&[v1::Role::Customer]))), &key(SESSION));
        assert!(sent(talk.answer(subscribed(1)))[0].contains("registered"));
    }
}

#[test]
fn a_later_register_without_a_token_speaks_for_a_guest_again() {
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register", "sessionId": SESSION, "token": "mine"}));
    talk.fail(no_conversation());
    talk.answer(attached(&[v1::Role::Customer]));
    talk.answer(subscribed(1));
    assert_eq!(attach(talk.send(&json!({"type": "register", "sessionId": OTHER}))), &Credential::Guest);
    talk.answer(attached(&[]));
    // And a guest who stays one proves nothing anew.
    talk.answer(subscribed(2));
    assert_eq!(subscribe(talk.send(&json!({"type": "register", "sessionId": SESSION}))), &key(SESSION));
}

#[test]
fn a_registration_that_fails_leaves_the_one_before() {
    let mut talk = Talk::registered(SESSION, 1);
    for bad in [json!(null), json!(7), json!("short"), json!("x".repeat(129)), json!("0123456789abcde ")] {
        let effects = talk.send(&json!({"type": "register", "sessionId": bad}));
        assert_eq!(sent(effects), [error("Registration failed")]);
        assert_eq!(effects.len(), 1);
    }
    talk.send(&json!({"type": "register", "sessionId": OTHER}));
    let effects = talk.fail(refusal(Kind::Away, v1::Reason::TryAgain));
    assert_eq!(sent(effects), [error("Registration failed")]);
    assert_eq!(effects.len(), 1);
}

#[test]
fn staff_are_registered_by_their_token_whatever_id_they_claim() {
    let mut talk = Talk::socket();
    let effects = talk.send(&json!({"type": "register_admin", "userId": "admin", "token": "good"}));
    assert_eq!(attach(effects), &bearer("good"));
    let effects = talk.answer(attached(&[v1::Role::Staff]));
    assert_eq!(subscribe(effects), &v1::topic::Name::Feed(v1::TopicFeed::default()));
    let effects = talk.answer(subscribed(7));
    assert_eq!(sent(effects), [r#"{"type":"admin_registered","userId":"64b001","status":"connected"}"#]);
}

#[test]
fn a_bad_admin_token_is_answered_and_the_socket_stays() {
    let mut talk = Talk::socket();
    for token in [json!(null), json!(""), json!(0), json!(false)] {
        let effects = talk.send(&json!({"type": "register_admin", "token": token}));
        assert_eq!(sent(effects), [error("Token required")]);
    }
    assert_eq!(sent(talk.send(&json!({"type": "register_admin"}))), [error("Token required")]);
    let effects = talk.send(&json!({"type": "register_admin", "token": ["good"]}));
    assert_eq!(sent(effects), [error("Authentication failed")]);
    talk.send(&json!({"type": "register_admin", "token": "bad"}));
    assert_eq!(sent(talk.fail(bad_token())), [error("Authentication failed")]);
    talk.send(&json!({"type": "register_admin", "token": "a customer's"}));
    assert_eq!(sent(talk.answer(attached(&[v1::Role::Customer]))), [error("Authentication failed")]);
    talk.and_staff(7);
}

#[test]
fn a_customers_token_shown_as_staffs_ends_what_is_anothers_and_leaves_the_rest() {
    for (dropped, is_heard) in [(vec![1], false), (Vec::new(), true)] {
        let mut talk = Talk::registered(SESSION, 1);
        talk.send(&json!({"type": "register_admin", "token": "a customer's"}));
        let Answer::Attached(attached) = attached(&[v1::Role::Customer]) else { panic!("not attached") };
        let answer = Answer::Attached(v1::LinkAttached { dropped, ..attached });
        assert_eq!(sent(talk.answer(answer)), [error("Authentication failed")]);
        // A client that knows the key is registered; what is heard still needs no more than the answer.
        let effects = talk.send(&json!({"type": "register", "sessionId": SESSION}));
        if is_heard {
            assert!(sent(effects)[0].contains("registered"));
        } else {
            assert_eq!(attach(effects), &Credential::Guest);
            assert_eq!(subscribe(talk.answer(super::attached(&[]))), &key(SESSION));
        }
    }
}

#[test]
fn the_tenth_refused_proof_in_a_row_closes_the_socket() {
    let mut talk = Talk::staff();
    for attempt in 1..=10 {
        talk.send(&json!({"type": "register_admin", "token": "bad"}));
        let effects = talk.fail(bad_token());
        assert_eq!(sent(effects), [error("Authentication failed")]);
        let closed = effects.iter().any(|effect| matches!(effect, Effect::Close { code: 1008, .. }));
        assert_eq!(closed, attempt == 10, "attempt {attempt}");
    }
    assert!(talk.text("not json").is_empty());
}

#[test]
fn an_outage_is_no_refused_proof() {
    let mut talk = Talk::socket();
    for _ in 0..20 {
        talk.send(&json!({"type": "register_admin", "token": "good"}));
        let effects = talk.fail(refusal(Kind::Away, v1::Reason::TryAgain));
        assert_eq!(sent(effects), [error("Admin registration failed")]);
        assert_eq!(effects.len(), 1);
    }
}

#[test]
fn staff_who_show_a_customers_token_are_staff_no_more() {
    let mut talk = Talk::staff();
    talk.send(&json!({"type": "register_admin", "token": "a customer's"}));
    let effects = talk.answer(attached(&[v1::Role::Customer]));
    assert!(matches!(&effects[0], Effect::Unsubscribe { topic: TopicHandle(7), only: None }));
    assert_eq!(sent(effects), [error("Authentication failed")]);
    let effects = talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": "x"}));
    assert_eq!(sent(effects), [error("Authentication failed")]);
}

#[test]
fn staff_register_again_without_a_second_subscription() {
    let mut talk = Talk::staff();
    talk.send(&json!({"type": "register_admin", "token": "good"}));
    let effects = talk.answer(attached(&[v1::Role::Admin]));
    assert_eq!(sent(effects), [r#"{"type":"admin_registered","userId":"64b001","status":"connected"}"#]);
    assert_eq!(effects.len(), 1);
}

#[test]
fn one_socket_may_be_both() {
    let mut talk = Talk::registered(SESSION, 1).and_staff(7);
    // Staff may hear every conversation, so the connection goes on speaking for them.
    let effects = talk.send(&json!({"type": "register", "sessionId": OTHER}));
    assert_eq!(subscribe(effects), &key(OTHER));
    assert!(matches!(effects, [Effect::Subscribe { replaces: Some(TopicHandle(1)), .. }]));
    assert_eq!(talk.answer(subscribed(2)).len(), 1);
    let effects =
        talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": "still staff"}));
    assert!(matches!(asked::<v1::SendMessageRequest>(effects), (_, Credential::Connection)));
}

#[test]
fn a_staff_message_is_stored_and_not_answered() {
    let mut talk = Talk::staff();
    let effects = talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": " three "}));
    let (request, Credential::Connection) = asked::<v1::SendMessageRequest>(effects) else { panic!() };
    assert_eq!(request.text, " three ");
    assert_eq!(request.conversation, Some(crate::dialect::staff::read::by_key(SESSION)));
    assert!(talk.answer(stored(message(1, v1::AuthorKind::Staff, Some(person()), " three "))).is_empty());
}

#[test]
fn a_staff_message_that_cannot_be_is_answered_by_its_reason() {
    let mut talk = Talk::staff();
    for content in
        [json!(null), json!(""), json!("  "), json!(7), json!({}), json!("a\0"), json!("x".repeat(4_001))]
    {
        let effects = talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": content}));
        assert_eq!(sent(effects), [error("Invalid message content")]);
    }
    let effects =
        talk.text(&format!(r#"{{"type":"staff_message","sessionId":"{SESSION}","content":"\ud800"}}"#));
    assert_eq!(sent(effects), [error("Invalid message content")]);
    for session_id in [json!(null), json!("short"), json!(7)] {
        let effects = talk.send(&json!({"type": "staff_message", "sessionId": session_id, "content": "x"}));
        assert_eq!(sent(effects), [error("Conversation not found")]);
    }
    let from_core = [
        (no_conversation(), "Conversation not found"),
        (refusal(Kind::Malformed, v1::Reason::FieldInvalid), "Invalid message content"),
        (refusal(Kind::TooMany, v1::Reason::RateLimited), "Too many messages"),
        (bad_token(), "Authentication failed"),
        (refusal(Kind::Away, v1::Reason::TryAgain), "Error sending message"),
    ];
    for (refusal, text) in from_core {
        talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": "x"}));
        assert_eq!(sent(talk.fail(refusal)), [error(text)]);
    }
}

#[test]
fn what_is_no_json_is_said_so_and_what_is_unknown_is_not() {
    let mut talk = Talk::socket();
    for bad in ["", "not json", "{", "null", " null ", "{\"type\":\"register\"", "\u{feff}{}", "'x'"] {
        assert_eq!(sent(talk.text(bad)), [error("Invalid message format")], "{bad}");
    }
    let silent = [
        r#"{"type":"ping"}"#,
        r#"{"type":"whatever"}"#,
        "{}",
        "[]",
        "5",
        "\"register\"",
        "true",
        r#"{"type":null}"#,
        r#"{"type":7}"#,
        r#"{"type":["register"]}"#,
        r#"{"type":"stream_started"}"#,
        r#"{"type":"chat_message"}"#,
        r#"{"type":"webrtc_offer","sdp":"x"}"#,
        r#"{"type":"REGISTER"}"#,
    ];
    for unknown in silent {
        assert!(talk.text(unknown).is_empty(), "{unknown}");
    }
    assert_eq!(sent(talk.text(&"[".repeat(60_000))), [error("Invalid message format")]);
}

#[test]
fn binary_frames_are_read_as_text() {
    let mut talk = Talk::socket();
    let frame = json!({"type": "register", "sessionId": SESSION}).to_string();
    assert_eq!(attach(talk.step(Input::Frame(Frame::Binary(Bytes::from(frame))))), &Credential::Guest);
    let mut talk = Talk::socket();
    let effects = talk.step(Input::Frame(Frame::Binary(Bytes::from_static(&[0xff, 0xfe]))));
    assert_eq!(sent(effects), [error("Invalid message format")]);
}

#[test]
fn frames_wait_for_the_one_before_so_answers_keep_the_order() {
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register", "sessionId": SESSION}));
    assert!(talk.text("not json").is_empty());
    assert!(talk.send(&json!({"type": "register_admin"})).is_empty());
    assert!(talk.send(&json!({"type": "register", "sessionId": OTHER})).is_empty());
    talk.answer(attached(&[]));
    let effects = talk.answer(subscribed(1));
    let registered = format!(r#"{{"type":"registered","sessionId":"{SESSION}","status":"connected"}}"#);
    assert_eq!(sent(effects), [registered, error("Invalid message format"), error("Token required")]);
    assert!(matches!(effects.last(), Some(Effect::Subscribe { .. })));
}

#[test]
fn nothing_is_taken_while_something_is_worked_on() {
    let mut talk = Talk::socket();
    assert!(talk.machine.takes());
    talk.send(&json!({"type": "register", "sessionId": SESSION}));
    assert!(!talk.machine.takes());
    talk.answer(attached(&[]));
    assert!(!talk.machine.takes());
    talk.answer(subscribed(1));
    assert!(talk.machine.takes());
}

#[test]
fn staff_whose_token_ends_are_told_and_hear_the_session_again_as_a_guest() {
    let mut talk = Talk::registered(SESSION, 1).and_staff(7);
    let effects = talk.step(Input::RightsEnded(v1::RightsEndedReason::Expired));
    assert_eq!(sent(effects), [error("Authentication failed")]);
    assert!(matches!(effects.last(), Some(Effect::Attach { credential: Credential::Guest, .. })));
    assert_eq!(subscribe(talk.answer(attached(&[]))), &key(SESSION));
    assert!(talk.answer(subscribed(2)).is_empty());
    let effects = talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": "x"}));
    assert_eq!(sent(effects), [error("Authentication failed")]);
    // The session it hears is the new subscription.
    let effects = talk.send(&json!({"type": "register", "sessionId": OTHER}));
    assert!(matches!(effects, [Effect::Subscribe { replaces: Some(TopicHandle(2)), .. }]));
}

#[test]
fn rights_that_end_while_registering_register_nobody() {
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register_admin", "token": "good"}));
    talk.answer(attached(&[v1::Role::Admin]));
    let effects = talk.step(Input::RightsEnded(v1::RightsEndedReason::Expired));
    assert_eq!(sent(effects), [error("Authentication failed")]);
    assert!(matches!(
        talk.answer(subscribed(7)),
        [Effect::Unsubscribe { topic: TopicHandle(7), only: None }]
    ));
    let effects = talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": "x"}));
    assert_eq!(sent(effects), [error("Authentication failed")]);
}

#[test]
fn a_revoked_token_closes_the_socket() {
    let mut talk = Talk::staff();
    let effects = talk.step(Input::RightsEnded(v1::RightsEndedReason::Revoked));
    assert_eq!(sent(effects), [error("Authentication failed")]);
    assert!(matches!(effects.last(), Some(Effect::Close { code: 1008, .. })));
    assert!(talk.send(&json!({"type": "register_admin"})).is_empty());
}

#[test]
fn a_socket_that_is_gone_wants_nothing_more() {
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register", "sessionId": SESSION}));
    assert!(talk.step(Input::Closed).is_empty());
    assert!(talk.answer(attached(&[])).is_empty());
    assert!(talk.text("not json").is_empty());
}
