//! One bad piece of work, a dead server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parlor_store::{
    AuthorKind, ConversationId, Error, MessageFilter, Mutation, Options, RequestKey, Store, Unique, What,
};
use parlor_testdb::{Cluster, Database};

use crate::world::{Place, World, guest, word};

crate::stories!(
    one_bad_message_fails_alone,
    one_bad_change_fails_alone,
    a_panic_in_a_change_fails_its_batch_only,
    a_panic_of_who_is_told_fails_nothing,
);

async fn a_panic_in_a_change_fails_its_batch_only(world: World) {
    let (store, room) = (&world.store, world.conversation("room").await.id);
    let key = RequestKey {
        tenant: world.tenant,
        principal: "ann".into(),
        method: "Test",
        request_id: "1".into(),
        payload_hash: [0; 32],
        at: 1,
    };
    let change = Mutation::ensure_conversation(world.wanted("never"));
    let failed = store.apply_once(key, change, |_| panic!("a defect of the caller's")).await;
    assert!(matches!(failed, Err(Error::Defect(_))));
    let missing = store.chat.conversation(world.tenant, ConversationId::keyed(world.tenant, "never")).await;
    assert_eq!(missing.map(|_| ()), Err(Error::NotFound(What::Conversation)));
    let stored = store.chat.append(world.message(room, guest(), "and on it goes")).await.unwrap();
    assert_eq!(stored.message.position, 2, "the failed one took no number");
}

async fn a_panic_of_who_is_told_fails_nothing(world: World) {
    world.conversation("room").await;
    world.store.close().await;
    let told = Arc::new(AtomicUsize::new(0));
    let hearing = Arc::clone(&told);
    let hears = move |_| assert!(hearing.fetch_add(1, Ordering::SeqCst) > 0, "the first time it fails");
    let options = Options { url: world.place.url(), read_connections: 1 };
    let store = Store::open(options, Box::new(hears)).await.unwrap();
    for key in ["one", "two"] {
        store.chat.ensure_conversation(world.wanted(key)).await.unwrap();
    }
    assert_eq!(told.load(Ordering::SeqCst), 2);
    assert_eq!(store.log.tenant_head(world.tenant).await, Ok(3));
    store.close().await;
}

async fn one_bad_message_fails_alone(world: World) {
    let (store, room) = (&world.store, world.conversation("room").await.id);
    let mut bad = world.message(room, guest(), "bad");
    // The database refuses it, and with it the statement that stores the whole batch.
    bad.author_key = String::new();
    let good = |text| store.chat.append(world.message(room, guest(), text));
    let (first, refused, second) = tokio::join!(good("first"), store.chat.append(bad), good("second"));
    assert!(matches!(refused, Err(Error::Defect(_))));
    assert_eq!((first.unwrap().message.sequence, second.unwrap().message.sequence), (2, 3));
    let tail = store.log.tenant_events(world.tenant, 0, 10).await.unwrap();
    assert_eq!(tail.iter().map(word).collect::<Vec<_>>(), ["created", "message first", "message second"]);
    assert_eq!(world.heard().len(), 3);
}

async fn one_bad_change_fails_alone(world: World) {
    let (store, room) = (&world.store, world.conversation("room").await.id);
    let mut bad = world.wanted("bad");
    bad.owner_id = Some(parlor_store::UserId::new());
    let taken = store.directory.create_tenant(crate::world::new_tenant("acme"));
    let (refused, taken, made, stored) = tokio::join!(
        store.chat.ensure_conversation(bad),
        taken,
        store.chat.ensure_conversation(world.wanted("good")),
        store.chat.append(world.message(room, guest(), "x")),
    );
    assert_eq!(refused, Err(Error::NotFound(What::User)));
    assert_eq!(taken, Err(Error::AlreadyExists(Unique::Tenant)));
    let (made, _) = made.unwrap();
    assert_eq!((made.number, made.last_sequence), (2, 1), "the refused one took no number");
    assert_eq!(stored.unwrap().message.position, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_is_unavailable_until_it_is_back() {
    let cluster = Arc::new(Cluster::start());
    let world = World::on(Place::Postgres(Database::create_on(&cluster))).await;
    let (store, tenant) = (world.store.clone(), world.tenant);
    let room = world.conversation("room").await.id;
    let (acknowledged, mut first) = tokio::sync::watch::channel(0_u32);
    let messages: Vec<_> = (0..20_000).map(|n| world.message(room, guest(), &n.to_string())).collect();
    let writing = async {
        let mut kept: Vec<String> = Vec::new();
        for message in messages {
            match store.chat.append(message).await {
                Ok(stored) => kept.push(stored.message.text),
                Err(Error::Unavailable(_)) => return kept,
                Err(other) => panic!("{other}"),
            }
            acknowledged.send_replace(u32::try_from(kept.len()).unwrap());
        }
        panic!("the server was killed");
    };
    let killing = async {
        first.wait_for(|count| *count >= 20).await.unwrap();
        let cluster = Arc::clone(&cluster);
        tokio::task::spawn_blocking(move || cluster.kill()).await.unwrap();
    };
    let (kept, ()) = tokio::join!(writing, killing);
    assert!(kept.len() >= 20);
    assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));

    cluster.restart();
    let after = store.chat.append(world.message(room, guest(), "after")).await.unwrap();
    let all = store.chat.list_messages(tenant, room, &MessageFilter::default(), 100_000).await.unwrap();
    let texts: Vec<&str> = all.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(&texts[..kept.len()], &kept, "what was acknowledged is there, in order");
    let unknown = texts.len() - kept.len() - 1;
    assert!(unknown <= 1, "at most the one whose outcome was unknown");
    assert_eq!(after.message.sequence, i64::try_from(texts.len()).unwrap() + 1);
    assert_eq!(all.iter().filter(|message| message.author.kind == AuthorKind::Customer).count(), texts.len());
    store.close().await;
}
