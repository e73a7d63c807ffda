//! Migrations and what a database promises.

use parlor_store::UserUpsert;

use crate::world::{Place, World, open};

crate::stories!(
    up_down_up,
    addresses_are_written_one_way,
    acknowledged_is_durable,
    a_closed_store_takes_nothing
);

async fn up_down_up(world: World) {
    world.store.close().await;
    let url = world.place.url();
    let steps = u32::try_from(parlor_migration::status(&url).await.unwrap().len()).unwrap();
    assert_eq!(parlor_migration::down(&url, 1).await, Ok(1));
    assert_eq!(parlor_migration::down(&url, 99).await, Ok(steps - 1), "more than there are");
    assert_eq!(parlor_migration::down(&url, 1).await, Ok(0));
    assert!(parlor_migration::status(&url).await.unwrap().iter().all(|(_, applied)| !applied));
    parlor_migration::up(&url).await.unwrap();
    parlor_migration::up(&url).await.unwrap();
    assert!(parlor_migration::status(&url).await.unwrap().iter().all(|(_, applied)| *applied));
    let (store, _) = open(&url).await.unwrap();
    assert_eq!(store.directory.list_tenants("", 10).await.unwrap(), []);
    store.close().await;
}

async fn addresses_are_written_one_way(world: World) {
    let account = |username: &str, email: &str| UserUpsert {
        username: Some(username.into()),
        email: Some(email.into()),
        ..UserUpsert::default()
    };
    let names = [
        ("Eve@Shop.example", " Eve@Shop.example"),
        ("ann", "ann@shop.example"),
        ("ann2", "Ann@shop.example"),
        ("Zoe", "Jose\u{301}@shop.example "),
        ("Ann@Shop.example", ""),
    ];
    let mut ids = Vec::new();
    for (username, email) in names {
        let made =
            world.store.directory.upsert_user(world.tenant, account(username, email), 1).await.unwrap();
        ids.push(made.0.id);
    }
    world.store.close().await;
    let url = world.place.url();
    while parlor_migration::status(&url)
        .await
        .unwrap()
        .iter()
        .any(|(step, on)| *on && step.ends_with("people"))
    {
        parlor_migration::down(&url, 1).await.unwrap();
    }
    parlor_migration::up(&url).await.unwrap();
    let (store, _) = open(&url).await.unwrap();
    let mut found = Vec::new();
    for id in ids {
        let user = store.directory.user(world.tenant, id).await.unwrap();
        found.push((user.username.unwrap(), user.email));
    }
    let expected = [
        ("eve@shop.example", "eve@shop.example"),
        ("ann", "ann@shop.example"),
        // Another has it, and goes on to sign in by it.
        ("ann2", "Ann@shop.example"),
        ("Zoe", "jos\u{e9}@shop.example"),
        ("Ann@Shop.example", ""),
    ];
    assert_eq!(found, expected.map(|(username, email)| (username.to_owned(), email.to_owned())));
    store.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::on(Place::sqlite()).await;
    let Place::Sqlite(directory) = &world.place else { panic!("not a file") };
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() > 1, "the log is a file of its own");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
}

async fn acknowledged_is_durable(world: World) {
    let settings = world.store.durability().await.unwrap();
    let value =
        |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match world.place {
        Place::Sqlite(_) => {
            assert_eq!((value("journal_mode"), value("synchronous")), (Some("wal"), Some("2")), "2 is FULL");
        }
        Place::Postgres(_) => assert_eq!(value("synchronous_commit"), Some("on")),
    }
    world.store.ping().await.unwrap();
}

async fn a_closed_store_takes_nothing(world: World) {
    let late = world.store.clone();
    world.store.close().await;
    assert!(matches!(late.ping().await, Err(parlor_store::Error::Unavailable(_))));
    let refused = late.directory.create_tenant(crate::world::new_tenant("late")).await;
    assert!(matches!(refused, Err(parlor_store::Error::Unavailable(_))));
}
