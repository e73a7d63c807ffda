//! How many messages, and other things that stay, one caller may have stored.

use parlor_api::v1::{converse_answer::Answer, send_messages_result::Outcome};
use tokio_stream::StreamExt as _;

use super::*;
use crate::share::Pace;

const GUEST_ELSEWHERE: Metadata<'static> = &[
    ("parlor-edge-key", EDGE),
    ("parlor-tenant", "shop"),
    ("parlor-guest", "true"),
    ("parlor-peer", "192.0.2.1"),
];

async fn paced(burst: u32) -> World {
    World::with(|options| options.messages = Pace { burst, per_second: 1 }).await
}

async fn try_to_send(world: &World, who: Metadata<'_>) -> Refusal {
    let sent = chat(world).send_message(call(message("x", ""), who)).await;
    sent.err().map(|status| (status.code(), failure::reason(&status)))
}

const LIMITED: Refusal = Some((Code::ResourceExhausted, v1::Reason::RateLimited));

#[tokio::test]
async fn a_person_has_so_many_messages_and_others_are_not_harmed() {
    let world = paced(3).await;
    create(&world, STAFF).await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let bob = world.user("shop", "bob", &[v1::Role::Customer]).await;
    let bob = world.token_of("shop", &bob).await.token;
    for _ in 0..3 {
        assert_eq!(try_to_send(&world, &[bearer(&ann)]).await, None);
    }
    let shed = chat(&world).send_message(call(message("x", ""), &[bearer(&ann)])).await.unwrap_err();
    assert_eq!(Some((shed.code(), failure::reason(&shed))), LIMITED);
    let wait_ms: u64 = failure::details(&shed)["retry_after_ms"].parse().unwrap();
    assert!((1..=1_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!(try_to_send(&world, &[bearer(&bob)]).await, None);
    // Reading stores nothing.
    let request = v1::GetConversationRequest { conversation: keyed(KEY) };
    chat(&world).get_conversation(call(request, &[bearer(&ann)])).await.unwrap();
}

#[tokio::test]
async fn guests_of_one_network_have_one_share_and_programs_have_none() {
    let world = paced(1).await;
    for _ in 0..3 {
        create(&world, STAFF).await;
        assert_eq!(try_to_send(&world, STAFF).await, None);
    }
    assert_eq!(try_to_send(&world, GUEST).await, None);
    assert_eq!(try_to_send(&world, GUEST).await, LIMITED);
    assert_eq!(try_to_send(&world, GUEST_ELSEWHERE).await, None);
}

#[tokio::test]
async fn each_of_several_messages_counts_and_has_its_own_outcome() {
    let world = paced(2).await;
    create(&world, STAFF).await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    // What could not be stored anyway costs nothing.
    let messages = ["", "1", "2", "3"].map(|text| message(text, "")).to_vec();
    let request = v1::SendMessagesRequest { messages };
    let answer = chat(&world).send_messages(call(request, &[bearer(&ann)])).await.unwrap().into_inner();
    let reasons = answer.results.into_iter().map(|result| match result.outcome.unwrap() {
        Outcome::Sent(_) => None,
        Outcome::Failure(failure) => Some(failure.reason()),
    });
    let expected = [Some(v1::Reason::FieldInvalid), None, None, Some(v1::Reason::RateLimited)];
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn messages_of_a_stream_count_and_the_stream_goes_on() {
    let world = paced(1).await;
    create(&world, STAFF).await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let long = v1::SendMessageRequest { guest_name: "x".repeat(201), ..message("x", "") };
    let commands = [long, message("1", ""), message("2", "")];
    let commands = (1..)
        .zip(commands)
        .map(|(number, send)| v1::ConverseRequest { number, command: Some(Command::Send(send)) });
    let commands = tokio_stream::iter(commands.collect::<Vec<_>>());
    let mut answers = chat(&world).converse(call(commands, &[bearer(&ann)])).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(answer) = answers.next().await {
        told.push(match answer.unwrap().body.unwrap() {
            Body::Answer(v1::ConverseAnswer { number, answer: Some(Answer::Sent(_)) }) => (number, None),
            Body::Failure(failed) => (failed.number, Some(failed.failure.unwrap().reason())),
            other => panic!("{other:?}"),
        });
    }
    told.sort_unstable_by_key(|(number, _)| *number);
    let (too_long, too_fast) = (v1::Reason::FieldInvalid, v1::Reason::RateLimited);
    assert_eq!(told, [(1, Some(too_long)), (2, None), (3, Some(too_fast))]);
}

#[tokio::test]
async fn what_else_stays_counts_too() {
    let world = paced(2).await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let create = |key: &str| v1::CreateConversationRequest { key: key.into(), ..Default::default() };
    let mut chat = chat(&world);
    for key in ["conversation-number-1", "conversation-number-2"] {
        chat.create_conversation(call(create(key), &[bearer(&ann)])).await.unwrap();
    }
    let third = chat.create_conversation(call(create("conversation-number-3"), &[bearer(&ann)])).await;
    let conversation = keyed("conversation-number-1");
    let clearing = v1::UpdateConversationRequest { conversation, clear_history: true, ..Default::default() };
    let cleared = chat.update_conversation(call(clearing, &[bearer(&ann)])).await;
    let conversation = keyed("conversation-number-1");
    let emoji = "x".to_owned();
    let reacting = v1::ReactToMessageRequest { conversation, emoji, ..Default::default() };
    let reacted = chat.react_to_message(call(reacting, &[bearer(&ann)])).await;
    for refused in [third.unwrap_err(), cleared.unwrap_err(), reacted.unwrap_err()] {
        assert_eq!(failure::reason(&refused), v1::Reason::RateLimited, "{refused:?}");
    }
}
