//! What somebody missed is found by the offset of what they last saw: on another connection, and after the core was killed.

use parlor_api::{
    failure,
    v1::{self, conversation_ref::Name, event::Payload},
};
use parlor_tests::{Chat, Plan, World, matrix};

matrix!(
    what_was_missed_is_found_by_an_offset,
    a_reaction_is_found_after_a_crash,
    many_first_messages_make_one_own_conversation,
);

const KIND: &str = "support";

fn own() -> v1::ConversationRef {
    v1::ConversationRef { name: Some(Name::Own(v1::OwnConversation { kind: KIND.to_owned() })) }
}

async fn say(chat: &mut Chat, name: Name, text: &str) -> v1::Conversation {
    let conversation = Some(v1::ConversationRef { name: Some(name) });
    let request = v1::SendMessageRequest { conversation, text: text.to_owned(), ..Default::default() };
    chat.send_message(request).await.unwrap().into_inner().conversation.unwrap()
}

async fn missed(chat: &mut Chat, after_offset: &str) -> v1::ListMissedEventsResponse {
    let request = v1::ListMissedEventsRequest {
        after_offset: after_offset.to_owned(),
        messages_only: true,
        ..Default::default()
    };
    chat.list_missed_events(request).await.unwrap().into_inner()
}

fn texts(missed: &v1::ListMissedEventsResponse) -> Vec<&str> {
    let messages = missed.events.iter().filter_map(|event| match &event.payload {
        Some(Payload::MessageSent(sent)) => sent.message.as_ref(),
        _ => None,
    });
    messages.map(|message| message.text.as_str()).collect()
}

async fn what_was_missed_is_found_by_an_offset(plan: Plan) {
    let mut world = plan.start().await;
    let [ann, bob, staff] = ["customer", "customer", "staff"].map(|role| world.person(role));
    let clients = async |world: &World| {
        [world.chat_as(&ann.token).await, world.chat_as(&bob.token).await, world.chat_as(&staff.token).await]
    };
    let [mut of_ann, mut of_bob, mut of_staff] = clients(&world).await;
    let number = say(&mut of_ann, own().name.unwrap(), "before").await.number;
    let unknown = missed(&mut of_ann, "never given out").await;
    assert!(unknown.events.is_empty() && !unknown.complete);
    let seen = unknown.offset;
    say(&mut of_staff, Name::Number(number), "an answer").await;
    say(&mut of_bob, own().name.unwrap(), "bob's").await;

    world.kill_core().await;
    world.restart_core().await;
    let [mut of_ann, mut of_bob, mut of_staff] = clients(&world).await;
    let hers = missed(&mut of_ann, &seen).await;
    assert_eq!((texts(&hers), hers.complete), (vec!["an answer"], true));
    let his = missed(&mut of_bob, &seen).await;
    assert_eq!((texts(&his), his.complete), (vec!["bob's"], true));
    let all = missed(&mut of_staff, &seen).await;
    assert_eq!((texts(&all), all.complete), (vec!["an answer", "bob's"], true));
    assert_eq!(all.events[0].offset, hers.events[0].offset);
    assert!(missed(&mut of_ann, &all.offset).await.events.is_empty());
}

async fn a_reaction_is_found_after_a_crash(plan: Plan) {
    let mut world = plan.start().await;
    let [ann, staff] = ["customer", "staff"].map(|role| world.person(role));
    let mut of_ann = world.chat_as(&ann.token).await;
    let said = say(&mut of_ann, own().name.unwrap(), "hello").await;
    let seen = missed(&mut of_ann, "never given out").await.offset;
    let message_sequence = said.last_sequence;
    let request = v1::ReactToMessageRequest {
        conversation: Some(v1::ConversationRef { name: Some(Name::Number(said.number)) }),
        message_sequence,
        emoji: "👍".to_owned(),
        ..Default::default()
    };
    world.chat_as(&staff.token).await.react_to_message(request).await.unwrap();

    world.kill_core().await;
    world.restart_core().await;
    let mut of_ann = world.chat_as(&ann.token).await;
    let after = v1::ListMissedEventsRequest { after_offset: seen, ..Default::default() };
    let missed = of_ann.list_missed_events(after).await.unwrap().into_inner();
    let Some(Payload::ReactionChanged(changed)) = &missed.events[0].payload else { panic!("{missed:?}") };
    assert_eq!(
        (changed.message_sequence, changed.emoji.as_str(), changed.count),
        (message_sequence, "👍", 1)
    );
    assert_eq!((missed.events.len(), missed.complete), (1, true));
    let list = v1::ListMessagesRequest { conversation: Some(own()), ..Default::default() };
    let listed = of_ann.list_messages(list).await.unwrap().into_inner().messages;
    let reaction = v1::Reaction { emoji: "👍".to_owned(), count: 1, own: false };
    assert_eq!(listed[0].reactions, [reaction]);
}

async fn many_first_messages_make_one_own_conversation(plan: Plan) {
    let world = plan.start().await;
    let (ann, staff) = (world.person("customer"), world.person("staff"));
    let chat = world.chat_as(&ann.token).await;
    let sent = (0..32).map(|number: u32| {
        let mut chat = chat.clone();
        async move { say(&mut chat, own().name.unwrap(), &number.to_string()).await }
    });
    let conversations = futures::future::join_all(sent).await;
    assert!(conversations.iter().all(|each| each.number == conversations[0].number));
    let mut of_staff = world.chat_as(&staff.token).await;
    let request = v1::ListConversationsRequest { order_by_update: true, ..Default::default() };
    let listed = of_staff.list_conversations(request).await.unwrap().into_inner().conversations;
    assert_eq!(listed.iter().map(|row| row.unread_count).collect::<Vec<_>>(), [32]);
    assert!(!listed[0].owner.as_ref().unwrap().username.is_empty());
    let read = v1::MarkReadRequest { conversation: Some(own()), through_sequence: 0 };
    let refused = of_staff.mark_read(read).await.unwrap_err();
    assert_eq!(failure::reason(&refused), v1::Reason::RoleRequired);
}
