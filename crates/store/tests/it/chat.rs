//! Conversations, messages, marks and tails.

use parlor_store::{
    AuthorKind, Cause, ConversationFilter, ConversationId, ConversationPatch, ConversationStatus, Error,
    MessageFilter, NewMessage, UserUpsert, What,
};

use sea_orm::{ConnectionTrait, Database};

use crate::world::{World, cause, customer, guest, named, open, staff, word};

crate::stories!(
    a_key_makes_one_conversation,
    a_message_takes_effect,
    nothing_changed_is_no_event,
    an_update_names_what_changed,
    a_mark_never_goes_back,
    conversations_are_listed_by_activity,
    conversations_are_filtered,
    messages_are_listed_both_ways,
    tails_merge_messages_and_events,
    another_tenant_sees_nothing,
    a_repeated_message_is_stored_once,
    a_message_from_before_hashes_is_known_by_its_text,
    a_repetition_touches_none_of_those_beside_it,
    two_writers_see_what_the_other_did,
    an_author_is_told_as_they_are_now,
);

async fn a_key_makes_one_conversation(world: World) {
    let (first, created) = world.store.chat.ensure_conversation(world.wanted("room-1")).await.unwrap();
    assert!(created);
    assert_eq!(first.id, ConversationId::keyed(world.tenant, "room-1"));
    assert_eq!((first.number, first.last_sequence, first.customer_active_at), (1, 1, 10));
    let mut again = world.wanted("room-1");
    let owner = world.user("olga").await;
    (again.waiting, again.kind, again.owner_id) = (true, String::new(), Some(owner.id));
    let (second, created) = world.store.chat.ensure_conversation(again.clone()).await.unwrap();
    assert!(!created);
    assert_eq!((second.waiting, second.kind.as_str(), second.last_sequence), (true, "support", 2));
    assert_eq!(second.owner.as_ref().unwrap().display_name, "olga");
    let (third, _) = world.store.chat.ensure_conversation(again).await.unwrap();
    assert_eq!(third.last_sequence, 2, "nothing was new");
    let told: Vec<String> = world.heard().iter().map(|event| word(event)).collect();
    assert_eq!(told, ["created", "changed owner,waiting"]);

    let mut nobody = world.wanted("room-2");
    nobody.owner_id = Some(parlor_store::UserId::new());
    assert_eq!(world.store.chat.ensure_conversation(nobody).await, Err(Error::NotFound(What::User)));
}

async fn a_message_takes_effect(world: World) {
    let (store, agent) = (&world.store, world.user("ann").await);
    let room = world.conversation("room").await.id;
    let patch = ConversationPatch {
        status: Some(ConversationStatus::Closed),
        waiting: Some(true),
        ..Default::default()
    };
    store.chat.update_conversation(room, patch, cause(world.tenant, staff(&agent), 20)).await.unwrap();

    let asked = store.chat.append(world.message(room, guest(), "hello?")).await.unwrap();
    assert_eq!((asked.message.sequence, asked.message.position, asked.message.number), (3, 3, 1));
    let after = &asked.conversation;
    assert_eq!((after.status, after.unanswered, after.unread_count), (ConversationStatus::Open, true, 1));
    assert_eq!((after.waiting, after.customer_active_at, after.last_message_sequence), (true, 100, 3));

    let unread = NewMessage { leaves_unread: true, ..world.message(room, staff(&agent), "wait") };
    let after = store.chat.append(unread).await.unwrap().conversation;
    assert_eq!((after.unanswered, after.unread_count, after.staff_read_sequence), (false, 1, 0));

    let answered = store.chat.append(world.message(room, staff(&agent), "hi")).await.unwrap();
    let after = &answered.conversation;
    assert_eq!((after.unanswered, after.waiting, after.unread_count), (false, false, 0));
    assert_eq!((after.staff_read_sequence, after.staff_read_at), (5, Some(100)));
    assert_eq!(answered.message.author.user.as_ref().unwrap().display_name, "ann");
    assert_eq!(store.chat.conversation(world.tenant, room).await.unwrap(), answered.conversation);
    assert_eq!(after.last_message.as_deref(), Some(&answered.message));
    let last = world.heard().pop().unwrap();
    assert_eq!((last.origin.as_str(), last.position, last.conversation.as_deref()), ("o-1", 5, Some(after)));

    let missing = store.chat.append(world.message(ConversationId::new(), guest(), "?")).await;
    assert_eq!(missing.unwrap_err(), Error::NotFound(What::Conversation));
}

