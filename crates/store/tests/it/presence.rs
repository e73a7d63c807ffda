//! Leases, epochs and what people chose.

use parlor_store::{Availability, Error, PresenceRow, Store, TenantId, Unique, User, UserId, What};

use crate::world::World;

crate::stories!(
    a_person_comes_and_goes,
    a_choice_is_kept,
    a_restart_shows_nobody_leaving,
    a_clean_end_hides_everybody,
    a_dead_epoch_takes_no_edge,
    who_is_refused_keeps_nobody_out,
    the_lease_of_a_node_that_has_ended_is_not_told,
);

async fn online(store: &Store, tenant: TenantId) -> Vec<UserId> {
    store.presence.presences(tenant).await.unwrap().0.into_iter().map(|row| row.user_id).collect()
}

async fn row(world: &World, user: &User) -> PresenceRow {
    world.store.presence.presence(world.tenant, user.id).await.unwrap().unwrap()
}

async fn a_person_comes_and_goes(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    assert_eq!(store.presence.begin_epoch("n1", "e1", 10).await, Ok(vec![]));
    store.presence.begin_epoch("n2", "f1", 10).await.unwrap();
    assert_eq!(store.presence.presence(tenant, ann.id).await, Ok(None));
    let edge = async |node: &str, epoch: &str, online: bool, at| {
        if !online {
            return store.presence.leave(tenant, ann.id, node, epoch, at).await;
        }
        let arrival = store.presence.arrive(tenant, ann.id, node, epoch, at).await?;
        assert_eq!(arrival.presence, row(&world, &ann).await, "it answers what it stored");
        assert_eq!(arrival.user_updated_at, ann.updated_at);
        Ok(arrival.revision)
    };
    assert_eq!(edge("n1", "e1", true, 20).await, Ok(1));
    assert_eq!(edge("n1", "e1", true, 21).await, Ok(1), "a repetition changes nothing");
    assert_eq!(edge("n2", "f1", true, 30).await, Ok(2));
    let leases = vec![("n1".into(), "e1".into(), 20), ("n2".into(), "f1".into(), 30)];
    assert_eq!(row(&world, &ann).await.leases, leases);
    assert_eq!(edge("n1", "e1", false, 40).await, Ok(3));
    assert_eq!(online(store, tenant).await, [ann.id], "still on the other node");
    assert_eq!(edge("n2", "f1", false, 50).await, Ok(4));
    assert_eq!(edge("n2", "f1", false, 51).await, Ok(4));
    assert_eq!(store.presence.presences(tenant).await, Ok((vec![], 4)));
    assert_eq!(row(&world, &ann).await.last_seen, Some(50));
    assert_eq!(edge("n1", "e1", true, 55).await, Ok(5));
    assert_eq!(row(&world, &ann).await.last_seen, Some(50), "that is of the last time they left");
    let stranger = store.presence.arrive(tenant, UserId::new(), "n1", "e1", 60).await;
    assert_eq!(stranger, Err(Error::NotFound(What::User)));
}

async fn a_choice_is_kept(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    assert_eq!(store.presence.set_availability(tenant, ann.id, Availability::Busy).await, Ok(1));
    assert_eq!(store.presence.set_availability(tenant, ann.id, Availability::Busy).await, Ok(1));
    let chosen = row(&world, &ann).await;
    assert_eq!((chosen.availability, chosen.leases, chosen.last_seen), (Availability::Busy, vec![], None));
    assert_eq!(online(store, tenant).await, []);
    let stranger = store.presence.set_availability(tenant, UserId::new(), Availability::Off).await;
    assert_eq!(stranger, Err(Error::NotFound(What::User)));
}

async fn a_restart_shows_nobody_leaving(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    store.presence.begin_epoch("n1", "e1", 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await.unwrap();
    store.presence.renew_epoch("n1", "e1", 30).await.unwrap();
    let left_over = store.presence.begin_epoch("n1", "e2", 90).await.unwrap();
    assert_eq!(left_over.len(), 1);
    assert_eq!((left_over[0].user_id, left_over[0].last_seen), (ann.id, Some(30)), "the last renewal");
    assert_eq!(left_over[0].leases, [("n1".into(), "e2".into(), 20)]);
    assert_eq!(online(store, tenant).await, [ann.id]);
    let again = store.presence.arrive(tenant, ann.id, "n1", "e2", 95).await.unwrap();
    assert_eq!(again.presence, row(&world, &ann).await);
    assert_eq!(again.presence.leases, [("n1".into(), "e2".into(), 20)], "there all the time");
    assert_eq!(store.presence.renew_epoch("n1", "e1", 96).await, Err(Error::NotFound(What::NodeEpoch)));
    assert_eq!(
        store.presence.begin_epoch("n1", "e2", 97).await,
        Err(Error::AlreadyExists(Unique::NodeEpoch))
    );
}

async fn a_clean_end_hides_everybody(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    store.presence.begin_epoch("n1", "e1", 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await.unwrap();
    store.presence.end_epoch("n1", "e1", 40).await.unwrap();
    store.presence.end_epoch("n1", "e1", 41).await.unwrap();
    assert_eq!(store.presence.presences(tenant).await, Ok((vec![], 2)));
    assert_eq!(row(&world, &ann).await.last_seen, Some(40));
    let left_over = store.presence.begin_epoch("n1", "e2", 50).await.unwrap();
    assert_eq!((left_over.len(), left_over[0].last_seen), (1, Some(40)));
    assert_eq!(online(store, tenant).await, [ann.id], "until the caller ends those who do not come back");
}

async fn a_dead_epoch_takes_no_edge(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let edge = async || store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await;
    assert_eq!(edge().await, Err(Error::NotFound(What::NodeEpoch)));
    store.presence.begin_epoch("n1", "e1", 10).await.unwrap();
    store.presence.end_epoch("n1", "e1", 15).await.unwrap();
    assert_eq!(edge().await, Err(Error::NotFound(What::NodeEpoch)));
}

/// They share a transaction without savepoints.
async fn who_is_refused_keeps_nobody_out(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    store.presence.begin_epoch("n1", "e1", 10).await.unwrap();
    let guests = (0..20).map(async |nth| {
        let who = if nth == 7 { ann.id } else { UserId::new() };
        let epoch = if nth % 3 == 0 { "e0" } else { "e1" };
        store.presence.arrive(tenant, who, "n1", epoch, 20).await.map(|arrival| arrival.revision)
    });
    for (nth, came) in futures::future::join_all(guests).await.into_iter().enumerate() {
        let expected = match nth {
            7 => Ok(1),
            _ if nth % 3 == 0 => Err(Error::NotFound(What::NodeEpoch)),
            _ => Err(Error::NotFound(What::User)),
        };
        assert_eq!(came, expected, "{nth}");
    }
    assert_eq!(online(store, tenant).await, [ann.id]);
}

async fn the_lease_of_a_node_that_has_ended_is_not_told(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    store.presence.begin_epoch("n1", "e1", 10).await.unwrap();
    store.presence.begin_epoch("n2", "f1", 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n2", "f1", 20).await.unwrap();
    store.presence.end_epoch("n2", "f1", 30).await.unwrap();
    let arrival = store.presence.arrive(tenant, ann.id, "n1", "e1", 40).await.unwrap();
    assert_eq!(arrival.presence.leases, [("n1".into(), "e1".into(), 40)]);
    assert_eq!(arrival.presence, row(&world, &ann).await);
}
