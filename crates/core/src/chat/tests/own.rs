//! One's own conversation, numbers, unread messages, lists by update, and what was missed.

use super::*;

const KIND: &str = "support";

fn own() -> Option<ConversationRef> {
    Some(ConversationRef { name: Some(Name::Own(v1::OwnConversation { kind: KIND.into() })) })
}

fn numbered(number: u64) -> Option<ConversationRef> {
    Some(ConversationRef { name: Some(Name::Number(number)) })
}

async fn say(
    world: &World,
    who: Metadata<'_>,
    conversation: Option<ConversationRef>,
    text: &str,
) -> Result<v1::SendMessageResponse, (Code, v1::Reason)> {
    let request = v1::SendMessageRequest { conversation, text: text.into(), ..Default::default() };
    let sent = chat(world).send_message(call(request, who)).await;
    sent.map(tonic::Response::into_inner).map_err(|status| (status.code(), failure::reason(&status)))
}

#[tokio::test]
async fn a_repeated_message_to_ones_own_is_found_though_it_was_closed() {
    let world = World::new().await;
    let [ann, bob] = people(&world).await;
    let request = |request_id: &str| v1::SendMessageRequest {
        conversation: own(),
        text: "hello".into(),
        request_id: request_id.into(),
        ..Default::default()
    };
    let send = async |who: &str, request: v1::SendMessageRequest| {
        chat(&world).send_message(call(request, &[bearer(who)])).await.map(tonic::Response::into_inner)
    };
    let first = send(&ann, request("r1")).await.unwrap();
    let close = v1::UpdateConversationRequest {
        conversation: numbered(1),
        values: Some(v1::Conversation {
            status: v1::ConversationStatus::Closed.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["status".into()] }),
        ..Default::default()
    };
    chat(&world).update_conversation(call(close, STAFF)).await.unwrap();
    let again = send(&ann, request("r1")).await.unwrap();
    assert_eq!(again.message, first.message);
    assert_eq!(again.conversation.unwrap().status(), v1::ConversationStatus::Closed, "nothing was stored");
    // Another opened since changes nothing, nor do several at once.
    let next = send(&ann, request("r2")).await.unwrap();
    assert_ne!(next.conversation.unwrap().number, 1);
    assert_eq!(send(&ann, request("r1")).await.unwrap().message, first.message);
    let several = v1::SendMessagesRequest { messages: vec![request("r3"), request("r1")] };
    let several = chat(&world).send_messages(call(several, &[bearer(&ann)])).await.unwrap().into_inner();
    let sent: Vec<_> = several
        .results
        .into_iter()
        .map(|result| match result.outcome {
            Some(v1::send_messages_result::Outcome::Sent(sent)) => sent.message,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent[1], first.message);
    assert_ne!(sent[0].as_ref().unwrap().conversation_id, first.message.as_ref().unwrap().conversation_id);
    let other = v1::SendMessageRequest { text: "bye".into(), ..request("r1") };
    let refused = send(&ann, other).await.unwrap_err();
    assert_eq!(failure::reason(&refused), v1::Reason::RequestIdReused);
    // An id is its author's.
    assert_ne!(send(&bob, request("r1")).await.unwrap().message, first.message);
}

async fn people(world: &World) -> [String; 2] {
    let mut tokens = Vec::new();
    for name in ["ann", "bob"] {
        let user = world.user("shop", name, &[v1::Role::Customer]).await;
        tokens.push(world.token_of("shop", &user).await.token);
    }
    tokens.try_into().unwrap()
}

#[tokio::test]
async fn many_first_messages_at_once_make_one_conversation() {
    let world = World::new().await;
    let [ann, _] = people(&world).await;
    let who = [bearer(&ann)];
    let sent = (0..32).map(|number| {
        let world = &world;
        async move { say(world, &who, own(), &number.to_string()).await.unwrap().conversation.unwrap() }
    });
    let conversations = futures::future::join_all(sent).await;
    assert!(conversations.iter().all(|each| each.number == 1 && each.id == conversations[0].id));
    let mut unread: Vec<u32> = conversations.iter().map(|each| each.unread_count).collect();
    unread.sort_unstable();
    assert_eq!(unread, (1..=32).collect::<Vec<_>>(), "each answer has the count right after it");
    let request = v1::CreateConversationRequest { kind: KIND.into(), own: true, ..Default::default() };
    let found = chat(&world).create_conversation(call(request, &who)).await.unwrap().into_inner();
    assert!(!found.created);
    assert_eq!(found.conversation.unwrap().id, conversations[0].id);
}

#[tokio::test]
async fn own_is_for_customers_and_elsewhere_than_at_sending_it_must_be_there() {
    let world = World::new().await;
    let [ann, _] = people(&world).await;
    let (_, staff) = world.somebody("shop", v1::Role::Staff).await;
    for who in [GUEST, STAFF, &[bearer(&staff)]] {
        let refused = say(&world, who, own(), "hello").await.unwrap_err();
        assert_eq!(refused, (Code::PermissionDenied, v1::Reason::RoleRequired));
    }
    let read = v1::MarkReadRequest { conversation: own(), through_sequence: 0 };
    let missing = chat(&world).mark_read(call(read.clone(), &[bearer(&ann)])).await.unwrap_err();
    assert_eq!(failure::reason(&missing), v1::Reason::ConversationNotFound);
    say(&world, &[bearer(&ann)], own(), "hello").await.unwrap();
    chat(&world).mark_read(call(read, &[bearer(&ann)])).await.unwrap();
    let keyed = v1::CreateConversationRequest { key: KEY.into(), own: true, ..Default::default() };
    let refused = chat(&world).create_conversation(call(keyed, &[bearer(&ann)])).await.unwrap_err();
    assert_eq!(failure::reason(&refused), v1::Reason::FieldInvalid);
}

#[tokio::test]
async fn a_number_is_no_proof_and_a_message_by_it_opens_what_was_closed() {
    let world = World::new().await;
    let [ann, bob] = people(&world).await;
    let number = say(&world, &[bearer(&ann)], own(), "hello").await.unwrap().conversation.unwrap().number;
    let missing = Err((Code::NotFound, v1::Reason::ConversationNotFound));
    for (who, which) in
        [(&[bearer(&bob)][..], number), (&[bearer(&ann)][..], number + 1), (GUEST, number), (STAFF, 0)]
    {
        assert_eq!(say(&world, who, numbered(which), "hi").await.map(|_| ()), missing);
    }
    let close = v1::UpdateConversationRequest {
        conversation: numbered(number),
        values: Some(v1::Conversation {
            status: v1::ConversationStatus::Closed.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["status".into()] }),
        ..Default::default()
    };
    chat(&world).update_conversation(call(close, STAFF)).await.unwrap();
    let opened = say(&world, &[bearer(&ann)], numbered(number), "again").await.unwrap();
    assert_eq!(opened.conversation.unwrap().status(), v1::ConversationStatus::Open);
    let found = say(&world, &[bearer(&ann)], own(), "and again").await.unwrap();
    assert_eq!(found.conversation.unwrap().number, number, "it is her own again");
}

#[tokio::test]
async fn unread_messages_are_counted_until_the_staff_read_them() {
    let world = World::new().await;
    let [ann, bob] = people(&world).await;
    for (who, count) in [(&ann, 1), (&ann, 2), (&bob, 1)] {
        let sent = say(&world, &[bearer(who)], own(), "hello").await.unwrap();
        assert_eq!(sent.conversation.unwrap().unread_count, count);
    }
    let read = v1::MarkReadRequest { conversation: numbered(1), through_sequence: 0 };
    let read = chat(&world).mark_read(call(read, STAFF)).await.unwrap().into_inner().conversation.unwrap();
    assert_eq!(read.unread_count, 0);
    let request = v1::ListConversationsRequest { order_by_update: true, ..Default::default() };
    let listed = chat(&world).list_conversations(call(request, STAFF)).await.unwrap().into_inner();
    let rows: Vec<_> = listed.conversations.iter().map(|row| (row.number, row.unread_count)).collect();
    assert_eq!(rows, [(1, 0), (2, 1)], "what was read last changed last");
    assert!(listed.conversations.iter().all(|row| row.last_message.is_some() && row.owner.is_some()));
    // All staff hear that it was read.
    let missed = missed(&world, STAFF, v1::ListMissedEventsRequest::default()).await.unwrap();
    let last = missed.events.last().unwrap();
    assert!(matches!(&last.payload, Some(Payload::MessagesRead(read)) if read.through_sequence == 3));
    assert_eq!(last.conversation.as_ref().unwrap().unread_count, 0);
}

#[tokio::test]
async fn the_newest_come_first_where_that_is_asked_for() {
    let world = World::new().await;
    let [ann, _] = people(&world).await;
    for number in 1..=5 {
        say(&world, &[bearer(&ann)], own(), &number.to_string()).await.unwrap();
    }
    let mut request = v1::ListMessagesRequest {
        conversation: own(),
        page_size: 2,
        after_sequence: Some(2),
        newest_first: true,
        ..Default::default()
    };
    let mut texts = Vec::new();
    loop {
        let page = chat(&world).list_messages(call(request.clone(), &[bearer(&ann)])).await.unwrap();
        let page = page.into_inner();
        texts.extend(page.messages.into_iter().map(|message| message.text));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(texts, ["5", "4", "3", "2"], "above the second event, newest first over all pages");
}

async fn missed(
    world: &World,
    who: Metadata<'_>,
    request: v1::ListMissedEventsRequest,
) -> Result<v1::ListMissedEventsResponse, v1::Reason> {
    let edge = [who, &[("parlor-edge-key", EDGE)]].concat();
    let who = if request.after_offset.is_empty() { &edge } else { who };
    let answer = chat(world).list_missed_events(call(request, who)).await;
    answer.map(tonic::Response::into_inner).map_err(|status| failure::reason(&status))
}

fn texts(missed: &v1::ListMissedEventsResponse) -> Vec<&str> {
    let messages = missed.events.iter().filter_map(|event| match &event.payload {
        Some(Payload::MessageSent(sent)) => sent.message.as_ref(),
        _ => None,
    });
    messages.map(|message| message.text.as_str()).collect()
}

#[tokio::test]
async fn what_was_missed_is_what_the_caller_may_see() {
    let world = World::new().await;
    let [ann, bob] = people(&world).await;
    let of_ann = [bearer(&ann)];
    say(&world, &of_ann, own(), "before").await.unwrap();
    let everything = missed(&world, &of_ann, v1::ListMissedEventsRequest::default()).await.unwrap();
    assert_eq!(texts(&everything), ["before"]);
    let seen = everything.events.last().unwrap().offset.clone();
    assert_eq!(everything.offset, seen, "the place of the newest");
    assert!(!seen.is_empty() && seen.len() <= 32);
    say(&world, STAFF, numbered(1), "an answer").await.unwrap();
    say(&world, &[bearer(&bob)], own(), "bob's").await.unwrap();
    let after = v1::ListMissedEventsRequest { after_offset: seen.clone(), ..Default::default() };

    let hers = missed(&world, &of_ann, after.clone()).await.unwrap();
    assert_eq!((texts(&hers), hers.complete), (vec!["an answer"], true));
    let all = missed(&world, STAFF, after.clone()).await.unwrap();
    assert_eq!((texts(&all), all.complete), (vec!["an answer", "bob's"], true));
    let offsets = |answer: &v1::ListMissedEventsResponse| answer.events[0].offset.clone();
    assert_eq!(offsets(&hers), offsets(&all), "one event, one offset");
    let messages = v1::ListMissedEventsRequest { messages_only: true, ..after.clone() };
    assert_eq!(missed(&world, STAFF, messages).await.unwrap().events.len(), 2);
    let one = v1::ListMissedEventsRequest { limit: 1, ..after.clone() };
    let one = missed(&world, STAFF, one).await.unwrap();
    assert_eq!((texts(&one), one.complete), (vec!["an answer"], false));
    let rest = v1::ListMissedEventsRequest { after_offset: one.offset, ..Default::default() };
    assert_eq!(texts(&missed(&world, STAFF, rest).await.unwrap()), ["bob's"]);

    let guest = missed(&world, GUEST, after.clone()).await.unwrap();
    assert_eq!((guest.events.len(), guest.complete), (0, false));
    let (_, foreign) = world.somebody("other", v1::Role::Staff).await;
    let foreign = missed(&world, &[bearer(&foreign)], after).await.unwrap();
    assert_eq!((foreign.events.len(), foreign.complete), (0, false), "an offset of another tenant");
    for unknown in ["x", "AAAAAAAAAAAAAAAAAAAAAA"] {
        let unknown = v1::ListMissedEventsRequest { after_offset: unknown.into(), ..Default::default() };
        let answer = missed(&world, &of_ann, unknown).await.unwrap();
        assert_eq!((answer.events.len(), answer.complete), (0, false));
        let from_there = v1::ListMissedEventsRequest { after_offset: answer.offset, ..Default::default() };
        assert!(missed(&world, &of_ann, from_there).await.unwrap().complete, "the offset of now");
    }
}

#[tokio::test]
async fn what_was_cleared_is_not_given_and_not_hidden_either() {
    let world = World::new().await;
    let [ann, _] = people(&world).await;
    let of_ann = [bearer(&ann)];
    say(&world, &of_ann, own(), "before").await.unwrap();
    let offset = missed(&world, &of_ann, v1::ListMissedEventsRequest::default()).await.unwrap().offset;
    say(&world, &of_ann, own(), "cleared").await.unwrap();
    let clear =
        v1::UpdateConversationRequest { conversation: own(), clear_history: true, ..Default::default() };
    chat(&world).update_conversation(call(clear, &of_ann)).await.unwrap();
    say(&world, &of_ann, own(), "after").await.unwrap();
    let after = v1::ListMissedEventsRequest { after_offset: offset, ..Default::default() };
    let hers = missed(&world, &of_ann, after.clone()).await.unwrap();
    assert_eq!((texts(&hers), hers.complete), (vec!["after"], false));
    let all = missed(&world, STAFF, after).await.unwrap();
    assert_eq!((texts(&all), all.complete), (vec!["cleared", "after"], true));
}

#[tokio::test]
async fn positions_are_for_gateways_and_of_two_places_the_later_counts() {
    let world = World::new().await;
    let [ann, _] = people(&world).await;
    let of_ann = [bearer(&ann)];
    say(&world, &of_ann, own(), "hello").await.unwrap();
    let ask = async |after_position, after_offset: &str, who: Metadata<'_>| {
        let after_offset = after_offset.to_owned();
        let request = v1::ListMissedEventsRequest { after_position, after_offset, ..Default::default() };
        chat(&world).list_missed_events(call(request, who)).await.map_err(|status| failure::reason(&status))
    };
    let edge = [bearer(&ann), ("parlor-edge-key", EDGE)];
    assert!(ask(1, "", &edge).await.is_ok());
    let unknown = ask(1, "x", &edge).await.unwrap().into_inner();
    assert_eq!((unknown.events.len(), unknown.complete), (0, false), "an offset of nobody is no place");
    for (position, offset, who) in [(1, "", &of_ann[..]), (0, "", &of_ann[..])] {
        assert_eq!(ask(position, offset, who).await.map(|_| ()), Err(v1::Reason::FieldInvalid));
    }
    let negative = v1::ListMissedEventsRequest { limit: -1, ..Default::default() };
    assert_eq!(missed(&world, &of_ann, negative).await.map(|_| ()), Err(v1::Reason::FieldInvalid));
}