async fn nothing_changed_is_no_event(world: World) {
    let room = world.conversation("room").await;
    let same = ConversationPatch {
        status: Some(room.status),
        assignee_id: Some(None),
        tags: Some(Vec::new()),
        waiting: Some(false),
        kind: Some(room.kind.clone()),
        clear: true,
    };
    let after =
        world.store.chat.update_conversation(room.id, same, cause(world.tenant, guest(), 99)).await.unwrap();
    assert_eq!(after, room);
    assert_eq!(world.store.log.tenant_head(world.tenant).await.unwrap(), 1);
    assert_eq!(world.heard().len(), 1);
}

async fn an_update_names_what_changed(world: World) {
    let (store, agent) = (&world.store, world.user("ann").await);
    let room = world.conversation("room").await.id;
    store.chat.append(world.message(room, guest(), "x")).await.unwrap();
    let patch = ConversationPatch {
        status: Some(ConversationStatus::Pending),
        assignee_id: Some(Some(agent.id)),
        tags: Some(vec!["vip".into(), ",".into()]),
        kind: Some("sales".into()),
        clear: true,
        ..Default::default()
    };
    let after = store
        .chat
        .update_conversation(
            room,
            patch,
            Cause { origin: "o-9".into(), ..cause(world.tenant, staff(&agent), 30) },
        )
        .await
        .unwrap();
    assert_eq!((after.assignee.as_ref().unwrap().id, after.cleared_sequence), (agent.id, 2));
    let told = world.heard().pop().unwrap();
    assert_eq!(word(&told), "changed status,assignee,tags,kind,cleared_sequence");
    assert_eq!(told.origin, "o-9");

    let nobody =
        ConversationPatch { assignee_id: Some(Some(parlor_store::UserId::new())), ..Default::default() };
    let refused = store.chat.update_conversation(room, nobody, cause(world.tenant, staff(&agent), 31)).await;
    assert_eq!(refused, Err(Error::NotFound(What::User)));
    let nowhere = ConversationPatch::default();
    let refused = store
        .chat
        .update_conversation(ConversationId::new(), nowhere, cause(world.tenant, guest(), 31))
        .await;
    assert_eq!(refused, Err(Error::NotFound(What::Conversation)));
}

async fn a_mark_never_goes_back(world: World) {
    let (store, agent) = (&world.store, staff(&world.user("ann").await));
    let (tenant, room) = (world.tenant, world.conversation("room").await.id);
    for text in ["a", "b", "c"] {
        store.chat.append(world.message(room, guest(), text)).await.unwrap();
    }
    let read = async |through, at| {
        store.chat.mark_read(room, through, cause(tenant, agent.clone(), at)).await.unwrap()
    };
    let (after, mark) = read(Some(3), 200).await;
    assert_eq!((after.unread_count, after.staff_read_sequence, mark, after.last_sequence), (1, 3, 3, 5));
    let (after, mark) = read(Some(2), 201).await;
    assert_eq!((after.unread_count, mark, after.staff_read_at, after.last_sequence), (1, 3, Some(201), 5));
    let (after, mark) = read(None, 202).await;
    assert_eq!((after.unread_count, mark, after.last_sequence), (0, 4, 6));
    let (after, mark) = read(Some(1_000), 203).await;
    assert_eq!((mark, after.last_sequence, after.staff_read_at), (4, 6, Some(203)));

    let own = async |through| store.chat.mark_read(room, through, cause(tenant, guest(), 204)).await.unwrap();
    assert_eq!(own(Some(3)).await.1, 3);
    assert_eq!(own(Some(2)).await.1, 3);
    let (after, mark) = own(None).await;
    assert_eq!((mark, after.staff_read_at, after.last_sequence), (4, Some(203), 8));
    let told: Vec<String> = world.heard().iter().skip(4).map(|event| word(event)).collect();
    assert_eq!(told, ["read 3", "read 4", "read 3", "read 4"]);
}

