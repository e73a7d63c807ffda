//! The connection: order, styles, bounds, outages, and the end of rights.

use parlor_api::v1::send_messages_result::Outcome;

use super::{
    super::{
        queue::{QUEUE_BYTES_MAX, QUEUE_MAX},
        shape::FAILED,
        socket::HELD_MAX,
    },
    *,
};

#[test]
fn one_request_is_worked_on_at_a_time_and_answers_keep_the_order() {
    let mut talk = Talk::admin();
    call(talk.emit_with_ack("conversation:getMessages", &json!({"conversationId": 5}), 1));
    assert!(talk.emit("message:send", &json!({"message": "x"})).is_empty());
    assert!(talk.emit_with_ack("admin:getConversations", &json!({}), 2).is_empty());
    let effects = talk.answer(page(vec![from_ann(9, "hi")]));
    let line = format!(
        r#"[[{{"id":9,"conversationId":5,"sender":"CUSTOMER","content":"hi","isRead":false,"createdAt":"{ISO}"}}]]"#
    );
    assert_eq!(acknowledged(effects), [(1, line.as_str())], "the bare array");
    assert_eq!(sent(effects), [error("Admin messages must include a conversationId")]);
    assert!(call(effects).is::<v1::ListConversationsRequest>());
    assert_eq!(acknowledged(talk.answer(rows(Vec::new()))), [(2, "[[]]")]);
}

#[test]
fn an_admin_writes_to_a_number_and_is_told_of_one_that_is_not_there() {
    let mut talk = Talk::admin();
    let send: v1::SendMessageRequest =
        call(talk.emit("message:send", &json!({"conversationId": 99, "message": " x ", "sender": "ADMIN"})))
            .request();
    assert_eq!(send.conversation.as_ref().unwrap().name, Some(v1::conversation_ref::Name::Number(99)));
    assert_eq!(send.text, " x ");
    assert!(!send.leave_unread, "who answers has read");
    assert_eq!(sent(talk.fail(no_conversation())), [error("Conversation with id 99 not found")]);
}

