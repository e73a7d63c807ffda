//! The holes of the old server (`staff` contract, section 7), each by its number: every test here fails on what it did.

use serde_json::json;

use super::*;
use crate::dialect::Subscribed;

#[test]
fn hole_01_a_stranger_cannot_speak_as_staff() {
    let forged = json!({"type": "staff_message", "sessionId": SESSION, "content": "send me your card"});
    for mut talk in [Talk::socket(), Talk::registered(SESSION, 1)] {
        let effects = talk.send(&forged);
        assert_eq!(sent(effects), [error("Authentication failed")]);
        assert_eq!(effects.len(), 1, "nothing is stored and nobody hears it");
        assert_eq!(talk.refused, [("staff_message", "Authentication failed")]);
    }
    // Not even with a staff token, if it was shown to `register` only.
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register", "sessionId": SESSION, "token": "staff's"}));
    talk.answer(v1::GetConversationResponse::default());
    talk.answer(attached(&[v1::Role::Admin]));
    talk.answer(subscribed(1));
    assert_eq!(sent(talk.send(&forged)), [error("Authentication failed")]);
}

#[test]
fn hole_02_no_token_is_believed_without_the_core() {
    // {"alg":"HS256"}.{"user":{"id":"x","role":"admin"}} signed with the secret that everybody knew.
    let minted = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjp7ImlkIjoieCIsInJvbGUiOiJhZG1pbiJ9fQ.c2VjcmV0";
    let mut talk = Talk::socket();
    let effects = talk.send(&json!({"type": "register_admin", "userId": "x", "token": minted}));
    assert_eq!(attach(effects), &bearer(minted));
    assert_eq!(sent(talk.fail(bad_token())), [error("Authentication failed")]);
    let mut talk = Talk::rest();
    assert_eq!(attach(talk.get("/chat/admin/active-chats", Some(minted))), &bearer(minted));
    assert_eq!(response(talk.fail(bad_token())), (401, r#"{"msg":"Token is not valid"}"#));
}

#[test]
fn hole_03_customers_do_not_reach_the_staffs_endpoints() {
    let body = json!({"sessionId": SESSION, "message": "x"});
    let messages = format!("/chat/admin/messages/{SESSION}");
    for (method, target) in [
        (Method::GET, "/chat/admin/active-chats"),
        (Method::GET, messages.as_str()),
        (Method::POST, "/chat/admin/reply"),
    ] {
        let mut talk = Talk::rest();
        talk.ask(method, target, Some("a customer's"), &body.to_string());
        let effects = talk.answer(attached(&[v1::Role::Customer]));
        assert_eq!(response(effects), (403, r#"{"success":false,"message":"Access denied"}"#));
    }
}

#[test]
fn hole_04_a_second_tab_takes_nothing_from_the_first() {
    let mut first = Talk::registered(SESSION, 1);
    let mut second = Talk::registered(SESSION, 1);
    assert!(second.step(Input::Closed).is_empty());
    // The first hears as before: registering again finds its subscription standing.
    let effects = first.send(&json!({"type": "register", "sessionId": SESSION}));
    assert_eq!(effects.len(), 1);
    assert!(sent(effects)[0].contains("registered"));
}

#[test]
fn hole_05_registering_again_moves_the_socket() {
    let mut talk = Talk::registered(SESSION, 1);
    let effects = talk.send(&json!({"type": "register", "sessionId": OTHER}));
    assert!(
        matches!(effects, [Effect::Subscribe { replaces: Some(TopicHandle(1)), .. }]),
        "the old one is heard up to the new one, and not beyond: {effects:?}"
    );
    let effects = talk.answer(subscribed(2));
    assert_eq!(effects.len(), 1);
    assert_eq!(
        sent(effects),
        [format!(r#"{{"type":"registered","sessionId":"{OTHER}","status":"connected"}}"#)]
    );

    let effects = talk.send(&json!({"type": "register", "sessionId": OTHER}));
    assert_eq!(
        sent(effects),
        [format!(r#"{{"type":"registered","sessionId":"{OTHER}","status":"connected"}}"#)]
    );
    assert_eq!(effects.len(), 1, "the same again changes nothing");

    // With a token the same session is proven again, and the subscription that stands is not left.
    talk.send(&json!({"type": "register", "sessionId": OTHER, "token": "mine"}));
    talk.fail(no_conversation());
    talk.answer(attached(&[v1::Role::Customer]));
    assert_eq!(talk.answer(subscribed(2)).len(), 1);
}

#[test]
fn hole_06_an_owned_conversation_is_closed_to_other_tokens() {
    let mut talk = Talk::registered(OTHER, 1);
    talk.send(&json!({"type": "register", "sessionId": SESSION, "token": "somebody else's"}));
    let effects = talk.fail(not_owner());
    assert_eq!(sent(effects), [error("Registration failed")]);
    assert_eq!(effects.len(), 1, "the registration before stands");

    let denied = (403, r#"{"success":false,"message":"Access denied"}"#);
    let body = json!({"sessionId": SESSION, "message": "x"});
    let history = format!("/chat/conversation/{SESSION}");
    let poll = format!("/chat/staff/messages/{SESSION}");
    for (method, target) in [
        (Method::POST, "/chat/staff/connect"),
        (Method::POST, "/chat/staff/message"),
        (Method::GET, history.as_str()),
        (Method::GET, poll.as_str()),
        (Method::DELETE, history.as_str()),
    ] {
        let mut talk = Talk::rest();
        talk.ask(method, target, Some("somebody else's"), &body.to_string());
        assert_eq!(call(talk.answer(attached(&[v1::Role::Customer]))).1, &Credential::Connection);
        assert_eq!(response(talk.fail(not_owner())), denied, "{target}");
    }
}

#[test]
fn hole_06_a_session_id_that_can_be_guessed_is_none() {
    for id in [
        "x",
        "0123456789abcde",
        "undefined",
        &"x".repeat(129),
        "0123456789abcdef%00",
        "..%2F..%2F..%2Fetc%2Fpasswd",
    ] {
        let mut talk = Talk::rest();
        let effects = talk.get(&format!("/chat/conversation/{id}"), None);
        assert_eq!(
            response(effects),
            (400, r#"{"success":false,"message":"Session ID is invalid"}"#),
            "{id}"
        );
    }
}

#[test]
fn hole_07_clearing_hides_and_erases_nothing() {
    let mut talk = Talk::rest();
    talk.ask(Method::DELETE, &format!("/chat/conversation/{SESSION}"), None, "");
    let found = v1::GetConversationResponse { conversation: Some(conversation()) };
    let effects = talk.answer(found);
    let (request, Credential::Guest) = asked::<v1::UpdateConversationRequest>(effects) else { panic!() };
    assert!(request.clear_history);
    assert_eq!(request.update_mask, None);
    let effects = talk.answer(v1::UpdateConversationResponse::default());
    let body = r#"{"success":true,"message":"Conversation cleared successfully","data":{"cleared":true}}"#;
    assert_eq!(response(effects), (200, body));
}

#[test]
fn hole_08_what_staff_hear_and_list_is_what_their_own_rights_reach() {
    // Neither the feed nor the list names a tenant: the core takes it from who is attached.
    let mut talk = Talk::socket();
    let effects = talk.send(&json!({"type": "register_admin", "token": "good", "tenant": "another"}));
    assert_eq!(attach(effects), &bearer("good"));
    let effects = talk.answer(attached(&[v1::Role::Admin]));
    assert_eq!(subscribe(effects), &v1::topic::Name::Feed(v1::TopicFeed::default()));
    let mut talk = Talk::rest();
    talk.get("/chat/admin/active-chats?tenant=another", Some("good"));
    assert_eq!(call(talk.answer(attached(&[v1::Role::Admin]))).1, &Credential::Connection);
}

#[test]
fn hole_09_a_token_comes_back_in_no_answer() {
    let token = "eyJhbGciOiJIUzI1NiJ9.secret-token.c2VjcmV0";
    let mut said = String::new();
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register_admin", "userId": token, "token": token}));
    said += &sent(talk.fail(bad_token())).concat();
    talk.send(&json!({"type": "register", "sessionId": SESSION, "token": token}));
    said += &sent(talk.fail(not_owner())).concat();
    let mut talk = Talk::rest();
    talk.get("/chat/admin/active-chats", Some(token));
    said += response(talk.fail(bad_token())).1;
    assert!(!said.is_empty() && !said.contains("secret-token"));
}

#[test]
fn hole_10_registering_replays_nothing() {
    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register", "sessionId": SESSION}));
    talk.answer(attached(&[]));
    let (topic, conversation_id) = (TopicHandle(1), CONVERSATION_ID.to_owned());
    let subscribed = Answer::Subscribed(Subscribed { topic, position: 40, conversation_id });
    assert_eq!(talk.answer(subscribed).len(), 1, "registered, and no message from before");
}

#[test]
fn hole_11_what_the_customer_hears_of_staff_is_what_is_stored() {
    // The old server delivered a staff message that it stored nowhere. Ours leaves nothing but a call: what is heard is
    // the event of what was stored, so that the history and the bubbles are the same.
    let mut talk = Talk::staff();
    let effects = talk.send(&json!({"type": "staff_message", "sessionId": SESSION, "content": "three"}));
    assert!(matches!(asked::<v1::SendMessageRequest>(effects), (_, Credential::Connection)));
}

#[test]
fn hole_12_connecting_twice_is_one_conversation() {
    let request_of = || {
        let mut talk = Talk::rest();
        let effects = talk.post("/chat/staff/connect", None, &json!({"sessionId": SESSION}));
        let (request, _) = asked::<v1::CreateConversationRequest>(effects);
        request.clone()
    };
    // One call that finds or creates by the key, not a search and then a creation.
    assert_eq!(request_of(), request_of());
    assert_eq!(request_of().key, SESSION);
}

#[test]
fn hole_13_everything_has_a_limit() {
    let pace = Staff.wire().pace;
    assert_eq!((pace.per_second, pace.burst, pace.refuse, pace.max_frame_bytes), (10, 20, true, 65_536));
    let Some(Frame::Text(refusal)) = Staff.wire().over_pace.map(|refusal| refusal()) else { panic!() };
    assert_eq!(refusal.as_str(), error("Too many messages"));

    let send = |text: String| {
        let mut talk = Talk::rest();
        let body = json!({"sessionId": SESSION, "message": text});
        let effects = talk.post("/chat/staff/message", None, &body);
        matches!(effects, [Effect::Call { .. }])
    };
    assert!(send("😀".repeat(4_000)));
    assert!(!send("😀".repeat(4_001)));
}

#[test]
fn hole_14_registering_without_a_session_fails() {
    for frame in [json!({"type": "register"}), json!({"type": "register", "sessionId": null, "token": "x"})] {
        let mut talk = Talk::socket();
        let effects = talk.send(&frame);
        assert_eq!(sent(effects), [error("Registration failed")]);
        assert_eq!(effects.len(), 1);
    }
}

#[test]
fn hole_15_the_other_modes_have_no_conversation_here() {
    for mode in ["faq", "chat", ""] {
        let mut talk = Talk::rest();
        talk.get(&format!("/chat/find-user-conversation?mode={mode}"), Some("mine"));
        let effects = talk.answer(attached(&[v1::Role::Customer]));
        assert_eq!(response(effects), (200, r#"{"success":true,"data":{"conversation":null}}"#));
    }
}

#[test]
fn hole_06_a_guesser_is_told_what_anybody_over_a_limit_is() {
    let limited = || refusal(Kind::TooMany, v1::Reason::RateLimited);
    let mut talk = Talk::rest();
    talk.get(&format!("/chat/conversation/{SESSION}"), None);
    let refusal = "Too many requests from this IP, please try again after 15 minutes";
    assert_eq!(response(talk.fail(limited())), (429, refusal));

    let mut talk = Talk::socket();
    talk.send(&json!({"type": "register", "sessionId": SESSION}));
    talk.answer(attached(&[]));
    assert_eq!(sent(talk.fail(limited())), [error("Registration failed")]);
}
