//! What somebody missed, after a position and up to the head.

use parlor_store::{ConversationId, EnsureConversation, Missed, Missing, Pick, Store, TenantId, User};

use crate::world::{World, cause, customer, guest, staff, word};

crate::stories!(
    an_owner_is_given_what_happened_in_their_own,
    staff_are_given_what_happened_in_the_tenant,
    the_oldest_come_where_not_all_fit,
    a_place_that_was_never_reached_is_answered_honestly,
    a_long_conversation_is_entered_where_it_was_left,
    a_time_leads_to_the_position_of_then,
    a_reach_is_the_last_event_up_to_each_position,
);

const ALL: Missing = Missing { after: 0, limit: 100, messages_only: false };

async fn room(world: &World, key: &str, owner: &User) -> ConversationId {
    let wanted = EnsureConversation { owner_id: Some(owner.id), ..world.wanted(key) };
    world.store.chat.ensure_conversation(wanted).await.unwrap().0.id
}

async fn say(world: &World, room: ConversationId, author: parlor_store::Author, text: &str) -> i64 {
    world.store.chat.append(world.message(room, author, text)).await.unwrap().message.position
}

fn words(missed: &Missed) -> Vec<String> {
    missed.events.iter().map(word).collect()
}

async fn head(store: &Store, tenant: TenantId) -> i64 {
    store.log.tenant_head(tenant).await.unwrap()
}

async fn an_owner_is_given_what_happened_in_their_own(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let (old, bobs) = (room(&world, "old", &ann).await, room(&world, "bobs", &bob).await);
    let left = say(&world, old, customer(&ann), "before").await;
    say(&world, bobs, customer(&bob), "not hers").await;
    say(&world, old, staff(&bob), "in the old one").await;
    let new = room(&world, "new", &ann).await;
    say(&world, new, staff(&bob), "in the new one").await;
    // Nobody's, until she becomes its owner.
    let joined = world.conversation("joined").await.id;
    say(&world, joined, guest(), "while it was nobody's").await;
    room(&world, "joined", &ann).await;
    store.chat.mark_read(old, None, cause(tenant, staff(&bob), 200)).await.unwrap();

    let missing = Missing { after: left, ..ALL };
    let missed = store.chat.missed_by_participant(tenant, ann.id, missing).await.unwrap();
    let expected = [
        "message in the old one",
        "created",
        "message in the new one",
        "created",
        "message while it was nobody's",
        "changed owner",
    ];
    assert_eq!(words(&missed), expected);
    assert!(missed.complete);
    assert_eq!(missed.through, head(store, tenant).await);
    assert!(missed.events.is_sorted_by_key(|event| event.position));

    let messages = Missing { messages_only: true, ..missing };
    let missed = store.chat.missed_by_participant(tenant, ann.id, messages).await.unwrap();
    let said = ["message in the old one", "message in the new one", "message while it was nobody's"];
    assert_eq!((words(&missed), missed.complete), (said.map(String::from).to_vec(), true));
    let up_to_date = Missing { after: head(store, tenant).await, ..ALL };
    let nothing = store.chat.missed_by_participant(tenant, ann.id, up_to_date).await.unwrap();
    assert!(nothing.events.is_empty() && nothing.complete);
}

async fn staff_are_given_what_happened_in_the_tenant(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    for (key, who) in [("anns", &ann), ("bobs", &bob)] {
        let room = room(&world, key, who).await;
        say(&world, room, customer(who), key).await;
    }
    let other = store.directory.create_tenant(crate::world::new_tenant("other")).await.unwrap().id;
    assert!(store.chat.missed_in_tenant(other, ALL).await.unwrap().events.is_empty());
    let missed = store.chat.missed_in_tenant(tenant, ALL).await.unwrap();
    assert_eq!(words(&missed), ["created", "message anns", "created", "message bobs"]);
    assert!(missed.complete);
    let messages = Missing { messages_only: true, after: 2, ..ALL };
    assert_eq!(words(&store.chat.missed_in_tenant(tenant, messages).await.unwrap()), ["message bobs"]);
}

