//! Every endpoint: who may use it, what it asks of the core, and its answers to the letter.

use serde_json::json;

use super::*;

fn page(messages: Vec<v1::Message>) -> v1::ListMessagesResponse {
    v1::ListMessagesResponse {
        messages,
        conversation: Some(v1::Conversation { waiting: false, unanswered: false, ..conversation() }),
        ..v1::ListMessagesResponse::default()
    }
}

fn two_messages() -> Vec<v1::Message> {
    vec![
        message(1, v1::AuthorKind::Customer, None, "hello staff"),
        message(2, v1::AuthorKind::Staff, Some(person()), "hi from staff"),
    ]
}

/// A staff exchange whose token is already proven.
fn as_staff(method: Method, target: &str, body: &Value) -> Talk {
    let mut talk = Talk::rest();
    assert_eq!(attach(talk.ask(method, target, Some("good"), &body.to_string())), &bearer("good"));
    talk.answer(attached(&[v1::Role::Staff]));
    talk
}

#[test]
fn connect_creates_the_conversation() {
    let mut talk = Talk::rest();
    let effects = talk.post("/chat/staff/connect", None, &json!({"sessionId": SESSION}));
    let (request, Credential::Guest) = asked::<v1::CreateConversationRequest>(effects) else { panic!() };
    assert_eq!((request.key.as_str(), request.kind.as_str(), request.waiting), (SESSION, "staff", true));
    let effects = talk.answer(v1::CreateConversationResponse::default());
    let body = format!(
        r#"{{"success":true,"message":"Connected to staff chat","data":{{"sessionId":"{SESSION}"}}}}"#
    );
    assert_eq!(response(effects), (200, body.as_str()));
    assert_eq!(whole_response(effects).0.content_type, "application/json; charset=utf-8");
}

