//! Reactions: who may put one on which message, who sees it, and that repetition changes nothing.

use super::*;

fn reacting(message_sequence: u64, emoji: &str) -> v1::ReactToMessageRequest {
    v1::ReactToMessageRequest {
        conversation: keyed(KEY),
        message_sequence,
        emoji: emoji.into(),
        ..Default::default()
    }
}

type Answer = Result<Vec<(String, u32, bool)>, (Code, v1::Reason)>;

async fn react(world: &World, who: Metadata<'_>, request: v1::ReactToMessageRequest) -> Answer {
    match chat(world).react_to_message(call(request, who)).await {
        Ok(answer) => Ok(shown(&answer.into_inner().reactions)),
        Err(status) => Err((status.code(), failure::reason(&status))),
    }
}

fn shown(reactions: &[v1::Reaction]) -> Vec<(String, u32, bool)> {
    reactions.iter().map(|each| (each.emoji.clone(), each.count, each.own)).collect()
}

fn one(emoji: &str, count: u32, own: bool) -> (String, u32, bool) {
    (emoji.to_owned(), count, own)
}

/// What stands on each message, as somebody sees it.
async fn listed(world: &World, who: Metadata<'_>) -> Vec<Vec<(String, u32, bool)>> {
    let request = v1::ListMessagesRequest { conversation: keyed(KEY), ..Default::default() };
    let page = chat(world).list_messages(call(request, who)).await.unwrap().into_inner();
    page.messages.iter().map(|message| shown(&message.reactions)).collect()
}

#[tokio::test]
async fn a_reaction_is_seen_with_the_message_and_told() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let sequence = send(&world, GUEST, "hello").await.sequence;
    send(&world, GUEST, "and more").await;
    assert_eq!(react(&world, STAFF, reacting(sequence, "👍")).await, Ok(vec![one("👍", 1, true)]));
    assert_eq!(react(&world, GUEST, reacting(sequence, "👍")).await, Ok(vec![one("👍", 2, true)]));
    let gone = v1::ReactToMessageRequest { remove: true, ..reacting(sequence, "👍") };
    assert_eq!(react(&world, STAFF, gone).await, Ok(vec![one("👍", 1, false)]));
    assert_eq!(listed(&world, GUEST).await, [vec![one("👍", 1, true)], vec![]]);
    assert_eq!(listed(&world, STAFF).await, [vec![one("👍", 1, false)], vec![]]);

    let request =
        v1::WatchConversationRequest { conversation: keyed(KEY), after_sequence: Some(sequence + 1) };
    let mut watch = chat(&world).watch_conversation(call(request, GUEST)).await.unwrap().into_inner();
    for (removed, count, kind) in [
        (false, 1, v1::AuthorKind::Staff),
        (false, 2, v1::AuthorKind::Customer),
        (true, 1, v1::AuthorKind::Staff),
    ] {
        let event = watch.message().await.unwrap().unwrap().event.unwrap();
        let Some(Payload::ReactionChanged(changed)) = event.payload else { panic!("{event:?}") };
        assert_eq!((changed.message_sequence, changed.emoji.as_str()), (sequence, "👍"));
        assert_eq!((changed.removed, changed.count), (removed, count));
        assert_eq!(changed.author.unwrap().kind(), kind);
    }
}

#[tokio::test]
async fn a_repetition_is_answered_as_the_first_time() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let sequence = send(&world, GUEST, "hello").await.sequence;
    let named = v1::ReactToMessageRequest { request_id: "r1".into(), ..reacting(sequence, "👍") };
    let first = react(&world, STAFF, named.clone()).await;
    react(&world, GUEST, reacting(sequence, "👋")).await.unwrap();
    assert_eq!(react(&world, STAFF, named.clone()).await, first);
    let other = v1::ReactToMessageRequest { emoji: "👎".into(), ..named };
    let reused = Err((Code::FailedPrecondition, v1::Reason::RequestIdReused));
    assert_eq!(react(&world, STAFF, other).await, reused);
}

#[tokio::test]
async fn only_a_message_that_the_caller_sees_is_reacted_to() {
    let world = World::new().await;
    let (_, owner) = world.somebody("shop", v1::Role::Customer).await;
    let other = world.user("shop", "another", &[v1::Role::Customer]).await;
    let other = world.token_of("shop", &other).await.token;
    create(&world, &[bearer(&owner)]).await;
    let sequence = send(&world, &[bearer(&owner)], "hello").await.sequence;
    let refused = react(&world, &[bearer(&other)], reacting(sequence, "👍")).await;
    assert_eq!(refused, Err((Code::PermissionDenied, v1::Reason::NotOwner)));
    let invalid = Err((Code::InvalidArgument, v1::Reason::FieldInvalid));
    for (sequence, emoji) in [(0, "👍"), (sequence - 1, "👍"), (sequence + 1, "👍"), (sequence, "a b")]
    {
        assert_eq!(react(&world, STAFF, reacting(sequence, emoji)).await, invalid, "{sequence} {emoji}");
    }
    let clear =
        v1::UpdateConversationRequest { conversation: keyed(KEY), clear_history: true, ..Default::default() };
    chat(&world).update_conversation(call(clear, &[bearer(&owner)])).await.unwrap();
    assert_eq!(react(&world, &[bearer(&owner)], reacting(sequence, "👍")).await, invalid);
    assert_eq!(react(&world, STAFF, reacting(sequence, "👍")).await, Ok(vec![one("👍", 1, true)]));
    let missed = v1::ListMissedEventsRequest::default();
    let edge = [bearer(&owner), ("parlor-edge-key", EDGE)];
    let missed = chat(&world).list_missed_events(call(missed, &edge)).await;
    let events = missed.unwrap().into_inner().events;
    let reaction = |event: &v1::Event| matches!(event.payload, Some(Payload::ReactionChanged(_)));
    assert!(!events.iter().any(reaction), "of a message that is hidden");
}

#[tokio::test]
async fn each_limit_is_allowed_and_one_more_is_not() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let sequence = send(&world, GUEST, "hello").await.sequence;
    let full = Err((Code::ResourceExhausted, v1::Reason::LimitReached));
    for number in 0..parlor_api::limits::PERSON_EMOJI {
        react(&world, GUEST, reacting(sequence, &number.to_string())).await.unwrap();
    }
    assert_eq!(react(&world, GUEST, reacting(sequence, "more")).await, full);
}