async fn the_oldest_come_where_not_all_fit(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let rooms = [room(&world, "one", &ann).await, room(&world, "two", &ann).await];
    let left = head(store, tenant).await;
    for number in 0..10 {
        say(&world, rooms[number % 2], customer(&ann), &number.to_string()).await;
    }
    for (limit, complete) in [(10, true), (9, false)] {
        let missing = Missing { after: left, limit, messages_only: true };
        for missed in [
            store.chat.missed_by_participant(tenant, ann.id, missing).await.unwrap(),
            store.chat.missed_in_tenant(tenant, missing).await.unwrap(),
        ] {
            let expected: Vec<String> = (0..limit).map(|number| format!("message {number}")).collect();
            assert_eq!((words(&missed), missed.complete), (expected, complete));
            // What is left is found after it.
            let rest = Missing { after: missed.through, ..missing };
            let rest = store.chat.missed_by_participant(tenant, ann.id, rest).await.unwrap();
            assert_eq!(rest.events.len() as u64, 10 - limit);
            assert!(rest.complete);
        }
    }
}

async fn a_place_that_was_never_reached_is_answered_honestly(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    room(&world, "one", &ann).await;
    let missing = Missing { after: 1_000, ..ALL };
    for missed in [
        store.chat.missed_by_participant(tenant, ann.id, missing).await.unwrap(),
        store.chat.missed_in_tenant(tenant, missing).await.unwrap(),
    ] {
        assert_eq!((missed.events.len(), missed.complete, missed.through), (0, false, 1));
    }
}

async fn a_long_conversation_is_entered_where_it_was_left(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let room = room(&world, "long", &ann).await;
    let mut positions = Vec::new();
    for number in 0..300 {
        positions.push(say(&world, room, customer(&ann), &number.to_string()).await);
    }
    // At the ends, at the jumps, and one off them.
    for missed in [0, 1, 2, 31, 32, 33, 34, 95, 96, 97, 98, 299, 300] {
        let after = positions[0] + 299 - missed;
        let missing = Missing { after, limit: 500, messages_only: false };
        let answer = store.chat.missed_by_participant(tenant, ann.id, missing).await.unwrap();
        assert_eq!(answer.events.len() as i64, missed);
        assert!(answer.complete);
    }
}

async fn a_time_leads_to_the_position_of_then(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let room = room(&world, "one", &ann).await;
    assert_eq!(store.log.position_at(tenant, 9).await, Ok(0), "the room is of 10");
    for number in 1..=100 {
        let mut message = world.message(room, customer(&ann), "x");
        message.cause.at = 1_000 + number;
        store.chat.append(message).await.unwrap();
    }
    for (at, position) in
        [(10, 1), (1_000, 1), (1_001, 2), (1_050, 51), (1_099, 100), (1_100, 101), (9_999, 101)]
    {
        assert_eq!(store.log.position_at(tenant, at).await, Ok(position), "at {at}");
    }
}

/// More than are looked at in one read, with others' events between them, so that every way of finding it is taken.
async fn a_reach_is_the_last_event_up_to_each_position(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let rooms = [room(&world, "one", &ann).await, room(&world, "two", &ann).await];
    for number in 0..80 {
        say(&world, rooms[usize::from(number % 3 == 0)], customer(&ann), &number.to_string()).await;
        if number % 10 == 0 {
            store.chat.mark_read(rooms[0], None, cause(tenant, staff(&ann), 200)).await.unwrap();
        }
    }
    let through = head(store, tenant).await;
    let everything = store.chat.missed_in_tenant(tenant, Missing { limit: 500, ..ALL }).await.unwrap();
    assert_eq!(everything.events.last().unwrap().position, through);
    for after in 0..=through {
        let picks = rooms.map(|conversation| Pick { conversation, after_sequence: 0, through: None });
        let (_, reaches) =
            store.chat.missed_in(tenant, &picks, Missing { after, limit: 1, ..ALL }).await.unwrap();
        for (room, (from, newest)) in rooms.iter().zip(reaches) {
            let mut own = everything.events.iter().filter(|event| event.subject == (*room).into());
            let mut before = own.clone().filter(|event| event.position <= after);
            assert_eq!(from, before.next_back().map_or(0, |event| event.sequence), "up to {after}");
            assert_eq!(newest, own.next_back().unwrap().sequence);
        }
    }
}
