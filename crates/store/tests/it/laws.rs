//! What holds whatever is stored at the same time: sequences and positions have no gaps, a request is stored once, events
//! are told in the order of their positions, and each shows its conversation as it was right after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parlor_store::{
    Author, AuthorKind, Cause, ConversationChange, ConversationId, Error, EventBody, NewMessage, Store,
    StoredEvent, Subject, TenantId,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::task::JoinSet;

use crate::world::{Place, World, cause, change, guest, named, new_message, new_tenant, open};

/// What one caller does next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Write { room: usize, kind: AuthorKind, request: Option<u8> },
    Read { room: usize },
    Ensure { room: usize },
}

const ROOMS: usize = 4;

fn deed() -> impl Strategy<Value = Deed> {
    let kind = prop_oneof![Just(AuthorKind::Customer), Just(AuthorKind::Customer), Just(AuthorKind::Staff)];
    prop_oneof![
        6 => (0..ROOMS, kind, proptest::option::of(0..12u8))
            .prop_map(|(room, kind, request)| Deed::Write { room, kind, request }),
        1 => (0..ROOMS).prop_map(|room| Deed::Read { room }),
        1 => (0..ROOMS).prop_map(|room| Deed::Ensure { room }),
    ]
}

fn callers() -> impl Strategy<Value = Vec<Vec<Deed>>> {
    proptest::collection::vec(proptest::collection::vec(deed(), 1..10), 1..24)
}

fn side(kind: AuthorKind) -> Author {
    Author { kind, ..guest() }
}

async fn carry_out(store: &Store, tenant: TenantId, room: ConversationId, deed: Deed) -> Result<(), Error> {
    match deed {
        Deed::Write { kind, request, .. } => {
            let message = NewMessage {
                author_key: format!("{kind:?}"),
                leaves_unread: false,
                request: request.map(|request| named(&request.to_string(), 1)),
                ..new_message(tenant, room, side(kind), "text")
            };
            store.chat.append(message).await.map(|_| ())
        }
        Deed::Read { .. } => {
            let reader = side(AuthorKind::Staff);
            store.chat.mark_read(room, None, cause(tenant, reader, 200)).await.map(|_| ())
        }
        Deed::Ensure { room } => {
            let wanted = parlor_store::EnsureConversation {
                cause: Cause { tenant, author: guest(), at: 150, origin: String::new() },
                key: Some(format!("room-{room}")),
                kind: String::new(),
                waiting: true,
                owner_id: None,
                members: Vec::new(),
                seen_by: parlor_store::SeenBy::Staff,
            };
            store.chat.ensure_conversation(wanted).await.map(|_| ())
        }
    }
}

