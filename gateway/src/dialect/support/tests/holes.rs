//! The holes of the old server (`support` contract, section 7), each by its number: every test here fails on what it did.

use super::{
    super::{join::CLOSED_MAX, queue::QUEUE_MAX, socket::PARKED_FOR},
    *,
};

const NOT_AUTHENTICATED: &str = "User not authenticated. Please reconnect.";
const FAILED: &str = "Failed to send message";

#[test]
fn hole_01_a_claim_needs_a_proof() {
    // Nothing was shown: the core is not even asked.
    let mut talk = Talk::connected(mount(), None);
    assert!(asks_nothing(talk.join(2, "CUSTOMER")));
    let effects = talk.emit("message:send", &json!({"message": "x", "sender": "CUSTOMER"}));
    assert_eq!(sent(effects), [error(NOT_AUTHENTICATED)]);

    // A token of somebody else, a token that is none, and a customer's token for an admin.
    for (role, answer) in [
        ("CUSTOMER", Ok(attached(root(), &[v1::Role::Customer]))),
        ("CUSTOMER", Err(bad_token())),
        ("ADMIN", Ok(attached(ann(), &[v1::Role::Customer]))),
        ("CUSTOMER", Err(no_user())),
    ] {
        let mut talk = Talk::with_token();
        talk.join(2, role);
        let effects = talk.answered(answer);
        assert!(sent(effects).is_empty(), "a refused join is silent");
        assert!(
            matches!(effects, [.., Effect::Attach { credential: Credential::Guest, .. }]),
            "whatever was proven, it speaks for nobody: {effects:?}"
        );
        let effects = talk.emit("message:send", &json!({"message": "x", "sender": role}));
        assert_eq!(sent(effects), [error(NOT_AUTHENTICATED)]);
    }

    // Where claims are believed, the stored role still decides, and a token that contradicts the claim still refuses.
    let mut talk = Talk::claims();
    let credential = Credential::Claim { subject: "3".to_owned(), role: v1::Role::Staff };
    assert_eq!(*attach(talk.join(3, "ADMIN")), credential);
    assert!(sent(talk.fail(no_role())).is_empty(), "no admin:online");
    let believing = Mount { identity: Identity::Claims, ..mount() };
    let mut talk = Talk::connected(believing, Some(&json!({"token": "bob's"})));
    assert_eq!(*attach(talk.join(2, "CUSTOMER")), Credential::BearerAsCustomer("bob's".to_owned()));
    let bob = v1::Person { subject: "3".to_owned(), ..ann() };
    talk.answer(attached(bob, &[v1::Role::Customer]));
    let effects = talk.emit("message:send", &json!({"message": "x", "sender": "CUSTOMER"}));
    assert_eq!(sent(effects), [error(NOT_AUTHENTICATED)]);
}

#[test]
fn hole_01_a_cookie_is_a_proof_only_from_the_shops_own_pages() {
    let from = |origin: &'static str| {
        HeaderMap::from_iter([
            (http::header::COOKIE, HeaderValue::from_static("shop_session=anns")),
            (http::header::ORIGIN, HeaderValue::from_static(origin)),
        ])
    };
    let mut shop = Talk::connected_with(cookie_mount(false), None, from("http://localhost:3000"));
    assert_eq!(*attach(shop.join(2, "CUSTOMER")), Credential::BearerAsCustomer("anns".to_owned()));
    let mut evil = Talk::connected_with(cookie_mount(false), None, from("https://evil.example"));
    assert!(asks_nothing(evil.join(2, "CUSTOMER")), "a foreign page cannot use its visitor's cookie");
}

#[test]
fn hole_01_an_unknown_user_is_told_so_where_claims_are_believed() {
    let mut talk = Talk::claims();
    talk.join(999, "CUSTOMER");
    talk.fail(no_user());
    let text = "User with id 999 not found. Please use an existing user ID from your database.";
    for _ in 0..2 {
        let effects = talk.emit("message:send", &json!({"message": "boo", "sender": "CUSTOMER"}));
        assert_eq!(sent(effects), [error(text)], "at each send");
    }
}

