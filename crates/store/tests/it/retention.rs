//! What is too old goes from the beginning of a tenant's order, and all numbers stay.

use parlor_store::{ConversationId, MessageFilter, Missing, Pick, Reacting, SWEEP_EVENTS, Swept};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::world::{Place, World, cause, customer, guest, new_tenant, staff, word};

crate::stories!(
    what_is_older_goes_and_what_is_as_old_stays,
    a_step_takes_so_many_and_one_more_waits,
    a_conversation_shows_what_is_left_of_it,
    what_went_is_not_called_complete,
    another_tenant_keeps_what_it_has,
);

const ALL: Missing = Missing { after: 0, limit: 1_000, messages_only: false };

async fn say(world: &World, room: ConversationId, at: i64) -> i64 {
    let mut message = world.message(room, guest(), &format!("at {at}"));
    message.cause.at = at;
    world.store.chat.append(message).await.unwrap().message.position
}

async fn words(world: &World) -> Vec<String> {
    let kept = world.store.log.tenant_events(world.tenant, 0, 1_000).await.unwrap();
    kept.iter().map(word).collect()
}

async fn what_is_older_goes_and_what_is_as_old_stays(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let room = world.conversation("room").await.id;
    for at in [1_000, 1_001, 1_002] {
        say(&world, room, at).await;
    }
    assert_eq!(store.log.sweep(tenant, 10).await, Ok(Swept::default()), "the room is of 10");
    assert_eq!(store.log.tenant_floor(tenant).await, Ok(1));
    let swept = store.log.sweep(tenant, 1_001).await.unwrap();
    assert_eq!(swept, Swept { messages: 1, events: 1, more: false });
    assert_eq!(words(&world).await, ["message at 1001", "message at 1002"]);
    assert_eq!(store.log.tenant_floor(tenant).await, Ok(3));
    assert_eq!(store.log.sweep(tenant, 1_001).await, Ok(Swept::default()), "a repetition finds nothing");
    assert_eq!(store.log.sweep(tenant, i64::MAX).await.unwrap().messages, 2);
    assert_eq!(say(&world, room, 2_000).await, 5, "numbers go on");
    assert_eq!(store.log.tenant_head(tenant).await, Ok(5));
}

async fn a_step_takes_so_many_and_one_more_waits(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let room = world.conversation("room").await.id;
    let messages =
        (0..SWEEP_EVENTS).map(|number| store.chat.append(world.message(room, guest(), &number.to_string())));
    futures::future::join_all(messages).await.into_iter().for_each(|stored| drop(stored.unwrap()));
    let most = u64::try_from(SWEEP_EVENTS).unwrap();
    let first = store.log.sweep(tenant, i64::MAX).await.unwrap();
    assert_eq!(first, Swept { messages: most - 1, events: 1, more: true });
    let second = store.log.sweep(tenant, i64::MAX).await.unwrap();
    assert_eq!(second, Swept { messages: 1, events: 0, more: false });
}

