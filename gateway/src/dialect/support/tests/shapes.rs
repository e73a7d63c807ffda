//! What goes out, to the letter.

use super::*;

#[test]
fn a_message_arrives_with_its_conversation_and_customer() {
    let mut talk = Talk::ann();
    let effects = talk.hear(said(from_ann(9, "Where is \"my\" order?")), CUSTOMER);
    let expected = format!(
        r#"["message:received",{{"id":9,"conversationId":5,"sender":"CUSTOMER","content":"Where is \"my\" order?","isRead":false,"createdAt":"{ISO}","conversation":{{"id":5,"userId":2,"status":"OPEN","unreadCount":1,"createdAt":"{ISO}","updatedAt":"{ISO}","user":{{"id":2,"name":"Ann","email":"ann@x.test","avatar":null}}}}}}]"#
    );
    assert_eq!(sent(effects), [expected]);
}

#[test]
fn the_list_shows_the_last_message_only() {
    let mut talk = Talk::admin();
    let asked = call(talk.emit_bare("admin:getConversations"));
    let asked: v1::ListConversationsRequest = asked.request();
    assert_eq!((asked.page_size, asked.kind.as_str(), asked.order_by_update), (1_000, "support", true));
    let talked = v1::Conversation { last_message: Some(from_ann(9, "hi")), ..conversation() };
    let avatar_url = "https://x.test/b.png".to_owned();
    let bob = v1::Person { subject: "64b0".to_owned(), number: 3, avatar_url, ..v1::Person::default() };
    let status = v1::ConversationStatus::Pending.into();
    let silent = v1::Conversation { number: 6, owner: Some(bob), unread_count: 0, status, ..conversation() };
    let nobodys = v1::Conversation { number: 7, owner: None, ..conversation() };
    let effects = talk.answer(rows(vec![talked, silent, nobodys]));
    let expected = format!(
        r#"["admin:conversationsList",[{{"id":5,"userId":2,"status":"OPEN","unreadCount":1,"createdAt":"{ISO}","updatedAt":"{ISO}","user":{{"id":2,"name":"Ann","email":"ann@x.test","avatar":null}},"messages":[{{"id":9,"conversationId":5,"sender":"CUSTOMER","content":"hi","isRead":false,"createdAt":"{ISO}"}}]}},{{"id":6,"userId":3,"status":"PENDING","unreadCount":0,"createdAt":"{ISO}","updatedAt":"{ISO}","user":{{"id":3,"name":null,"email":"","avatar":"https://x.test/b.png"}},"messages":[]}}]]"#
    );
    assert_eq!(sent(effects), [expected]);
}

#[test]
fn a_history_says_what_was_read() {
    let mut talk = Talk::admin();
    let asked = call(talk.emit("conversation:getMessages", &json!(5)));
    let asked: v1::ListMessagesRequest = asked.request();
    assert_eq!(asked.page_size, 500);
    let read = v1::Conversation { staff_read_sequence: 8, ..conversation() };
    let messages = vec![from_ann(7, "a"), message(8, v1::AuthorKind::Staff, "b"), from_ann(9, "c")];
    let effects = talk.answer(v1::ListMessagesResponse {
        messages,
        conversation: Some(read),
        ..v1::ListMessagesResponse::default()
    });
    let line = |id, sender, content, is_read| {
        format!(
            r#"{{"id":{id},"conversationId":5,"sender":"{sender}","content":"{content}","isRead":{is_read},"createdAt":"{ISO}"}}"#
        )
    };
    let expected = format!(
        r#"["conversation:messages",{{"conversationId":5,"messages":[{},{},{}]}}]"#,
        line(7, "CUSTOMER", "a", true),
        line(8, "ADMIN", "b", false),
        line(9, "CUSTOMER", "c", false),
    );
    assert_eq!(sent(effects), [expected]);
}

