//! The largest there may be of everything at once: the longest texts, in the fullest batches and pages.

use parlor_api::v1::{self, conversation_ref::Name, send_messages_result::Outcome};
use parlor_tests::{Chat, Plan, topologies};
use serde_json::{Value, json};

topologies!(a_page_of_the_longest_texts_is_sent_and_read, more_text_than_a_message_holds_is_refused_alone);

/// The longest text, in characters of four bytes each.
const LONGEST: usize = 4_000;

/// Messages per call, and pages of a history per batch.
const BATCH: usize = 100;
const BATCHES: usize = 5;

fn message(key: &str, characters: usize) -> v1::SendMessageRequest {
    let conversation = Some(v1::ConversationRef { name: Some(Name::Key(key.to_owned())) });
    v1::SendMessageRequest { conversation, text: "👋".repeat(characters), ..Default::default() }
}

async fn send(chat: &mut Chat, messages: Vec<v1::SendMessageRequest>) -> Vec<Outcome> {
    let sent = chat.send_messages(v1::SendMessagesRequest { messages }).await.unwrap().into_inner();
    sent.results.into_iter().map(|result| result.outcome.unwrap()).collect()
}

async fn a_page_of_the_longest_texts_is_sent_and_read(plan: Plan) {
    let world = plan.start().await;
    let session = world.session();
    world.staff_rest().post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
    let mut chat = world.chat_as(&world.person("customer").token).await;
    for _ in 0..BATCHES {
        let outcomes = send(&mut chat, vec![message(&session, LONGEST); BATCH]).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Sent(_))), "{:?}", outcomes.first());
    }

    let path = format!("/chat/conversation/{session}?limit={}", BATCH * BATCHES);
    let history = world.staff_rest().get(&path).await.expect(200);
    let read = history["data"]["messages"].as_array().unwrap();
    assert_eq!(read.len(), BATCH * BATCHES);
    let is_whole = |message: &Value| message["content"].as_str().unwrap().chars().count() == LONGEST;
    assert!(read.iter().all(is_whole));
}

async fn more_text_than_a_message_holds_is_refused_alone(plan: Plan) {
    let world = plan.start().await;
    let session = world.session();
    world.staff_rest().post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
    let mut chat = world.chat_as(&world.person("customer").token).await;
    let mut messages = vec![message(&session, LONGEST); BATCH];
    messages[BATCH / 2] = message(&session, LONGEST + 1);
    let outcomes = send(&mut chat, messages).await;
    let refused: Vec<usize> = (0..BATCH).filter(|at| matches!(outcomes[*at], Outcome::Failure(_))).collect();
    assert_eq!(refused, [BATCH / 2]);
}