async fn a_conversation_shows_what_is_left_of_it(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let room = world.conversation("room").await.id;
    let now = async || store.chat.conversation(tenant, room).await.unwrap();
    for (at, author) in
        [(100, customer(&ann)), (200, staff(&bob)), (300, customer(&ann)), (400, customer(&ann))]
    {
        let mut message = world.message(room, author, &format!("at {at}"));
        message.cause.at = at;
        store.chat.append(message).await.unwrap();
    }
    let reacting = |sequence| Reacting {
        cause: cause(tenant, staff(&bob), 500),
        conversation_id: room,
        sequence,
        reactor: "bob".into(),
        emoji: "👍".into(),
        remove: false,
        of_message: 10,
        of_person: 10,
    };
    for sequence in [2, 5] {
        store.apply(parlor_store::Mutation::react(reacting(sequence))).await.unwrap();
    }
    assert_eq!(now().await.unread_count, 2);

    store.log.sweep(tenant, 300).await.unwrap();
    let left = now().await;
    assert_eq!((left.floor_sequence, left.unread_count, left.last_sequence), (4, 2, 7));
    assert_eq!(left.last_message.unwrap().text, "at 400");
    assert!(store.chat.reactions(tenant, room, vec![2], "bob").await.unwrap().is_empty());
    assert_eq!(store.chat.reactions(tenant, room, vec![5], "bob").await.unwrap()[&5].len(), 1);
    let gone = store.apply(parlor_store::Mutation::react(reacting(3))).await;
    assert_eq!(gone, Err(parlor_store::Error::NotFound(parlor_store::What::Message)));
    let listed = store.chat.list_messages(tenant, room, &MessageFilter::default(), 10).await.unwrap();
    assert_eq!(listed.iter().map(|message| message.sequence).collect::<Vec<_>>(), [4, 5]);

    store.log.sweep(tenant, 400).await.unwrap();
    assert_eq!(now().await.unread_count, 1);
    store.log.sweep(tenant, 450).await.unwrap();
    let left = now().await;
    assert_eq!((left.floor_sequence, left.unread_count, left.last_message), (6, 0, None));
    let through = store.chat.mark_read(room, None, cause(tenant, staff(&bob), 600)).await.unwrap().1;
    assert_eq!(through, 5, "a mark is a number");
    // The writer knows what became of the conversation.
    let mut message = world.message(room, customer(&ann), "new");
    message.cause.at = 700;
    let appended = store.chat.append(message).await.unwrap();
    assert_eq!((appended.message.sequence, appended.conversation.floor_sequence), (9, 6));
    assert_eq!(now().await.floor_sequence, 6);
}

async fn what_went_is_not_called_complete(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let ann = world.user("ann").await;
    let owned = |key: &str| parlor_store::EnsureConversation { owner_id: Some(ann.id), ..world.wanted(key) };
    let old = store.chat.ensure_conversation(owned("old")).await.unwrap().0.id;
    let both = store.chat.ensure_conversation(owned("both")).await.unwrap().0.id;
    // Positions 3 to 8; the first four are of the old time, the last two are not.
    for (room, at) in [(old, 100), (both, 101), (old, 102), (both, 103), (both, 200), (both, 201)] {
        say(&world, room, at).await;
    }
    store.log.sweep(tenant, 200).await.unwrap();
    assert_eq!(store.log.tenant_floor(tenant).await, Ok(7));
    for after in 0..=8 {
        for messages_only in [false, true] {
            let missing = Missing { after, messages_only, ..ALL };
            let kept = 8 - after.max(6);
            let of_tenant = store.chat.missed_in_tenant(tenant, missing).await.unwrap();
            assert_eq!(
                (of_tenant.events.len() as i64, of_tenant.complete),
                (kept, after >= 6),
                "after {after}"
            );
            let of_person = store.chat.missed_by_participant(tenant, ann.id, missing).await.unwrap();
            assert_eq!(
                (of_person.events.len() as i64, of_person.complete),
                (kept, after >= 6),
                "after {after}"
            );
            let pick = |conversation, after_sequence| Pick { conversation, after_sequence, through: None };
            let picks = [pick(both, 3), pick(old, 3)];
            let (missed, reaches) = store.chat.missed_in(tenant, &picks, missing).await.unwrap();
            assert!(missed.complete, "they have seen what went");
            let here = if after >= 6 { (3, 3) } else { (0, 0) };
            assert_eq!((reaches[0].0.min(3), reaches[1].0), here, "after {after}");
            assert_eq!((reaches[0].1, reaches[1].1), (5, 3));
            let (missed, _) = store.chat.missed_in(tenant, &[pick(both, 2)], missing).await.unwrap();
            assert_eq!(missed.complete, after >= 6, "after {after}");
        }
    }
    assert_eq!(store.log.position_at(tenant, 150).await, Ok(6));
    assert_eq!(store.log.position_at(tenant, 200).await, Ok(7));
}