async fn conversations_are_listed_by_activity(world: World) {
    let store = &world.store;
    for key in ["one", "two", "three"] {
        world.conversation(key).await;
    }
    let two = ConversationId::keyed(world.tenant, "two");
    store.chat.append(world.message(two, guest(), "newest")).await.unwrap();
    let all = ConversationFilter::default();
    let page = store.chat.list_conversations(world.tenant, &all, None, 2).await.unwrap();
    assert_eq!(page.iter().map(|each| each.number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(page[0].last_message.as_ref().unwrap().text, "newest");
    let last = &page[1];
    let place = Some((last.customer_active_at, last.number));
    let rest = store.chat.list_conversations(world.tenant, &all, place, 2).await.unwrap();
    assert_eq!(rest.iter().map(|each| each.number).collect::<Vec<_>>(), [1]);
}

async fn conversations_are_filtered(world: World) {
    let (store, agent) = (&world.store, world.user("ann").await);
    let (tagged, unread) = (world.conversation("tagged").await.id, world.conversation("unread").await.id);
    let patch = ConversationPatch {
        tags: Some(vec!["vip".into(), "a,b".into()]),
        status: Some(ConversationStatus::Pending),
        assignee_id: Some(Some(agent.id)),
        kind: Some("sales".into()),
        ..Default::default()
    };
    store.chat.update_conversation(tagged, patch, cause(world.tenant, staff(&agent), 11)).await.unwrap();
    store.chat.append(world.message(unread, guest(), "x")).await.unwrap();
    let mut owned = world.wanted("owned");
    owned.owner_id = Some(agent.id);
    let owned = store.chat.ensure_conversation(owned).await.unwrap().0.id;

    let tag = |tag: &str| ConversationFilter { tag: Some(tag.into()), ..Default::default() };
    let cases = [
        (tag("vip"), vec![tagged]),
        (tag("a,b"), vec![tagged]),
        (tag("VIP"), vec![]),
        (tag(","), vec![]),
        (
            ConversationFilter { statuses: vec![ConversationStatus::Pending], ..Default::default() },
            vec![tagged],
        ),
        (ConversationFilter { kind: Some("sales".into()), ..Default::default() }, vec![tagged]),
        (ConversationFilter { assignee_id: Some(agent.id), ..Default::default() }, vec![tagged]),
        (ConversationFilter { owner_id: Some(agent.id), ..Default::default() }, vec![owned]),
        (ConversationFilter { unread_only: true, ..Default::default() }, vec![unread]),
        (ConversationFilter { active_after: Some(99), ..Default::default() }, vec![unread]),
        (ConversationFilter { active_after: Some(100), ..Default::default() }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = store.chat.list_conversations(world.tenant, &filter, None, 10).await.unwrap();
        assert_eq!(found.iter().map(|each| each.id).collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

async fn messages_are_listed_both_ways(world: World) {
    let (store, agent) = (&world.store, world.user("ann").await);
    let room = world.conversation("room").await.id;
    for (at, text) in [(101, "a"), (102, "b"), (103, "c")] {
        let mut message = world.message(room, guest(), text);
        message.cause.at = at;
        store.chat.append(message).await.unwrap();
    }
    store.chat.append(world.message(room, staff(&agent), "d")).await.unwrap();
    let list = async |filter: MessageFilter, limit| {
        let found = store.chat.list_messages(world.tenant, room, &filter, limit).await.unwrap();
        found.iter().map(|message| message.text.clone()).collect::<String>()
    };
    assert_eq!(list(MessageFilter::default(), 10).await, "abcd");
    assert_eq!(list(MessageFilter { after_sequence: 2, ..Default::default() }, 2).await, "bc");
    assert_eq!(list(MessageFilter { descending: true, ..Default::default() }, 3).await, "dcb");
    let bounded = MessageFilter { descending: true, through_sequence: Some(3), ..Default::default() };
    assert_eq!(list(bounded, 10).await, "ba");
    let staff_only = MessageFilter { author_kind: Some(AuthorKind::Staff), ..Default::default() };
    assert_eq!(list(staff_only, 10).await, "d");
    assert_eq!(list(MessageFilter { stored_after: Some(101), ..Default::default() }, 10).await, "bc");
}

async fn tails_merge_messages_and_events(world: World) {
    let (store, agent) = (&world.store, world.user("ann").await);
    let (room, other) = (world.conversation("room").await.id, world.conversation("other").await.id);
    store.chat.append(world.message(room, guest(), "a")).await.unwrap();
    store.chat.append(world.message(other, guest(), "elsewhere")).await.unwrap();
    store.chat.mark_read(room, None, cause(world.tenant, staff(&agent), 300)).await.unwrap();
    store.chat.append(world.message(room, customer(&agent), "b")).await.unwrap();

    let tail = store.log.subject_events(world.tenant, room, 0, 100).await.unwrap();
    assert_eq!(tail.iter().map(word).collect::<Vec<_>>(), ["created", "message a", "read 2", "message b"]);
    assert_eq!(tail.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(tail.iter().all(|event| event.conversation.as_ref().unwrap().last_sequence == 4));
    let page = store.log.subject_events(world.tenant, room, 1, 2).await.unwrap();
    assert_eq!(page.iter().map(word).collect::<Vec<_>>(), ["message a", "read 2"]);
    assert_eq!(store.log.subject_events(world.tenant, room, 4, 2).await.unwrap(), []);
    assert_eq!(store.log.subject_head(world.tenant, room).await.unwrap(), 4);

    let feed = store.log.tenant_events(world.tenant, 0, 100).await.unwrap();
    assert_eq!(feed.iter().map(|event| event.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.log.tenant_head(world.tenant).await.unwrap(), 6);
    let page = store.log.tenant_events(world.tenant, 2, 3).await.unwrap();
    assert_eq!(page.iter().map(word).collect::<Vec<_>>(), ["message a", "message elsewhere", "read 2"]);
    for (heard, read) in world.heard().iter().zip(&feed) {
        assert_eq!((heard.position, &heard.body), (read.position, &read.body));
    }
    assert_eq!(store.log.subject_events(world.tenant, ConversationId::new(), 0, 5).await.unwrap(), []);
}

async fn another_tenant_sees_nothing(world: World) {
    let store = &world.store;
    let room = world.conversation("room").await.id;
    store.chat.append(world.message(room, guest(), "secret")).await.unwrap();
    let other = store.directory.create_tenant(crate::world::new_tenant("other")).await.unwrap().id;
    assert_eq!(store.chat.conversation(other, room).await, Err(Error::NotFound(What::Conversation)));
    assert_eq!(store.log.subject_head(other, room).await, Ok(0));
    assert_eq!(store.chat.list_messages(other, room, &MessageFilter::default(), 10).await, Ok(vec![]));
    assert_eq!(store.log.tenant_events(other, 0, 10).await, Ok(vec![]));
    assert_eq!(
        store.chat.list_conversations(other, &ConversationFilter::default(), None, 10).await,
        Ok(vec![])
    );
    let intruding = crate::world::new_message(other, room, guest(), "x");
    assert_eq!(store.chat.append(intruding).await.unwrap_err(), Error::NotFound(What::Conversation));
}

async fn a_repeated_message_is_stored_once(world: World) {
    let store = &world.store;
    let room = world.conversation("room").await.id;
    let mut message = world.message(room, guest(), "once");
    message.request = Some(named("r1", 1));
    let mut differing = message.clone();
    differing.request = Some(named("r1", 2));
    let mut elsewhere = message.clone();
    elsewhere.author_key = "somebody else".into();
    let (first, twin, reused) = tokio::join!(
        store.chat.append(message.clone()),
        store.chat.append(message.clone()),
        store.chat.append(differing.clone())
    );
    let (first, twin) = (first.unwrap(), twin.unwrap());
    assert_eq!((first.replayed, twin.replayed), (false, true), "in one batch");
    assert_eq!(reused.unwrap_err(), Error::RequestIdReused);
    let again = store.chat.append(message).await.unwrap();
    assert!(again.replayed, "in a later batch");
    assert_eq!((&again.message, &twin.message), (&first.message, &first.message));
    assert_eq!(again.conversation, first.conversation);
    assert_eq!(store.chat.append(differing).await.unwrap_err(), Error::RequestIdReused);
    assert!(!store.chat.append(elsewhere).await.unwrap().replayed);
    assert_eq!(store.log.tenant_head(world.tenant).await, Ok(3));
}

async fn a_repetition_touches_none_of_those_beside_it(world: World) {
    let store = &world.store;
    let room = world.conversation("room").await.id;
    let asked = |request: &str| {
        let request = Some(named(request, 1));
        NewMessage { request, ..world.message(room, guest(), "said") }
    };
    let first = store.chat.append(asked("r1")).await.unwrap();
    // Queued together, so they are one batch: the repetition is found out when it is written.
    let (new, again, other) = tokio::join!(
        store.chat.append(asked("r2")),
        store.chat.append(asked("r1")),
        store.chat.append(asked("r3"))
    );
    let (new, again, other) = (new.unwrap(), again.unwrap(), other.unwrap());
    assert_eq!([new.replayed, again.replayed, other.replayed], [false, true, false]);
    assert_eq!(again.message, first.message);
    let sequences = [first, new, other].map(|stored| stored.message.sequence);
    assert_eq!(sequences, [2, 3, 4]);
    let told: Vec<i64> = world.heard().iter().map(|event| event.sequence).collect();
    assert_eq!(told, [1, 2, 3, 4], "each is told once");
}

async fn a_message_from_before_hashes_is_known_by_its_text(world: World) {
    let store = &world.store;
    let room = world.conversation("room").await.id;
    let asked = |text: &str, payload| {
        let request = Some(named("r1", payload));
        store.chat.append(NewMessage { request, ..world.message(room, guest(), text) })
    };
    asked("once", 1).await.unwrap();
    let database = Database::connect(world.place.url()).await.unwrap();
    database.execute_unprepared("UPDATE message SET payload_hash = NULL").await.unwrap();
    database.close().await.unwrap();
    assert!(asked("once", 2).await.unwrap().replayed);
    assert_eq!(asked("twice", 1).await.unwrap_err(), Error::RequestIdReused);
}

async fn two_writers_see_what_the_other_did(world: World) {
    let (other, _heard) = open(&world.place.url()).await.unwrap();
    let room = world.conversation("room").await.id;
    for turn in 0..3 {
        let first = world.store.chat.append(world.message(room, guest(), "from one")).await.unwrap();
        let second = other.chat.append(world.message(room, guest(), "from the other")).await.unwrap();
        assert_eq!(second.message.sequence, first.message.sequence + 1);
        assert_eq!(second.conversation.unread_count, first.conversation.unread_count + 1);
        let patch = ConversationPatch { waiting: Some(turn % 2 == 0), ..Default::default() };
        let told = other.chat.update_conversation(room, patch, cause(world.tenant, guest(), 20)).await;
        let third = world.store.chat.append(world.message(room, guest(), "and one again")).await.unwrap();
        assert_eq!(third.conversation.waiting, told.unwrap().waiting);
    }
    let read = world.store.chat.conversation(world.tenant, room).await.unwrap();
    assert_eq!((read.unread_count, read.last_sequence), (9, 1 + 9 + 3));
    other.close().await;
}

async fn an_author_is_told_as_they_are_now(world: World) {
    let (other, _heard) = open(&world.place.url()).await.unwrap();
    let (room, ann) = (world.conversation("room").await.id, world.user("ann").await);
    let said = || world.store.chat.append(world.message(room, staff(&ann), "hello"));
    let change = async |store: &parlor_store::Store, name: &str, disabled| {
        let wanted = UserUpsert {
            id: Some(ann.id),
            display_name: Some(name.to_owned()),
            disabled: Some(disabled),
            ..UserUpsert::default()
        };
        store.directory.upsert_user(world.tenant, wanted, 50).await.unwrap();
    };
    let name = |stored: parlor_store::Appended| stored.message.author.user.unwrap().display_name.clone();
    assert_eq!(name(said().await.unwrap()), "ann");
    change(&world.store, "Ann", false).await;
    assert_eq!(name(said().await.unwrap()), "Ann", "changed by the same writer");
    change(&other, "Annie", false).await;
    assert_eq!(name(said().await.unwrap()), "Annie", "changed by another");
    change(&other, "Annie", true).await;
    assert_eq!(said().await.unwrap_err(), Error::Withdrawn);
    change(&world.store, "Annie", false).await;
    let (changed, stored) = tokio::join!(change(&world.store, "Ann again", false), said());
    let () = changed;
    assert_eq!(name(stored.unwrap()), "Ann again", "changed in the same batch");
    other.close().await;
}
