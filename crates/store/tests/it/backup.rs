//! Copies of a database in use: whole, and ready for the next core.

use std::path::{Path, PathBuf};

use parlor_store::{
    Begun, NewLife,
    backup::{self, Error},
};

use crate::world::{Place, World, guest, open};

fn folder(world: &World) -> &Path {
    let Place::Sqlite(directory) = &world.place else { panic!("not a file") };
    directory.path()
}

/// A world with messages, and where a copy of it may go.
async fn world(messages: usize) -> (World, PathBuf) {
    let world = World::on(Place::sqlite()).await;
    let room = world.conversation("room").await.id;
    for number in 0..messages {
        world.store.chat.append(world.message(room, guest(), &format!("{number}"))).await.unwrap();
    }
    let copy = folder(&world).join("copy.db");
    (world, copy)
}

#[tokio::test]
async fn a_copy_holds_what_was_committed_and_goes_on_from_there() {
    let (world, copy) = world(3).await;
    world.user("ann").await;
    backup::copy(&world.place.url(), &copy).await.unwrap();
    let held = backup::look(&copy).await.unwrap();
    let steps = parlor_migration::status(&world.place.url()).await.unwrap();
    assert_eq!(held.steps, steps.into_iter().map(|(step, _)| step).collect::<Vec<_>>());
    let [acme] = held.tenants.as_slice() else { panic!("{held:?}") };
    assert_eq!((acme.slug.as_str(), acme.people, acme.conversations), ("acme", 1, 1));
    assert_eq!((acme.messages, acme.position), (3, 4));

    let (store, _) = open(&format!("sqlite://{}", copy.display())).await.unwrap();
    let there = store.log.tenant_events(world.tenant, 0, 100).await.unwrap();
    assert_eq!(there, world.store.log.tenant_events(world.tenant, 0, 100).await.unwrap());
    let room = there[0].subject.as_conversation().unwrap();
    let next = store.chat.append(world.message(room, guest(), "next")).await.unwrap();
    assert_eq!((next.message.sequence, next.message.position), (5, 5));
    store.close().await;
}

#[tokio::test]
async fn a_life_in_a_copy_has_ended_and_whom_it_left_online_can_leave() {
    let (world, copy) = world(0).await;
    let ann = world.user("ann").await.id;
    let life = |node: &str, home: &str| NewLife {
        node: node.into(),
        epoch: format!("{node}-1"),
        home: home.into(),
        ..NewLife::default()
    };
    world.store.presence.begin_epoch(life("first", "here"), 1_000).await.unwrap();
    world.store.presence.arrive(world.tenant, ann, "first", "first-1", 1_500).await.unwrap();
    world.store.presence.renew_epoch("first", "first-1", 2_000).await.unwrap();
    backup::copy(&world.place.url(), &copy).await.unwrap();

    let url = format!("sqlite://{}", copy.display());
    let (store, _) = open(&url).await.unwrap();
    let begun = store.presence.begin_epoch(life("second", "elsewhere"), 3_000).await.unwrap();
    assert!(matches!(begun, Begun::Occupied(_)), "as it was copied");
    store.close().await;

    assert_eq!(backup::settle(&copy).await, Ok(1));
    assert_eq!(backup::settle(&copy).await, Ok(0), "nothing is left to be done");
    let (store, _) = open(&url).await.unwrap();
    let begun = store.presence.begin_epoch(life("second", "elsewhere"), 3_000).await.unwrap();
    assert_eq!(begun, Begun::Lives(vec![(world.tenant, ann)]));
    store.presence.let_go(world.tenant, vec![ann], "second", "second-1").await.unwrap();
    let row = store.presence.of_people(world.tenant, &[ann]).await.unwrap().remove(0);
    assert_eq!((row.leases.len(), row.last_seen), (0, Some(2_000)), "when the life was last heard of");
    store.close().await;
}

#[tokio::test]
async fn what_is_damaged_is_found() {
    let (world, copy) = world(400).await;
    backup::copy(&world.place.url(), &copy).await.unwrap();
    let whole = std::fs::read(&copy).unwrap();
    let damaged = async |bytes: &[u8]| {
        std::fs::write(&copy, bytes).unwrap();
        matches!(backup::look(&copy).await, Err(Error::Damaged(_)))
    };
    assert!(!damaged(&whole).await);
    assert!(damaged(&whole[..whole.len() / 2]).await, "cut off");
    assert!(damaged(&whole[..whole.len() - 1]).await, "cut off by a byte");
    assert!(damaged(b"").await, "nothing");
    assert!(damaged(b"this is a letter, and not a database of any kind").await);
    let mut torn = whole.clone();
    let middle = whole.len() / 2 / 4096 * 4096;
    torn[middle..middle + 4096].fill(0);
    assert!(damaged(&torn).await, "a page is missing");
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let (world, _) = world(1).await;
    let full = backup::copy(&world.place.url(), Path::new("/dev/full")).await;
    assert!(matches!(&full, Err(Error::Failed(why)) if why.contains("full")), "{full:?}");
}

#[tokio::test]
async fn a_database_in_use_is_not_closed_and_one_at_rest_is_a_single_file() {
    let (world, _) = world(3).await;
    let (file, log) = (folder(&world).join("parlor.db"), folder(&world).join("parlor.db-wal"));
    assert_eq!(backup::close(&file).await, Err(Error::InUse));
    world.store.ping().await.unwrap();
    world.store.close().await;
    // As a kill leaves it: with a log beside it.
    let (killed, killed_log) = (folder(&world).join("killed.db"), folder(&world).join("killed.db-wal"));
    let (store, _) = open(&world.place.url()).await.unwrap();
    let room =
        store.log.tenant_events(world.tenant, 0, 1).await.unwrap()[0].subject.as_conversation().unwrap();
    store.chat.append(world.message(room, guest(), "in the log")).await.unwrap();
    std::fs::copy(&file, &killed).unwrap();
    std::fs::copy(&log, &killed_log).unwrap();
    store.close().await;
    backup::close(&killed).await.unwrap();
    assert!(!killed_log.exists());
    assert_eq!(backup::look(&killed).await.unwrap().tenants[0].messages, 4);
}