async fn another_tenant_keeps_what_it_has(world: World) {
    let other = world.store.directory.create_tenant(new_tenant("other")).await.unwrap().id;
    let room = world.conversation("room").await.id;
    say(&world, room, 100).await;
    world.store.log.sweep(other, i64::MAX).await.unwrap();
    assert_eq!(words(&world).await, ["created", "message at 100"]);
    assert!(world.store.log.sweep(parlor_store::TenantId(999), i64::MAX).await.is_err(), "nobody's");
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Write { room: usize, by_staff: bool },
    Read { room: usize },
    Sweep { keep: i64 },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        5 => (0..3_usize, any::<bool>()).prop_map(|(room, by_staff)| Deed::Write { room, by_staff }),
        1 => (0..3_usize).prop_map(|room| Deed::Read { room }),
        2 => (0..12_i64).prop_map(|keep| Deed::Sweep { keep }),
    ];
    proptest::collection::vec(deed, 1..40)
}

/// A model of one event: when, where, and whether the staff have it to read.
struct Happened {
    at: i64,
    room: usize,
    unread: bool,
}

#[test]
fn whatever_goes_the_rest_is_gapless_and_counted_right() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&deeds(), |deeds| {
            runtime.block_on(against_the_model(deeds));
            Ok(())
        })
        .unwrap();
}

async fn against_the_model(deeds: Vec<Deed>) {
    let world = World::on(Place::sqlite()).await;
    let (store, tenant, bob) = (&world.store, world.tenant, world.user("bob").await);
    let (mut rooms, mut model) = (Vec::new(), Vec::new());
    for room in 0..3 {
        rooms.push(world.conversation(&format!("room {room}")).await.id);
        model.push(Happened { at: 10, room, unread: false });
    }
    let mut floor = 0;
    for (step, deed) in deeds.into_iter().enumerate() {
        let at = 100 + i64::try_from(step).unwrap();
        match deed {
            Deed::Write { room, by_staff } => {
                let author = if by_staff { staff(&bob) } else { guest() };
                let mut message = world.message(rooms[room], author, "x");
                message.cause.at = at;
                store.chat.append(message).await.unwrap();
                model.push(Happened { at, room, unread: !by_staff });
                if by_staff {
                    model.iter_mut().filter(|each| each.room == room).for_each(|each| each.unread = false);
                }
            }
            Deed::Read { room } => {
                let before = store.log.tenant_head(tenant).await.unwrap();
                store.chat.mark_read(rooms[room], None, cause(tenant, staff(&bob), at)).await.unwrap();
                model.iter_mut().filter(|each| each.room == room).for_each(|each| each.unread = false);
                if store.log.tenant_head(tenant).await.unwrap() > before {
                    model.push(Happened { at, room, unread: false });
                }
            }
            Deed::Sweep { keep } => {
                while store.log.sweep(tenant, at - keep).await.unwrap().more {}
                let kept = model.iter().position(|each: &Happened| each.at >= at - keep);
                floor = floor.max(kept.unwrap_or(model.len()));
            }
        }
        let head = i64::try_from(model.len()).unwrap();
        let first = i64::try_from(floor).unwrap() + 1;
        let kept = store.log.tenant_events(tenant, 0, 1_000).await.unwrap();
        let positions: Vec<i64> = kept.iter().map(|event| event.position).collect();
        assert_eq!(positions, (first..=head).collect::<Vec<_>>());
        assert_eq!(store.log.tenant_floor(tenant).await, Ok(first));
        for (room, id) in rooms.iter().enumerate() {
            let of_room = |range: &[Happened]| range.iter().filter(|each| each.room == room).count();
            let row = store.chat.conversation(tenant, *id).await.unwrap();
            let sequences: Vec<i64> = store
                .log
                .subject_events(tenant, *id, 0, 1_000)
                .await
                .unwrap()
                .iter()
                .map(|event| event.sequence)
                .collect();
            assert_eq!(sequences, (row.floor_sequence..=row.last_sequence).collect::<Vec<_>>());
            assert_eq!(row.floor_sequence - 1, i64::try_from(of_room(&model[..floor])).unwrap());
            let unread = model[floor..].iter().filter(|each| each.room == room && each.unread).count();
            assert_eq!(row.unread_count, i64::try_from(unread).unwrap());
        }
    }
    store.close().await;
}