#[test]
fn connect_says_what_is_wrong() {
    let required = r#"{"success":false,"message":"Session ID is required"}"#;
    let invalid = r#"{"success":false,"message":"Session ID is invalid"}"#;
    for (body, text) in [
        ("", required),
        ("{}", required),
        ("null", required),
        ("[]", required),
        (r#"{"sessionId":""}"#, required),
        (r#"{"sessionId":null}"#, required),
        (r#"{"sessionId":7}"#, invalid),
        (r#"{"sessionId":{"$gt":""}}"#, invalid),
        (r#"{"sessionId":"0123456789abcde"}"#, invalid),
        (r#"{"sessionId":"0123456789abcdef/"}"#, invalid),
        ("{", r#"{"success":false,"message":"Invalid JSON"}"#),
    ] {
        let mut talk = Talk::rest();
        let effects = talk.ask(Method::POST, "/chat/staff/connect", None, body);
        assert_eq!(response(effects), (400, text), "{body}");
    }
}

#[test]
fn a_message_is_answered_after_staff_have_heard_it() {
    let mut talk = Talk::rest();
    let body = json!({"sessionId": SESSION, "message": " hello staff\n"});
    let effects = talk.post("/chat/staff/message", None, &body);
    let (request, Credential::Guest) = asked::<v1::SendMessageRequest>(effects) else { panic!() };
    assert_eq!(request.text, " hello staff\n");
    let effects = talk.answer_at(Ok(stored(two_messages().remove(0))), Some(17));
    assert_eq!(response(effects), (200, r#"{"success":true,"message":"Message sent to staff"}"#));
    assert_eq!(whole_response(effects).1, Some(&After { position: Some(17), conversation: None }));
}

#[test]
fn a_message_that_cannot_be_is_refused() {
    let required = "Session ID and message are required";
    for (body, text) in [
        (json!({}), required),
        (json!({"sessionId": SESSION}), required),
        (json!({"message": "x"}), required),
        (json!({"sessionId": SESSION, "message": ""}), required),
        (json!({"sessionId": SESSION, "message": " \n"}), required),
        (json!({"sessionId": SESSION, "message": 7}), "Message is invalid"),
        (json!({"sessionId": SESSION, "message": ["x"]}), "Message is invalid"),
        (json!({"sessionId": SESSION, "message": "a\0b"}), "Message is invalid"),
        (json!({"sessionId": SESSION, "message": "ä".repeat(4_001)}), "Message is too long"),
        (json!({"sessionId": "short", "message": "x"}), "Session ID is invalid"),
        (json!({"sessionId": 7, "message": "x"}), "Session ID is invalid"),
    ] {
        let mut talk = Talk::rest();
        let effects = talk.post("/chat/staff/message", None, &body);
        assert_eq!(response(effects), (400, format!(r#"{{"success":false,"message":"{text}"}}"#).as_str()));
    }
}

#[test]
fn what_the_core_refuses_is_refused_in_our_words() {
    let not_found = r#"{"success":false,"message":"Conversation not found"}"#;
    let denied = r#"{"success":false,"message":"Access denied"}"#;
    let outage = r#"{"success":false,"message":"Error sending message","error":"service unavailable"}"#;
    let defect = r#"{"success":false,"message":"Error sending message","error":"internal error"}"#;
    let too_many = "Too many requests from this IP, please try again after 15 minutes";
    for (refusal, expected) in [
        (no_conversation(), (404, not_found)),
        (not_owner(), (403, denied)),
        (refusal(Kind::Away, v1::Reason::TryAgain), (500, outage)),
        (refusal(Kind::Defect, v1::Reason::Internal), (500, defect)),
        (refusal(Kind::TooMany, v1::Reason::RateLimited), (429, too_many)),
    ] {
        let mut talk = Talk::rest();
        talk.post("/chat/staff/message", None, &json!({"sessionId": SESSION, "message": "x"}));
        assert_eq!(response(talk.fail(refusal)), expected);
    }
}

#[test]
fn an_optional_token_says_who_or_nothing() {
    let body = json!({"sessionId": SESSION, "message": "x"});
    let mut talk = Talk::rest();
    assert_eq!(attach(talk.post("/chat/staff/message", Some("mine"), &body)), &bearer("mine"));
    assert_eq!(call(talk.answer(attached(&[v1::Role::Customer]))).1, &Credential::Connection);

    let mut talk = Talk::rest();
    talk.post("/chat/staff/message", Some("garbage"), &body);
    assert_eq!(call(talk.fail(bad_token())).1, &Credential::Guest);

    // Staff who write with the customer's widget write as a customer, by their name.
    let mut talk = Talk::rest();
    talk.post("/chat/staff/message", Some("staff's"), &body);
    let (request, Credential::Guest) =
        asked::<v1::SendMessageRequest>(talk.answer(attached(&[v1::Role::Admin])))
    else {
        panic!()
    };
    assert_eq!(request.guest_name, "ada");

    let mut talk = Talk::rest();
    talk.post("/chat/staff/message", Some("mine"), &body);
    assert_eq!(response(talk.fail(Refusal::of(Kind::Away, "down"))).0, 500);
}

#[test]
fn the_history_is_the_newest_messages_and_the_state() {
    let mut talk = Talk::rest();
    let effects = talk.get(&format!("/chat/conversation/{SESSION}"), None);
    let (request, Credential::Guest) = asked::<v1::ListMessagesRequest>(effects) else { panic!() };
    assert_eq!((request.page_size, request.after_sequence), (20, None));
    let body = concat!(
        r#"{"success":true,"data":{"messages":["#,
        r#"{"role":"user","content":"hello staff","timestamp":"2026-11-20T20:26:30.007Z","messageType":"text","relatedProducts":[],"faq":null},"#,
        r#"{"role":"assistant","content":"hi from staff","timestamp":"2026-11-20T20:26:30.007Z","messageType":"staff","relatedProducts":[],"faq":null}],"#,
        r#""conversationState":{"isStaffChat":true,"waitingForStaff":false,"isActive":true,"hasUnreadFromCustomer":false,"assignedStaff":null}}}"#,
    );
    assert_eq!(response(talk.answer(page(two_messages()))), (200, body));
}

#[test]
fn a_message_that_was_erased_has_a_text_to_show() {
    let erased = |message| v1::Message { text: String::new(), erased: true, ..message };
    let shown = r#""content":"[erased]""#;
    let mut talk = Talk::rest();
    talk.get(&format!("/chat/conversation/{SESSION}"), None);
    let (status, body) = response(talk.answer(page(two_messages().into_iter().map(erased).collect())));
    assert_eq!((status, body.matches(shown).count()), (200, 2), "{body}");

    let mut talk = as_staff(Method::GET, "/chat/admin/active-chats", &json!({}));
    let last_message = Some(erased(message(2, v1::AuthorKind::Customer, None, "")));
    let conversation = v1::Conversation { owner: None, last_message, ..conversation() };
    let conversations = vec![conversation];
    let effects = talk
        .answer(v1::ListConversationsResponse { conversations, ..v1::ListConversationsResponse::default() });
    let (status, body) = response(effects);
    assert_eq!((status, body.matches(r#""lastMessage":"[erased]""#).count()), (200, 1), "{body}");
}

#[test]
fn who_looks_after_a_conversation_is_an_id_of_ours_to_customers() {
    let veiled =
        v1::Person { username: String::new(), email: String::new(), subject: String::new(), ..person() };
    for (assignee, expected) in [(veiled, "504c01000000000000000001"), (person(), "64b001")] {
        let mut talk = Talk::rest();
        talk.get(&format!("/chat/conversation/{SESSION}"), None);
        let shown = v1::Conversation { assignee: Some(assignee), ..conversation() };
        let conversation = Some(shown);
        let effects = talk.answer(v1::ListMessagesResponse { conversation, ..Default::default() });
        let (status, body) = response(effects);
        assert_eq!(status, 200);
        assert!(body.contains(&format!(r#""assignedStaff":"{expected}""#)), "{body}");
    }
}

#[test]
fn an_unknown_history_is_empty_and_no_error() {
    let mut talk = Talk::rest();
    talk.get(&format!("/chat/conversation/{SESSION}/"), None);
    let body = r#"{"success":true,"data":{"messages":[],"conversationState":{"isStaffChat":false,"waitingForStaff":false,"isActive":true,"hasUnreadFromCustomer":false,"assignedStaff":null}}}"#;
    assert_eq!(response(talk.fail(no_conversation())), (200, body));
}

#[test]
fn the_history_has_a_bound() {
    for (limit, taken) in
        [("1", 1), ("500", 500), ("501", 500), ("0", 20), ("-3", 20), ("x", 20), ("99999999999", 20)]
    {
        let mut talk = Talk::rest();
        let effects = talk.get(&format!("/chat/conversation/{SESSION}?limit={limit}"), None);
        let (request, _) = asked::<v1::ListMessagesRequest>(effects);
        assert_eq!(request.page_size, taken, "{limit}");
    }
}

#[test]
fn polling_hears_staff_since_a_time() {
    let mut talk = Talk::rest();
    let target = format!("/chat/staff/messages/{SESSION}?lastMessageTime=2026-11-20T20%3A00%3A00.500Z");
    let (request, _) = asked::<v1::ListMessagesRequest>(talk.get(&target, None));
    assert_eq!(request.author_kind(), v1::AuthorKind::Staff);
    assert_eq!(
        request.stored_after,
        Some(prost_types::Timestamp { seconds: 1_795_204_800, nanos: 500_000_000 })
    );
    let body = r#"{"success":true,"data":{"newMessages":[{"role":"assistant","content":"hi from staff","messageType":"staff","timestamp":"2026-11-20T20:26:30.007Z","_id":"504c03000000000000000002"}]}}"#;
    assert_eq!(response(talk.answer(page(two_messages().split_off(1)))), (200, body));

    // What is no time is what a client sends that has none yet.
    for query in ["", "?lastMessageTime=", "?lastMessageTime=undefined", "?lastMessageTime=yesterday"] {
        let mut talk = Talk::rest();
        let effects = talk.get(&format!("/chat/staff/messages/{SESSION}{query}"), None);
        let (request, _) = asked::<v1::ListMessagesRequest>(effects);
        assert_eq!(
            request.stored_after,
            Some(prost_types::Timestamp { seconds: NOW.seconds - 10, nanos: NOW.nanos }),
            "{query}"
        );
        assert_eq!(response(talk.fail(no_conversation())).0, 404);
    }
}

#[test]
fn clearing_what_is_not_there_clears_nothing() {
    let not_cleared =
        r#"{"success":true,"message":"Conversation cleared successfully","data":{"cleared":false}}"#;
    let empty = v1::Conversation { last_message: None, ..conversation() };
    let found = Answer::from(v1::GetConversationResponse { conversation: Some(empty) });
    for answer in [Ok(found), Err(no_conversation())] {
        let mut talk = Talk::rest();
        talk.ask(Method::DELETE, &format!("/chat/conversation/{SESSION}"), None, "");
        assert_eq!(response(talk.answer_at(answer, None)), (200, not_cleared));
    }
}

#[test]
fn a_signed_in_customer_finds_their_conversation() {
    let mut talk = Talk::rest();
    talk.get("/chat/find-user-conversation?mode=staff-chat", Some("mine"));
    let effects = talk.answer(attached(&[v1::Role::Customer]));
    let (request, Credential::Connection) = asked::<v1::ListConversationsRequest>(effects) else { panic!() };
    assert_eq!((request.owner_id.as_str(), request.kind.as_str()), (person().user_id.as_str(), "staff"));
    assert_eq!(request.active_after.map(|time| time.seconds), Some(NOW.seconds - 24 * 60 * 60));
    let keyless = v1::Conversation { key: String::new(), ..conversation() };
    let body = r#"{"success":true,"data":{"conversation":{"_id":"504c02000000000000000003","sessionId":"session_1795206390007_yemuse1b4","isStaffChat":true,"waitingForStaff":true,"lastActivity":"2026-11-20T20:26:30.007Z"}}}"#;
    let effects = talk.answer(v1::ListConversationsResponse {
        conversations: vec![keyless, conversation()],
        ..v1::ListConversationsResponse::default()
    });
    assert_eq!(response(effects), (200, body));
}

#[test]
fn guests_and_staff_find_no_conversation_of_their_own() {
    let none = (200, r#"{"success":true,"data":{"conversation":null}}"#);
    assert_eq!(response(Talk::rest().get("/chat/find-user-conversation", None)), none);
    let mut talk = Talk::rest();
    talk.get("/chat/find-user-conversation", Some("garbage"));
    assert_eq!(response(talk.fail(bad_token())), none);
    let mut talk = Talk::rest();
    talk.get("/chat/find-user-conversation", Some("staff's"));
    assert_eq!(response(talk.answer(attached(&[v1::Role::Staff]))), none);
}

#[test]
fn the_list_of_chats_is_to_the_letter() {
    let mut talk = as_staff(Method::GET, "/chat/admin/active-chats", &json!({}));
    let (request, Credential::Connection) = asked::<v1::ListConversationsRequest>(&talk.effects) else {
        panic!()
    };
    assert_eq!((request.page_size, request.statuses.len()), (50, 2));
    let owned = v1::Conversation {
        owner: Some(person()),
        last_message: Some(message(2, v1::AuthorKind::Customer, None, &"x".repeat(51))),
        waiting: false,
        ..conversation()
    };
    let quiet = v1::Conversation { last_message: None, unread_count: 0, ..conversation() };
    let effects = talk.answer(v1::ListConversationsResponse {
        conversations: vec![conversation(), owned, quiet],
        ..v1::ListConversationsResponse::default()
    });
    let row = |who: &str, last: &str, unread: u32, waiting: bool| {
        format!(
            r#"{{"sessionId":"{SESSION}",{who},"lastMessage":"{last}","lastActivity":"2026-11-20T20:26:30.007Z","unreadCount":{unread},"waitingForStaff":{waiting}}}"#
        )
    };
    let anonymous = r#""customerName":"Anonymous Customer","customerEmail":null"#;
    let ada = r#""customerName":"Ada Lovelace","customerEmail":"ada@example.com","customerId":"64b001""#;
    let body = format!(
        r#"{{"success":true,"data":[{},{},{}]}}"#,
        row(anonymous, "hello staff", 1, true),
        row(ada, &format!("{}...", "x".repeat(50)), 1, false),
        row(anonymous, "No messages yet", 0, true),
    );
    assert_eq!(response(effects), (200, body.as_str()));
}

#[test]
fn staff_read_all_pages_and_mark_what_they_were_shown() {
    let mut talk = as_staff(Method::GET, &format!("/chat/admin/messages/{SESSION}"), &json!({}));
    let (request, Credential::Connection) = asked::<v1::ListMessagesRequest>(&talk.effects) else { panic!() };
    assert_eq!(request.page_size, 500);
    let newest = page(two_messages().split_off(1));
    let effects = talk.answer(v1::ListMessagesResponse { next_page_token: "more".to_owned(), ..newest });
    let (request, _) = asked::<v1::ListMessagesRequest>(effects);
    assert_eq!(request.page_token, "more");
    let mut older = two_messages();
    older.truncate(1);
    let effects = talk.answer(page(older));
    let (request, Credential::Connection) = asked::<v1::MarkReadRequest>(effects) else { panic!() };
    assert_eq!(request.through_sequence, 2);
    let body = concat!(
        r#"{"success":true,"data":{"messages":["#,
        r#"{"role":"user","content":"hello staff","messageType":"text","timestamp":"2026-11-20T20:26:30.007Z","_id":"504c03000000000000000001"},"#,
        r#"{"role":"assistant","content":"hi from staff","messageType":"staff","timestamp":"2026-11-20T20:26:30.007Z","_id":"504c03000000000000000002"}],"#,
        r#""customer":{"name":"Anonymous Customer","email":null,"id":null}}}"#,
    );
    assert_eq!(response(talk.answer(v1::MarkReadResponse::default())), (200, body));
}

#[test]
fn the_history_of_staff_ends_after_four_pages() {
    let mut talk = as_staff(Method::GET, &format!("/chat/admin/messages/{SESSION}"), &json!({}));
    for read in 1..=4 {
        let full = v1::ListMessagesResponse { next_page_token: "more".to_owned(), ..page(two_messages()) };
        let effects = talk.answer(full);
        assert_eq!(call(effects).0.is::<v1::MarkReadRequest>(), read == 4);
    }
}

#[test]
fn an_unknown_chat_is_404_and_an_empty_one_is_not_marked() {
    let mut talk = as_staff(Method::GET, &format!("/chat/admin/messages/{SESSION}"), &json!({}));
    assert_eq!(response(talk.fail(no_conversation())).0, 404);
    let mut talk = as_staff(Method::GET, &format!("/chat/admin/messages/{SESSION}"), &json!({}));
    assert_eq!(response(talk.answer(page(Vec::new()))).0, 200);
}

#[test]
fn a_reply_is_answered_after_the_customer_has_heard_it() {
    let body = json!({"sessionId": SESSION, "message": "hi from staff"});
    let mut talk = as_staff(Method::POST, "/chat/admin/reply", &body);
    assert!(matches!(asked::<v1::SendMessageRequest>(&talk.effects), (_, Credential::Connection)));
    let effects = talk.answer_at(Ok(stored(two_messages().remove(1))), Some(18));
    assert_eq!(response(effects), (200, r#"{"success":true,"message":"Reply sent successfully"}"#));
    let conversation = Some((CONVERSATION_ID.to_owned(), 2));
    assert_eq!(whole_response(effects).1, Some(&After { position: None, conversation }));
}

#[test]
fn a_staff_endpoint_looks_at_the_token_before_the_body() {
    let mut talk = Talk::rest();
    let effects = talk.post("/chat/admin/reply", None, &json!({}));
    assert_eq!(response(effects), (401, r#"{"msg":"No token, authorization denied"}"#));
    let mut talk = Talk::rest();
    talk.post("/chat/admin/reply", Some("bad"), &json!({}));
    assert_eq!(response(talk.fail(bad_token())), (401, r#"{"msg":"Token is not valid"}"#));
    let talk = as_staff(Method::POST, "/chat/admin/reply", &json!({"sessionId": SESSION}));
    let required = r#"{"success":false,"message":"Session ID and message are required"}"#;
    assert_eq!(response(&talk.effects), (400, required));
}

#[test]
fn the_faq_is_empty_and_what_is_not_served_is_404() {
    let effects_of = |method: Method, target: &str| {
        let mut talk = Talk::rest();
        let (status, body) = response(talk.ask(method, target, None, ""));
        (status, body.to_owned())
    };
    let empty = r#"{"success":true,"data":[]}"#;
    assert_eq!(effects_of(Method::GET, "/chat/faqs?limit=100"), (200, empty.to_owned()));
    let absent = (404, r#"{"success":false,"message":"Not found"}"#.to_owned());
    for (method, target) in [
        (Method::POST, "/chat/ai"),
        (Method::POST, "/chat/faq/1/answer"),
        (Method::GET, "/"),
        (Method::GET, ""),
        (Method::GET, "/chat"),
        (Method::GET, "/chat/staff/connect"),
        (Method::DELETE, "/chat/faqs"),
        (Method::PUT, "/chat/conversation/x"),
        (Method::GET, "/chat/conversation"),
        (Method::GET, "/chat/conversation/a/b"),
    ] {
        assert_eq!(effects_of(method, target), absent, "{target}");
    }
}

#[test]
fn a_password_is_traded_for_a_token_of_the_mounts_issuer() {
    let mut talk = Talk::rest();
    let effects = talk.post("/auth/login", None, &json!({"username": "ada", "password": "pw"}));
    let (request, Credential::Guest) = asked::<v1::ExchangeCredentialRequest>(effects) else { panic!() };
    assert_eq!((request.tenant.as_str(), request.issuer.as_str()), ("demo", "shop"));
    let user = v1::User { roles: vec![v1::Role::Admin.into()], ..v1::User::default() };
    let exchanged = v1::ExchangeCredentialResponse {
        token: "a.b.c".to_owned(),
        user: Some(user),
        subject: "64b001".to_owned(),
        ..v1::ExchangeCredentialResponse::default()
    };
    let effects = talk.answer(exchanged.clone());
    assert_eq!(response(effects), (200, r#"{"token":"a.b.c","role":"admin","userId":"64b001"}"#));

    let mut talk = Talk::rest();
    let account =
        json!({"username": "ada", "password": "password", "firstName": "Ada", "lastName": "Lovelace"});
    let effects = talk.post("/auth/register", None, &account);
    let (request, _) = asked::<v1::ExchangeCredentialRequest>(effects);
    let Some(v1::exchange_credential_request::Credential::Signup(signup)) = &request.credential else {
        panic!()
    };
    assert_eq!(signup.display_name, "Ada Lovelace");
    assert_eq!(response(talk.answer(exchanged)), (200, r#"{"token":"a.b.c"}"#));
}

#[test]
fn a_sign_in_that_fails_fails_the_same_way_always() {
    let invalid = (400, r#"{"msg":"Invalid Credentials"}"#);
    for body in
        [json!({}), json!({"username": "ada"}), json!({"username": {"$gt": ""}, "password": {"$gt": ""}})]
    {
        assert_eq!(response(Talk::rest().post("/auth/login", None, &body)), invalid);
    }
    let mut talk = Talk::rest();
    talk.post("/auth/login", None, &json!({"username": "ada", "password": "wrong"}));
    assert_eq!(response(talk.fail(bad_token())), invalid);
    let mut talk = Talk::rest();
    talk.post("/auth/register", None, &json!({"username": "ada", "password": "password"}));
    let taken = refusal(Kind::Taken, v1::Reason::AlreadyExists);
    assert_eq!(response(talk.fail(taken)), (400, r#"{"msg":"User already exists"}"#));
}

#[test]
fn a_mount_without_an_issuer_serves_no_login() {
    let body = json!({"username": "ada", "password": "password"});
    let no_login = Mount { login_issuer: None, ..mount() };
    let no_signup = Mount { allow_signup: false, ..mount() };
    for (mount, target) in
        [(no_login.clone(), "/auth/login"), (no_login, "/auth/register"), (no_signup, "/auth/register")]
    {
        let mut talk = Talk::open(OpeningKind::Rest, mount);
        assert_eq!(response(talk.post(target, None, &body)).0, 404);
    }
}