#[test]
fn whoever_waits_for_a_call_is_called_once() {
    let mut talk = Talk::ann();
    talk.emit_with_ack("message:send", &json!({"message": "x"}), 1);
    assert_eq!(acknowledged(talk.answer(stored())), [(1, "[]")]);
    let effects = talk.emit_with_ack("message:send", &json!({"message": ""}), 2);
    assert_eq!((sent(effects).len(), acknowledged(effects)), (1, vec![(2, "[]")]));
    assert_eq!(acknowledged(talk.emit_with_ack("conversation:markAsRead", &json!(5), 3)), [(3, "[]")]);
    let join = json!({"userId": 2, "role": "CUSTOMER"});
    assert_eq!(acknowledged(talk.emit_with_ack("user:join", &join, 4)), [(4, "[]")]);
    let effects = talk.emit_with_ack("no:such", &json!({}), 5);
    assert!(effects.is_empty(), "as it always was: {effects:?}");
    assert_eq!(talk.refused, [("event", "unknown")]);
    let mut admin = Talk::admin();
    let effects = admin.emit_with_ack("customer:getMyConversation", &json!(null), 6);
    assert_eq!(acknowledged(effects), [(6, r#"[{"conversation":null,"messages":[]}]"#)]);
}

#[test]
fn who_marks_as_read_is_sent_the_list() {
    let mut talk = Talk::admin();
    let mark: v1::MarkReadRequest = call(talk.emit("conversation:markAsRead", &json!(5))).request();
    assert_eq!(mark.through_sequence, 0);
    // The history that was asked for in the same breath comes first.
    talk.emit("conversation:getMessages", &json!(5));
    let effects = talk.answer(v1::MarkReadResponse::default());
    let list = changed(effects);
    assert!(call(effects).is::<v1::ListMessagesRequest>());
    assert!((list.ask)().is::<v1::ListConversationsRequest>());
    for _ in 0..2 {
        assert!(talk.step(Input::Refreshed((list.render)(Ok(rows(Vec::new()))))).is_empty());
    }
    let [history, rows] = sent(talk.answer(page(Vec::new())))[..] else { panic!() };
    assert!(history.starts_with(r#"["conversation:messages""#));
    assert_eq!(rows, r#"["admin:conversationsList",[]]"#);
    // What is not there cannot be marked, and changes no list.
    talk.emit("conversation:markAsRead", &json!(99));
    assert!(talk.fail(no_conversation()).is_empty());
    assert_eq!(talk.refused, [("conversation:markAsRead", "not found")]);
}

#[test]
fn what_is_asked_during_a_join_waits_however_much_it_is() {
    let mut talk = Talk::claims();
    attach(talk.join(2, "CUSTOMER"));
    for number in 0..200 {
        assert!(talk.emit("message:send", &json!({"message": number.to_string()})).is_empty());
    }
    talk.let_in(attached(ann(), &[v1::Role::Customer]));
    let mut texts = Vec::new();
    while let Some(Effect::Call { call, .. }) = talk.effects.last() {
        let send: v1::SendMessagesRequest = call.request();
        texts.extend(send.messages.iter().map(|message| message.text.clone()));
        let count = send.messages.len();
        talk.answer(all_stored(count));
    }
    assert_eq!(texts, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// A message that was stored, or was not.
fn outcome(outcome: Outcome) -> v1::SendMessagesResult {
    v1::SendMessagesResult { outcome: Some(outcome) }
}

fn all_stored(count: usize) -> Answer {
    let stored = outcome(Outcome::Sent(v1::SendMessageResponse::default()));
    Answer::from(v1::SendMessagesResponse { results: vec![stored; count] })
}

#[test]
fn messages_that_wait_are_asked_for_together_and_answered_each_in_its_turn() {
    let mut talk = Talk::admin();
    let to = |number: u64, text: &str| json!({"conversationId": number, "message": text});
    talk.emit_with_ack("message:send", &to(5, "first"), 1);
    talk.emit_with_ack("message:send", &to(5, "second"), 2);
    talk.emit_with_ack("message:send", &json!({"message": "nowhere"}), 3);
    talk.emit_with_ack("message:send", &to(99, "third"), 4);
    talk.emit_with_ack("admin:getConversations", &json!({}), 5);
    talk.emit_with_ack("message:send", &to(5, "last"), 6);
    let send: v1::SendMessagesRequest = call(talk.answer(stored())).request();
    let texts: Vec<_> = send.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["second", "third"], "up to what is no message");

    let results = vec![
        outcome(Outcome::Sent(v1::SendMessageResponse::default())),
        outcome(Outcome::Failure(kit::failure(&no_conversation()))),
    ];
    let effects = talk.answer(v1::SendMessagesResponse { results });
    assert_eq!(acknowledged(effects), [(2, "[]"), (3, "[]"), (4, "[]")]);
    assert_eq!(
        sent(effects),
        [error("Admin messages must include a conversationId"), error("Conversation with id 99 not found")]
    );
    assert!(call(effects).is::<v1::ListConversationsRequest>());
    assert!(
        call(talk.answer(rows(Vec::new()))).is::<v1::SendMessageRequest>(),
        "one alone is asked for alone"
    );
}

#[test]
fn messages_that_could_not_be_asked_for_fail_all() {
    let mut talk = Talk::ann();
    for ack in 1..=3 {
        talk.emit_with_ack("message:send", &json!({"message": "x"}), ack);
    }
    talk.answer(stored());
    let effects = talk.fail(Refusal::of(Kind::Away, "down"));
    assert_eq!(acknowledged(effects), [(2, "[]"), (3, "[]")]);
    assert_eq!(sent(effects), [error(FAILED), error(FAILED)]);
}

#[test]
fn requests_wait_up_to_a_bound_and_more_is_not_taken_until_there_is_room() {
    let mut talk = Talk::admin();
    talk.emit_bare("admin:getConversations");
    for _ in 0..QUEUE_MAX {
        assert!(talk.machine.takes());
        assert!(talk.emit_bare("admin:getConversations").is_empty());
    }
    assert!(!talk.machine.takes());
    call(talk.answer(rows(Vec::new())));
    assert!(talk.machine.takes());
}

#[test]
fn bytes_wait_up_to_a_bound_and_more_is_not_taken_until_there_is_room() {
    let mut talk = Talk::ann();
    let send = json!({"message": "x".repeat(4_000)});
    talk.emit("message:send", &send);
    let mut waiting = 0;
    while talk.machine.takes() {
        assert!(talk.emit("message:send", &send).is_empty());
        waiting += json!(["message:send", send]).to_string().len();
    }
    assert!(talk.refused.is_empty(), "{:?}", talk.refused);
    assert!((QUEUE_BYTES_MAX / 2..=QUEUE_BYTES_MAX).contains(&waiting), "{waiting}");
    call(talk.answer(stored()));
    assert!(talk.machine.takes());
}

#[test]
fn before_a_join_everything_is_taken_so_that_the_join_comes_through() {
    let mut talk = Talk::claims();
    let send = json!({"message": "x".repeat(4_000)});
    for _ in 0..2 * QUEUE_MAX {
        talk.emit("message:send", &send);
        assert!(talk.machine.takes());
    }
    attach(talk.join(2, "CUSTOMER"));
    assert!(!talk.machine.takes());
}

#[test]
fn before_a_join_bytes_wait_up_to_a_bound_and_what_is_over_is_refused_in_its_turn() {
    let mut talk = Talk::claims();
    let send = json!({"message": "話".repeat(4_000)});
    let fitting = QUEUE_BYTES_MAX / json!(["message:send", send]).to_string().len();
    for _ in 0..fitting {
        talk.emit("message:send", &send);
        assert!(talk.refused.is_empty());
    }
    talk.emit("message:send", &send);
    assert_eq!(talk.refused, [("message:send", "too much waits")]);
    talk.join(2, "CUSTOMER");
    talk.let_in(attached(ann(), &[v1::Role::Customer]));
    let (mut asked, mut told) = (0, Vec::new());
    while let Some(Effect::Call { call, .. }) = talk.effects.last() {
        assert!(told.is_empty(), "the refusal is the last answer");
        let send: v1::SendMessagesRequest = call.request();
        asked += send.messages.len();
        let answer = all_stored(send.messages.len());
        told.extend(sent(talk.answer(answer)).iter().map(ToString::to_string));
    }
    assert_eq!((asked, told), (fitting, vec![error(FAILED)]));
}

#[test]
fn events_are_held_during_a_join_up_to_a_bound() {
    let mut talk = Talk::claims();
    talk.join(2, "CUSTOMER");
    talk.answer(attached(ann(), &[v1::Role::Customer]));
    for number in 0..HELD_MAX as u64 {
        assert!(talk.hear(said(from_ann(number, "x")), CUSTOMER).is_empty());
    }
    let effects = talk.hear(said(from_ann(0, "x")), CUSTOMER);
    assert!(matches!(effects, [Effect::Close { code: 1013, .. }]), "{effects:?}");
}

#[test]
fn a_core_that_is_away_makes_the_page_connect_again() {
    let unavailable = || Refusal::of(Kind::Away, "down");
    let mut talk = Talk::claims();
    talk.emit("message:send", &json!({"message": "x"}));
    talk.emit_with_ack("conversation:getMessages", &json!(5), 1);
    talk.join(2, "CUSTOMER");
    let effects = talk.fail(unavailable());
    assert_eq!(sent(effects), [error("Failed to send message")], "it is not lost in silence");
    assert_eq!(acknowledged(effects), [(1, "[[]]")]);
    assert!(matches!(effects.last(), Some(Effect::Close { code: 1013, .. })));
    // At every step of the way in.
    let mut talk = Talk::claims();
    talk.join(1, "ADMIN");
    talk.answer(attached_again(root(), &[v1::Role::Admin], 4));
    talk.answer(subscribed(7));
    let effects = talk.fail(unavailable());
    assert!(sent(effects).is_empty());
    assert!(matches!(effects.last(), Some(Effect::Close { code: 1013, .. })));
}

#[test]
fn who_was_refused_may_try_again() {
    let mut talk = Talk::claims();
    talk.join(3, "ADMIN");
    talk.fail(no_role());
    attach(talk.join(2, "CUSTOMER"));
    talk.let_in(attached(ann(), &[v1::Role::Customer]));
    assert!(call(talk.emit("message:send", &json!({"message": "x"}))).is::<v1::SendMessageRequest>());
}

#[test]
fn an_admin_whose_token_is_over_reads_and_hears_no_more() {
    let mut talk = Talk::admin();
    assert!(talk.step(Input::RightsEnded(v1::RightsEndedReason::Expired)).is_empty());
    let input = Input::Event { event: Arc::new(said(from_ann(1, "x"))), audience: STAFF };
    assert!(talk.step(input).is_empty());
    assert_eq!(sent(talk.emit_bare("admin:getConversations")), [r#"["admin:conversationsList",[]]"#]);
    let effects = talk.emit("message:send", &json!({"conversationId": 5, "message": "x"}));
    assert_eq!(sent(effects), [error("User not authenticated. Please reconnect.")]);
}

#[test]
fn rights_that_end_during_the_join_let_nobody_in() {
    let mut talk = Talk::claims();
    talk.join(1, "ADMIN");
    talk.answer(attached(root(), &[v1::Role::Admin]));
    assert!(talk.step(Input::RightsEnded(v1::RightsEndedReason::Expired)).is_empty());
    assert!(sent(talk.answer(subscribed(7))).is_empty(), "no admin:online");
}

#[test]
fn a_withdrawn_credential_ends_the_connection() {
    for mut talk in [Talk::admin(), Talk::ann()] {
        let effects = talk.step(Input::RightsEnded(v1::RightsEndedReason::Revoked));
        assert!(matches!(effects, [Effect::Close { code: 1008, reason: "credential revoked" }]));
    }
}

#[test]
fn a_connection_at_rest_is_small() {
    assert!(
        size_of::<super::super::socket::Socket>() <= 512,
        "{}",
        size_of::<super::super::socket::Socket>()
    );
}