#[test]
fn hole_02_messages_are_heard_by_their_customer_and_by_admins_only() {
    // Before somebody has joined nothing is heard, whatever comes.
    for mut talk in [Talk::claims(), Talk::connected(mount(), None)] {
        let input = Input::Event { event: Arc::new(said(from_ann(1, "secret"))), audience: CUSTOMER };
        assert!(sent(talk.step(input)).is_empty());
    }
    // A customer hears their own conversations, by subscription; the feed is for admins.
    let mut talk = Talk::claims();
    talk.join(2, "CUSTOMER");
    let own = v1::topic::Name::Own(v1::OwnConversation { kind: "support".to_owned() });
    assert_eq!(*subscribe(talk.answer(attached(ann(), &[v1::Role::Customer]))), own);
    let mut talk = Talk::claims();
    talk.join(1, "ADMIN");
    let feed = v1::topic::Name::Feed(v1::TopicFeed::default());
    assert_eq!(*subscribe(talk.answer(attached(root(), &[v1::Role::Admin]))), feed);
}

#[test]
fn hole_03_the_list_after_a_reading_goes_to_admins_only() {
    let mut admin = Talk::admin();
    let effects = admin.hear(was_read(v1::AuthorKind::Staff), STAFF);
    let list = changed(effects);
    assert!((list.ask)().is::<v1::ListConversationsRequest>());
    let frame = || (list.render)(Ok(rows(Vec::new())));
    assert_eq!(sent(admin.step(Input::Refreshed(frame()))), [r#"["admin:conversationsList",[]]"#]);
    // Nobody is sent what was on its way when their rights ended.
    admin.step(Input::RightsEnded(v1::RightsEndedReason::Expired));
    assert!(admin.step(Input::Refreshed(frame())).is_empty());
    let mut admin = Talk::admin();
    // A customer's reading changes no list, and no customer is told of any.
    assert!(admin.hear(was_read(v1::AuthorKind::Customer), STAFF).is_empty());
    let event = was_read(v1::AuthorKind::Staff);
    assert!(matches!(Support.render(&event, CUSTOMER), Rendered::Nothing));
    let mut ann = Talk::ann();
    let input = Input::Event { event: Arc::new(event), audience: CUSTOMER };
    assert!(ann.step(input).is_empty());
    // Nor can a customer mark anything.
    assert!(asks_nothing(ann.emit("conversation:markAsRead", &json!(5))));
}

#[test]
fn hole_04_who_has_not_joined_reads_nothing() {
    let mut talk = Talk::connected(mount(), None);
    talk.join(2, "CUSTOMER");
    assert_eq!(sent(talk.emit_bare("admin:getConversations")), [r#"["admin:conversationsList",[]]"#]);
    assert_eq!(
        sent(talk.emit("conversation:getMessages", &json!(1))),
        [r#"["conversation:messages",{"conversationId":1,"messages":[]}]"#]
    );
    let effects = talk.emit_with_ack("conversation:getMessages", &json!(1), 3);
    assert_eq!((sent(effects), acknowledged(effects)), (vec![], vec![(3, "[[]]")]));
    assert!(sent(talk.emit_bare("customer:getMyConversation")).is_empty());
    // A customer has no list, and what is foreign looks like what is not there.
    let mut ann = Talk::ann();
    assert_eq!(sent(ann.emit_bare("admin:getConversations")), [r#"["admin:conversationsList",[]]"#]);
    call(ann.emit("conversation:getMessages", &json!(6)));
    let empty = r#"["conversation:messages",{"conversationId":6,"messages":[]}]"#;
    assert_eq!(sent(ann.fail(no_conversation())), [empty]);
}

#[test]
fn hole_05_an_id_that_is_none_reads_nothing() {
    let empty = r#"["conversation:messages",{"conversationId":null,"messages":[]}]"#;
    for mut talk in [Talk::admin(), Talk::ann()] {
        assert_eq!(sent(talk.emit_bare("conversation:getMessages")), [empty]);
        for bad in [json!(null), json!({}), json!(0), json!(-1), json!(1.5), json!({"gt": 0}), json!([1])] {
            let effects = talk.emit("conversation:getMessages", &bad);
            assert!(asks_nothing(effects));
            assert_eq!(sent(effects), [empty]);
        }
    }
    let mut talk = Talk::claims();
    assert!(asks_nothing(talk.emit("user:join", &json!({"userName": "x", "role": "CUSTOMER"}))));
    assert!(asks_nothing(talk.emit_bare("customer:getMyConversation")));
}

#[test]
fn hole_06_the_sender_is_who_joined() {
    let forged = json!({"conversationId": 5, "message": "I am admin", "sender": "ADMIN"});
    let mut ann = Talk::ann();
    let effects = ann.emit("message:send", &forged);
    assert!(asks_nothing(effects), "nothing is stored");
    assert_eq!(sent(effects), [error(FAILED)]);
    let mut admin = Talk::admin();
    let effects = admin
        .emit("message:send", &json!({"conversationId": 5, "message": "I am Ann", "sender": "CUSTOMER"}));
    assert!(asks_nothing(effects));
    assert_eq!(sent(effects), [error(FAILED)]);
}

#[test]
fn hole_06_an_admin_who_joins_as_a_customer_is_one() {
    let mut talk = Talk::with_token();
    assert_eq!(*attach(talk.join(2, "CUSTOMER")), Credential::BearerAsCustomer("good".to_owned()));
    // Should the core not take the rights of staff away, the join is refused: the lines would be staff's.
    let effects = talk.answer(attached(ann(), &[v1::Role::Admin, v1::Role::Customer]));
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Subscribe { .. })));
}

#[test]
fn hole_07_a_foreign_conversation_is_not_there() {
    let mut ann = Talk::ann();
    for status in [no_conversation(), refusal(Kind::NotPermitted, v1::Reason::NotOwner)] {
        call(ann.emit("message:send", &json!({"conversationId": 1, "message": "hi", "sender": "CUSTOMER"})));
        assert_eq!(sent(ann.fail(status)), [error("Conversation with id 1 not found")]);
    }
}

#[test]
fn hole_08_the_first_join_stands() {
    let mut ann = Talk::ann();
    for (id, role) in [(3, "CUSTOMER"), (1, "ADMIN"), (2, "ADMIN")] {
        assert!(asks_nothing(ann.join(id, role)));
    }
    call(ann.emit("message:send", &json!({"message": "still Ann", "sender": "CUSTOMER"})));
    ann.answer(stored());
    let mut admin = Talk::admin();
    assert_eq!(sent(admin.join(1, "ADMIN")), [r#"["admin:online"]"#], "the same again is told so again");
    assert!(sent(admin.join(2, "CUSTOMER")).is_empty());
}

#[test]
fn hole_09_nobody_registers_as_an_admin() {
    let mut talk = Talk::rest(mount());
    let body = json!({"name": "Eve", "email": "eve@x.test", "password": "evil-password", "role": "ADMIN",
        "id": 1, "roles": ["admin"], "avatar": "x"});
    let effects = talk.request(Method::POST, "/api/auth/register", &[], &body.to_string());
    let [Effect::Call { call, credential: Credential::Guest, .. }] = effects else { panic!("{effects:?}") };
    let asked: v1::ExchangeCredentialRequest = call.request();
    let taken = v1::SignupCredential {
        username: String::new(),
        password: "evil-password".to_owned(),
        display_name: "Eve".to_owned(),
        email: "eve@x.test".to_owned(),
    };
    let proof = v1::exchange_credential_request::Credential::Signup(taken);
    assert_eq!(asked.credential, Some(proof), "and nothing else");
}

#[test]
fn hole_10_the_admins_endpoints_need_an_admin() {
    for path in
        ["/api/admin/chat", "/api/admin/chatmessages", "/api/admin/chat/1", "/api/admin/chatmessages/1"]
    {
        let mut talk = Talk::rest(mount());
        let missing = (401, r#"{"message":"Unauthorized - Missing Token"}"#);
        assert_eq!(response(talk.request(Method::GET, path, &[], "")), missing);
        let token = [("authorization", "Bearer some")];
        let mut talk = Talk::rest(mount());
        talk.request(Method::GET, path, &token, "");
        assert_eq!(response(talk.fail(bad_token())), (403, r#"{"message":"Token is invalid or expired"}"#));
        let mut talk = Talk::rest(mount());
        talk.request(Method::GET, path, &token, "");
        let effects = talk.answer(attached(ann(), &[v1::Role::Customer]));
        assert_eq!(response(effects), (403, r#"{"message":"Admin access required"}"#));
    }
}

#[test]
fn hole_11_what_was_typed_offline_waits_for_the_join() {
    let mut talk = Talk::claims();
    let effects = talk
        .emit("message:send", &json!({"conversationId": 5, "message": "still here", "sender": "CUSTOMER"}));
    assert!(matches!(effects, [Effect::Timer { after: PARKED_FOR, .. }]), "{effects:?}");
    assert!(talk.emit_bare("customer:getMyConversation").is_empty());
    attach(talk.join(2, "CUSTOMER"));
    // Its time is over while the join is on its way: nothing is lost.
    assert!(talk.time_passes().is_empty());
    let effects = talk.let_in(attached(ann(), &[v1::Role::Customer]));
    let first: v1::SendMessageRequest = call(effects).request();
    assert_eq!(first.text, "still here");
    assert!(call(talk.answer(stored())).is::<v1::CreateConversationRequest>());
}

#[test]
fn hole_11_what_nobody_joined_for_is_answered_in_time_and_in_order() {
    let mut talk = Talk::claims();
    let send = json!({"message": "x", "sender": "CUSTOMER"});
    talk.emit("message:send", &send);
    assert!(talk.emit_with_ack("conversation:getMessages", &json!(1), 1).is_empty());
    assert!(talk.emit("message:send", &send).is_empty());
    let effects = talk.time_passes();
    assert_eq!(sent(effects), [error(NOT_AUTHENTICATED), error(NOT_AUTHENTICATED)]);
    assert_eq!(acknowledged(effects), [(1, "[[]]")]);

    // At the bound nothing is answered, and one over answers the oldest.
    talk.emit_with_ack("conversation:getMessages", &json!(1), 100);
    for ack in 1..QUEUE_MAX as u64 {
        assert!(talk.emit_with_ack("conversation:getMessages", &json!(1), 100 + ack).is_empty());
    }
    let effects = talk.emit_with_ack("conversation:getMessages", &json!(1), 999);
    assert_eq!(acknowledged(effects), [(100, "[[]]")]);
}

#[test]
fn hole_11_who_comes_back_is_given_what_they_missed() {
    let mut talk = Talk::claims();
    talk.emit("message:send", &json!({"conversationId": 5, "message": "still here", "sender": "CUSTOMER"}));
    talk.join(2, "CUSTOMER");
    subscribe(talk.answer(attached_again(ann(), &[v1::Role::Customer], 41)));
    call(talk.answer(subscribed(8)));
    let asked: v1::ListMissedEventsRequest = call(talk.answer(rows(Vec::new()))).request();
    assert_eq!((asked.after_position, asked.limit, asked.messages_only), (41, 500, true));
    // What comes meanwhile waits, so that nothing is given twice and nothing out of order.
    assert!(talk.hear(said(message(8, v1::AuthorKind::Staff, "two")), CUSTOMER).is_empty());
    assert!(talk.hear(said(message(9, v1::AuthorKind::Staff, "three")), CUSTOMER).is_empty());
    let one_and_two = ["one", "two"].into_iter().zip(7..);
    let events = one_and_two.map(|(text, number)| said(message(number, v1::AuthorKind::Staff, text)));
    let foreign = v1::Event {
        conversation: Some(v1::Conversation { kind: "staff".to_owned(), ..conversation() }),
        ..said(from_ann(6, "of another front-end"))
    };
    let effects = talk.answer(missed([foreign].into_iter().chain(events).collect()));
    let given: Vec<Value> = sent(effects)
        .into_iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()[1]["id"].clone())
        .collect();
    assert_eq!(given, [json!(7), json!(8), json!(9)]);
    let (last, before) = effects.split_last().unwrap();
    assert!(before.iter().all(|effect| matches!(effect, Effect::Send(_))));
    assert!(matches!(last, Effect::Call { .. }), "then the parked message is sent: {last:?}");
}

#[test]
fn hole_12_one_open_conversation_is_asked_for_by_whose_it_is() {
    // Whether the history or the first message comes first, and from however many tabs: the core finds or creates it.
    let mut first = Talk::ann();
    let send: v1::SendMessageRequest = call(first.emit("message:send", &json!({"message": "hi"}))).request();
    let own = v1::conversation_ref::Name::Own(v1::OwnConversation { kind: "support".to_owned() });
    assert_eq!(send.conversation.as_ref().unwrap().name, Some(own));
    let mut second = Talk::ann();
    let create: v1::CreateConversationRequest =
        call(second.emit_bare("customer:getMyConversation")).request();
    assert!(create.own && create.key.is_empty());
}

#[test]
fn hole_13_texts_lists_and_rates_are_bounded() {
    let mut ann = Talk::ann();
    for bad in [json!(""), json!(" \n"), json!("x".repeat(4_001)), json!(null), json!("a\0"), json!({"a": 1})]
    {
        let effects = ann.emit("message:send", &json!({"message": bad, "sender": "CUSTOMER"}));
        assert!(asks_nothing(effects));
        assert_eq!(sent(effects), [error(FAILED)]);
    }
    let longest = "x".repeat(4_000);
    let send: v1::SendMessageRequest = call(ann.emit("message:send", &json!({"message": longest}))).request();
    assert_eq!(send.text, longest);
    let pace = Support.wire().pace;
    assert_eq!((pace.burst, pace.per_second, pace.refuse, pace.max_frame_bytes), (200, 20, false, 65_536));
    assert!(Support.wire().over_pace.is_none(), "what is over waits");
}

#[test]
fn hole_14_a_closed_conversation_takes_messages_and_stays_heard() {
    let mut ann = Talk::ann();
    // It is closed: it stays heard, and so is the one that comes after it.
    let effects = ann.hear(closed(), CUSTOMER);
    assert_eq!(*subscribe(effects), v1::topic::Name::ConversationId(UUID.to_owned()));
    assert!(matches!(subscribe(ann.answer(subscribed(8))), v1::topic::Name::Own(_)));
    assert!(ann.answer(subscribed(9)).is_empty());
    // The client still has its id.
    let send: v1::SendMessageRequest =
        call(ann.emit("message:send", &json!({"conversationId": 5, "message": "hi"}))).request();
    assert_eq!(send.conversation.as_ref().unwrap().name, Some(v1::conversation_ref::Name::Number(5)));
    assert!(sent(ann.answer(stored())).is_empty());

    // Who joins later hears the closed ones too, should an admin write there.
    let mut talk = Talk::claims();
    talk.join(2, "CUSTOMER");
    talk.answer(attached(ann_person(), &[v1::Role::Customer]));
    let list: v1::ListConversationsRequest = call(talk.answer(subscribed(8))).request();
    assert_eq!(
        (list.page_size, list.statuses.as_slice()),
        (CLOSED_MAX, [v1::ConversationStatus::Closed as i32].as_slice())
    );
    let effects = talk.answer(rows(vec![conversation()]));
    assert_eq!(*subscribe(effects), v1::topic::Name::ConversationId(UUID.to_owned()));
    assert!(talk.answer(subscribed(9)).is_empty());
}

fn ann_person() -> v1::Person {
    super::ann()
}

#[test]
fn hole_15_errors_of_the_inside_stay_inside() {
    let mut ann = Talk::ann();
    for status in [
        Refusal::of(Kind::Defect, "relation \"message\" does not exist"),
        Refusal::of(Kind::Away, "10.0.0.7:5432 refused"),
        Refusal::of(Kind::Malformed, "message.text: is empty"),
    ] {
        ann.emit("message:send", &json!({"message": "x"}));
        assert_eq!(sent(ann.fail(status)), [error(FAILED)]);
    }
    for payload in [json!(null), json!(5), json!([]), json!("x")] {
        assert_eq!(sent(ann.emit("message:send", &payload)), [error(FAILED)]);
    }
    assert_eq!(sent(ann.emit_bare("message:send")), [error(FAILED)]);
}

#[test]
fn hole_16_nothing_new_is_said_to_these_clients() {
    let online = v1::Event {
        payload: Some(v1::event::Payload::PresenceChanged(v1::PresenceChanged::default())),
        ..said(from_ann(1, "x"))
    };
    let typing = v1::Event {
        payload: Some(v1::event::Payload::TypingState(v1::TypingState::default())),
        ..said(from_ann(1, "x"))
    };
    for event in [online, typing] {
        for audience in [STAFF, CUSTOMER] {
            assert!(matches!(Support.render(&event, audience), Rendered::Nothing));
        }
    }
}

#[test]
fn hole_17_a_login_does_not_tell_who_exists() {
    let wrong = (401, r#"{"message":"Incorrect email or password!"}"#);
    let body = json!({"email": "ann@x.test", "password": "nope"}).to_string();
    for status in [bad_token(), no_user(), Refusal::of(Kind::Malformed, "password.username: too long")] {
        let mut talk = Talk::rest(mount());
        talk.request(Method::POST, "/api/auth/login", &[], &body);
        assert_eq!(response(talk.fail(status)), wrong);
    }
    for body in ["{}", "", "[]", r#"{"email":"ann@x.test"}"#, r#"{"email":{},"password":1}"#] {
        let mut talk = Talk::rest(mount());
        assert_eq!(response(talk.request(Method::POST, "/api/auth/login", &[], body)), wrong);
    }
}

#[test]
fn hole_18_presence_is_the_cores_and_counted_by_connection() {
    // A second tab attaches anew, and its end says nothing of the first: no machine knows another.
    let mut first = Talk::ann();
    let mut second = Talk::ann();
    assert!(second.step(Input::Closed).is_empty());
    assert_eq!(sent(first.hear(said(from_ann(1, "hi")), CUSTOMER)).len(), 1);
}

#[test]
fn hole_19_no_event_carries_an_offset() {
    // Recovery of the protocol would add one more argument to each; this dialect gives out again what was missed instead.
    let mut talk = Talk::ann();
    let effects = talk.hear(v1::Event { offset: "opaque".to_owned(), ..said(from_ann(1, "hi")) }, CUSTOMER);
    let text: Value = serde_json::from_str(sent(effects)[0]).unwrap();
    assert_eq!(text.as_array().unwrap().len(), 2, "its name and one argument");
}
