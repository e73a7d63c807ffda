//! What people put on messages.

use std::collections::HashMap;

use parlor_store::{ConversationId, Error, Mutation, Reacting, Reaction};
use sea_orm::{ConnectionTrait, Database};

use crate::world::{World, cause, customer, guest, open, word};

crate::stories!(
    a_reaction_is_counted_once_for_each_person,
    what_changes_nothing_is_no_event,
    many_who_put_the_same_at_once_are_counted_and_told_once_each,
    the_schema_holds_one_row_for_each_person_and_emoji,
    there_is_room_for_so_many_and_no_more,
);

/// A conversation with one message, and its sequence.
async fn said(world: &World) -> (ConversationId, i64) {
    let room = world.conversation("room").await.id;
    let sent = world.store.chat.append(world.message(room, guest(), "hello")).await.unwrap();
    (room, sent.message.sequence)
}

fn wanted(world: &World, (room, sequence): (ConversationId, i64), who: &str, emoji: &str) -> Reacting {
    Reacting {
        cause: cause(world.tenant, guest(), 20),
        conversation_id: room,
        sequence,
        reactor: who.into(),
        emoji: emoji.into(),
        remove: false,
        of_message: 3,
        of_person: 2,
    }
}

async fn react(world: &World, reacting: Reacting) -> Result<Vec<Reaction>, Error> {
    world.store.apply(Mutation::react(reacting)).await
}

fn reaction(emoji: &str, count: i64, own: bool) -> Reaction {
    Reaction { emoji: emoji.into(), count, own }
}

fn told(world: &World) -> Vec<String> {
    world.heard().iter().skip(2).map(|event| word(event)).collect()
}

async fn a_reaction_is_counted_once_for_each_person(world: World) {
    let message = said(&world).await;
    let ann = world.user("ann").await;
    let by_ann =
        Reacting { cause: cause(world.tenant, customer(&ann), 20), ..wanted(&world, message, "ann", "👍") };
    assert_eq!(react(&world, by_ann).await, Ok(vec![reaction("👍", 1, true)]));
    let later =
        Reacting { cause: cause(world.tenant, guest(), 30), ..wanted(&world, message, "bob", "👋") };
    assert_eq!(react(&world, later).await, Ok(vec![reaction("👍", 1, false), reaction("👋", 1, true)]));
    let both = react(&world, wanted(&world, message, "bob", "👍")).await;
    assert_eq!(both, Ok(vec![reaction("👍", 2, true), reaction("👋", 1, true)]));
    let (room, sequence) = message;
    let seen = world.store.chat.reactions(world.tenant, room, vec![sequence, 99], "ann").await;
    assert_eq!(
        seen,
        Ok(HashMap::from([(sequence, vec![reaction("👍", 2, true), reaction("👋", 1, false)])]))
    );
    let gone = Reacting { remove: true, ..wanted(&world, message, "bob", "👍") };
    assert_eq!(react(&world, gone).await, Ok(vec![reaction("👍", 1, false), reaction("👋", 1, true)]));
    assert_eq!(told(&world), ["2 has 👍 1", "2 has 👋 1", "2 has 👍 2", "2 lost 👍 1"]);
    let read = world.store.log.subject_events(world.tenant, room, 2, 10).await.unwrap();
    assert_eq!(read.iter().map(word).collect::<Vec<_>>(), told(&world), "and is read back so");
    let last = world.store.chat.conversation(world.tenant, room).await.unwrap();
    assert_eq!((last.last_sequence, last.last_message_sequence), (6, 2));
}

async fn what_changes_nothing_is_no_event(world: World) {
    let message = said(&world).await;
    let gone = Reacting { remove: true, ..wanted(&world, message, "ann", "👍") };
    assert_eq!(react(&world, gone.clone()).await, Ok(vec![]));
    react(&world, wanted(&world, message, "ann", "👍")).await.unwrap();
    assert_eq!(react(&world, wanted(&world, message, "ann", "👍")).await, Ok(vec![reaction("👍", 1, true)]));
    assert_eq!(react(&world, gone.clone()).await, Ok(vec![]));
    assert_eq!(react(&world, gone).await, Ok(vec![]));
    assert_eq!(told(&world), ["2 has 👍 1", "2 lost 👍 0"]);
}

async fn many_who_put_the_same_at_once_are_counted_and_told_once_each(world: World) {
    let message = said(&world).await;
    let (other, heard) = open(&world.place.url()).await.unwrap();
    let put = (0..32).map(|number| {
        let reacting = wanted(&world, message, &format!("person {}", number % 8), "👍");
        let store = if number % 2 == 0 { &world.store } else { &other };
        async move { store.apply(Mutation::react(reacting)).await.unwrap() }
    });
    futures::future::join_all(put).await;
    let (room, sequence) = message;
    let seen = world.store.chat.reactions(world.tenant, room, vec![sequence], "nobody").await.unwrap();
    assert_eq!(seen[&sequence], [reaction("👍", 8, false)]);
    let mut told: Vec<String> = told(&world);
    told.extend(heard.lock().unwrap().iter().map(|event| word(event)));
    told.sort_unstable();
    assert_eq!(told, (1..=8).map(|count| format!("2 has 👍 {count}")).collect::<Vec<_>>());
    other.close().await;
}

async fn the_schema_holds_one_row_for_each_person_and_emoji(world: World) {
    let message = said(&world).await;
    react(&world, wanted(&world, message, "ann", "👍")).await.unwrap();
    let database = Database::connect(world.place.url()).await.unwrap();
    let columns = "tenant, conversation_id, sequence, emoji, reactor, created_at";
    let again = format!("INSERT INTO reaction ({columns}) SELECT {columns} FROM reaction");
    let refused = database.execute_unprepared(&again).await.unwrap_err().to_string().to_lowercase();
    assert!(refused.contains("unique"), "{refused}");
    database.close().await.unwrap();
}

async fn there_is_room_for_so_many_and_no_more(world: World) {
    let message = said(&world).await;
    for emoji in ["1", "2"] {
        react(&world, wanted(&world, message, "ann", emoji)).await.unwrap();
    }
    let third = react(&world, wanted(&world, message, "ann", "3")).await;
    assert!(matches!(third, Err(Error::LimitReached { maximum: 2, .. })), "{third:?}");
    react(&world, wanted(&world, message, "bob", "3")).await.unwrap();
    let fourth = react(&world, wanted(&world, message, "bob", "4")).await;
    assert!(matches!(fourth, Err(Error::LimitReached { maximum: 3, .. })), "{fourth:?}");
    react(&world, wanted(&world, message, "bob", "1")).await.unwrap();
    assert_eq!(told(&world).len(), 4);
}