/// Lets all callers loose on one tenant of these stores, in turn.
async fn let_loose(stores: &[Store], tenant: TenantId, callers: Vec<Vec<Deed>>) {
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        carry_out(&stores[0], tenant, ConversationId::new(), Deed::Ensure { room }).await.unwrap();
        rooms.push(ConversationId::keyed(tenant, &format!("room-{room}")));
    }
    let mut running = JoinSet::new();
    for (number, deeds) in callers.into_iter().enumerate() {
        let (store, rooms) = (stores[number % stores.len()].clone(), rooms.clone());
        running.spawn(async move {
            for deed in deeds {
                let (Deed::Write { room, .. } | Deed::Read { room } | Deed::Ensure { room }) = deed;
                carry_out(&store, tenant, rooms[room], deed).await.unwrap();
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

/// Reads the whole tail of a tenant, in small pages.
async fn whole_tail(store: &Store, tenant: TenantId) -> Vec<StoredEvent> {
    let mut tail: Vec<StoredEvent> = Vec::new();
    loop {
        let after = tail.last().map_or(0, |event| event.position);
        let page = store.log.tenant_events(tenant, after, 7).await.unwrap();
        if page.is_empty() {
            return tail;
        }
        tail.extend(page);
    }
}

fn check_numbers(tail: &[StoredEvent]) -> Result<(), TestCaseError> {
    let mut sequences: BTreeMap<Subject, i64> = BTreeMap::new();
    let mut requests = BTreeSet::new();
    for (index, event) in tail.iter().enumerate() {
        prop_assert_eq!(event.position, i64::try_from(index).unwrap() + 1, "positions have no gaps");
        let sequence = sequences.entry(event.subject).or_default();
        *sequence += 1;
        prop_assert_eq!(event.sequence, *sequence, "sequences have no gaps");
        if let EventBody::Message(message) = &event.body {
            prop_assert!(requests.insert(message.id), "a message is stored once");
        }
    }
    Ok(())
}

fn check_conversations(told: &[Arc<StoredEvent>]) -> Result<(), TestCaseError> {
    let mut customers: BTreeMap<Subject, Vec<i64>> = BTreeMap::new();
    for event in told {
        let unread = customers.entry(event.subject).or_default();
        match &event.body {
            EventBody::Message(message) if message.author.kind == AuthorKind::Customer => {
                unread.push(event.sequence);
            }
            EventBody::Message(_) => unread.clear(),
            EventBody::Encoded { .. } => {
                if let Some(ConversationChange::Read(through_sequence)) = change(event) {
                    unread.retain(|sequence| *sequence > through_sequence);
                }
            }
        }
        let shown = event.conversation.as_ref().expect("a conversation");
        prop_assert_eq!(shown.last_sequence, event.sequence);
        prop_assert_eq!(shown.unread_count, i64::try_from(unread.len()).unwrap());
        prop_assert!(shown.unanswered || unread.is_empty(), "what is unread is unanswered");
    }
    Ok(())
}

fn distinct_messages(callers: &[Vec<Deed>]) -> usize {
    let writes = callers.iter().flatten().filter_map(|deed| match deed {
        Deed::Write { room, kind, request } => Some((*room, format!("{kind:?}"), *request)),
        Deed::Read { .. } | Deed::Ensure { .. } => None,
    });
    let (named, unnamed): (Vec<_>, Vec<_>) = writes.partition(|(_, _, request)| request.is_some());
    named.into_iter().collect::<BTreeSet<_>>().len() + unnamed.len()
}

fn run(place: Place, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::on(place));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let case = std::cell::Cell::new(0);
    let law = |callers: Vec<Vec<Deed>>| {
        case.set(case.get() + 1);
        runtime.block_on(async {
            let slug = format!("case-{}", case.get());
            let tenant = world.store.directory.create_tenant(new_tenant(&slug)).await.unwrap().id;
            let expected = distinct_messages(&callers);
            let_loose(std::slice::from_ref(&world.store), tenant, callers).await;
            let tail = whole_tail(&world.store, tenant).await;
            check_numbers(&tail)?;
            let messages = tail.iter().filter(|event| matches!(event.body, EventBody::Message(_))).count();
            prop_assert_eq!(messages, expected, "each request once");
            let told: Vec<_> = world.heard().into_iter().filter(|event| event.tenant == tenant).collect();
            let positions =
                |events: &[Arc<StoredEvent>]| events.iter().map(|each| each.position).collect::<Vec<_>>();
            let read: Vec<_> = tail.into_iter().map(Arc::new).collect();
            prop_assert_eq!(positions(&told), positions(&read), "told all, in order");
            check_conversations(&told)
        })
    };
    runner.run(&callers(), law).unwrap();
    runtime.block_on(world.store.close());
}

#[test]
fn laws_hold_on_sqlite() {
    run(Place::sqlite(), 12);
}

#[test]
fn laws_hold_on_postgres() {
    run(Place::postgres(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_share_one_postgres() {
    let world = World::on(Place::postgres()).await;
    let (other, heard_by_other) = open(&world.place.url()).await.unwrap();
    let second = world.store.directory.create_tenant(new_tenant("second")).await.unwrap().id;
    let stores = [world.store.clone(), other];
    let busy = |seed: usize| -> Vec<Vec<Deed>> {
        let deed = |step: usize| match step % 7 {
            0 => Deed::Ensure { room: step % ROOMS },
            1 => Deed::Read { room: step % ROOMS },
            kind => Deed::Write {
                room: (step / 2) % ROOMS,
                kind: if kind == 2 { AuthorKind::Staff } else { AuthorKind::Customer },
                request: u8::try_from(step % 50).ok(),
            },
        };
        (0..16).map(|caller| (0..15).map(|step| deed(seed + caller * 3 + step)).collect()).collect()
    };
    tokio::join!(let_loose(&stores, world.tenant, busy(0)), let_loose(&stores, second, busy(5)));
    for (tenant, seed) in [(world.tenant, 0), (second, 5)] {
        let tail = whole_tail(&world.store, tenant).await;
        check_numbers(&tail).unwrap();
        let messages = tail.iter().filter(|event| matches!(event.body, EventBody::Message(_))).count();
        assert_eq!(messages, distinct_messages(&busy(seed)));
        for heard in [world.heard(), heard_by_other.lock().unwrap().clone()] {
            let told: Vec<i64> =
                heard.iter().filter(|each| each.tenant == tenant).map(|each| each.position).collect();
            assert!(told.is_sorted(), "each store tells in the order of positions");
        }
    }
}