#[test]
fn a_message_that_was_erased_has_a_text_to_show() {
    let mut talk = Talk::admin();
    call(talk.emit("conversation:getMessages", &json!(5)));
    let author = Some(v1::Author { kind: v1::AuthorKind::Customer.into(), person: None });
    let erased = v1::Message { text: String::new(), erased: true, author, ..from_ann(7, "") };
    let effects = talk.answer(v1::ListMessagesResponse {
        messages: vec![erased.clone()],
        conversation: Some(v1::Conversation { owner: None, ..conversation() }),
        ..v1::ListMessagesResponse::default()
    });
    let expected = format!(
        r#"["conversation:messages",{{"conversationId":5,"messages":[{{"id":7,"conversationId":5,"sender":"CUSTOMER","content":"[erased]","isRead":false,"createdAt":"{ISO}"}}]}}]"#
    );
    assert_eq!(sent(effects), [expected]);
    let told = v1::event::Payload::MessagesErased(v1::MessagesErased { message_sequences: vec![7] });
    let event = v1::Event { payload: Some(told), ..said(erased) };
    for audience in [STAFF, CUSTOMER] {
        assert!(matches!(Support.render(&event, audience), Rendered::Nothing), "there is no frame for it");
    }
}

#[test]
fn an_own_conversation_holds_its_messages_twice() {
    let mut talk = Talk::ann();
    let asked = call(talk.emit_bare("customer:getMyConversation"));
    let asked: v1::CreateConversationRequest = asked.request();
    assert_eq!((asked.own, asked.kind.as_str()), (true, "support"));
    let found = |created| {
        Answer::from(v1::CreateConversationResponse {
            conversation: Some(v1::Conversation { unread_count: 0, ..conversation() }),
            created,
        })
    };
    let state = format!(
        r#""id":5,"userId":2,"status":"OPEN","unreadCount":0,"createdAt":"{ISO}","updatedAt":"{ISO}""#
    );
    let new =
        format!(r#"["customer:myConversation",{{"conversation":{{{state},"messages":[]}},"messages":[]}}]"#);
    assert_eq!(sent(talk.answer(found(true))), [new]);

    talk.emit_bare("customer:getMyConversation");
    call(talk.answer(found(false)));
    let shown = Answer::from(v1::ListMessagesResponse {
        messages: vec![from_ann(9, "hi")],
        conversation: Some(v1::Conversation { unread_count: 0, ..conversation() }),
        ..v1::ListMessagesResponse::default()
    });
    let line = format!(
        r#"{{"id":9,"conversationId":5,"sender":"CUSTOMER","content":"hi","isRead":false,"createdAt":"{ISO}"}}"#
    );
    let known = format!(
        r#"["customer:myConversation",{{"conversation":{{{state},"messages":[{line}]}},"messages":[{line}]}}]"#
    );
    assert_eq!(sent(talk.answer(shown)), [known]);
}

#[test]
fn a_person_goes_by_the_issuers_integer_or_by_our_number() {
    let id = |subject: &str| {
        super::super::shape::person_id(&v1::Person { subject: subject.to_owned(), number: 77, ..ann() })
    };
    assert_eq!(id("2"), 2);
    assert_eq!(id("9007199254740991"), 9_007_199_254_740_991);
    for other in ["", "0", "02", "9007199254740992", "504c010000000000000000ff", "-2", "2.0", "٢"] {
        assert_eq!(id(other), 77, "{other}");
    }
}

#[test]
fn an_admins_name_for_the_list_is_the_same_in_either_style() {
    let mut talk = Talk::admin();
    for arguments in [json!(["admin:getConversations"]), json!(["admin:getConversations", {}])] {
        call(talk.say(&arguments, None));
        assert_eq!(sent(talk.answer(rows(Vec::new()))), [r#"["admin:conversationsList",[]]"#]);
        call(talk.say(&arguments, Some(4)));
        let effects = talk.answer(rows(Vec::new()));
        assert_eq!((sent(effects), acknowledged(effects)), (vec![], vec![(4, "[[]]")]));
    }
}
