//! Several messages at once: their order, their outcomes, their bounds.

use parlor_api::v1::send_messages_result::Outcome;

use super::*;
use parlor_api::limits::BATCH_MESSAGES;

async fn say(
    world: &World,
    who: Metadata<'_>,
    messages: Vec<v1::SendMessageRequest>,
) -> Result<Vec<Outcome>, tonic::Status> {
    let request = v1::SendMessagesRequest { messages };
    let answer = chat(world).send_messages(call(request, who)).await?.into_inner();
    Ok(answer.results.into_iter().map(|result| result.outcome.unwrap()).collect())
}

/// What was stored, and in which place of the conversation, which begins with its own creation.
fn stored(outcome: &Outcome) -> (&str, u64) {
    match outcome {
        Outcome::Sent(sent) => {
            let message = sent.message.as_ref().unwrap();
            (&message.text, message.sequence - 1)
        }
        Outcome::Failure(failure) => panic!("{failure:?}"),
    }
}

fn reason(outcome: &Outcome) -> v1::Reason {
    match outcome {
        Outcome::Failure(failure) => failure.reason(),
        Outcome::Sent(sent) => panic!("{sent:?}"),
    }
}

#[tokio::test]
async fn they_are_stored_in_their_order() {
    let world = World::new().await;
    create(&world, STAFF).await;
    let texts: Vec<String> = (1..=BATCH_MESSAGES).map(|number| number.to_string()).collect();
    let messages = texts.iter().map(|text| message(text, "")).collect();
    let outcomes = say(&world, STAFF, messages).await.unwrap();
    let expected: Vec<(&str, u64)> = texts.iter().map(String::as_str).zip(1..).collect();
    assert_eq!(outcomes.iter().map(stored).collect::<Vec<_>>(), expected);
}

/// A task gives way to others after so much has come ready at once; it may have done some of that before.
#[tokio::test]
async fn they_are_stored_in_their_order_however_busy_the_task_was() {
    let world = World::new().await;
    create(&world, STAFF).await;
    let mut expected = Vec::new();
    let mut outcomes = Vec::new();
    for done_before in [20, 50, 80, 100, 120] {
        let texts: Vec<String> =
            (1..=BATCH_MESSAGES).map(|number| format!("{done_before} {number}")).collect();
        let messages = texts.iter().map(|text| message(text, "")).collect();
        tokio::task::yield_now().await;
        for _ in 0..done_before {
            tokio::task::coop::consume_budget().await;
        }
        outcomes.extend(say(&world, STAFF, messages).await.unwrap());
        expected.extend(texts);
    }
    let expected: Vec<(&str, u64)> = expected.iter().map(String::as_str).zip(1..).collect();
    assert_eq!(outcomes.iter().map(stored).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn one_that_is_refused_holds_back_no_other() {
    let world = World::new().await;
    create(&world, STAFF).await;
    let elsewhere = v1::SendMessageRequest { conversation: keyed("session_1_unknown"), ..message("x", "") };
    let messages =
        vec![message("one", "same"), message("", ""), elsewhere, message("one", "same"), message("two", "")];
    let outcomes = say(&world, STAFF, messages).await.unwrap();
    assert_eq!(stored(&outcomes[0]), ("one", 1));
    assert_eq!(reason(&outcomes[1]), v1::Reason::FieldInvalid);
    assert_eq!(reason(&outcomes[2]), v1::Reason::ConversationNotFound);
    assert_eq!(stored(&outcomes[3]), ("one", 1), "the same request stores one message");
    assert_eq!(stored(&outcomes[4]), ("two", 2));
}

#[tokio::test]
async fn together_they_try_no_more_keys_than_one_by_one() {
    const HERE: Metadata<'static> = &[GUEST[0], GUEST[1], GUEST[2], ("parlor-peer", "192.0.2.1")];
    let world = World::with(|options| options.unknown_keys.burst = 3).await;
    create(&world, STAFF).await;
    let guess = |number: usize| v1::SendMessageRequest {
        conversation: keyed(&format!("session_guess_{number:06}")),
        ..message("x", "")
    };
    let messages = (0..20).map(guess).chain([message("x", "")]).collect();
    let outcomes = say(&world, HERE, messages).await.unwrap();
    let (tried, limited) = outcomes.split_at(3);
    assert!(tried.iter().all(|outcome| reason(outcome) == v1::Reason::ConversationNotFound));
    assert!(limited.iter().all(|outcome| reason(outcome) == v1::Reason::RateLimited), "a right one too");
}

#[tokio::test]
async fn none_and_too_many_are_refused() {
    let world = World::new().await;
    create(&world, STAFF).await;
    for count in [0, BATCH_MESSAGES + 1] {
        let refused = say(&world, STAFF, vec![message("x", ""); count]).await.unwrap_err();
        assert_eq!(
            (refused.code(), failure::reason(&refused)),
            (Code::InvalidArgument, v1::Reason::FieldInvalid)
        );
    }
}
