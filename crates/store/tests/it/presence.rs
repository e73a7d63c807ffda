//! Leases, epochs and what people chose.

use parlor_store::{
    Availability, Begun, Error, Life, Millis, NewLife, PresenceRow, Result, Revised, Store, TenantId, Unique,
    User, UserId, What,
};

use crate::world::World;

crate::stories!(
    a_person_comes_and_goes,
    a_choice_is_kept,
    a_restart_shows_nobody_leaving,
    a_clean_end_hides_everybody,
    a_dead_epoch_takes_no_edge,
    who_is_refused_keeps_nobody_out,
    the_lease_of_a_node_that_has_ended_is_not_told,
    leases_of_any_name_pass_to_the_next_life,
    who_was_on_two_nodes_that_are_over_passes_once,
    a_life_of_another_home_that_goes_on_keeps_others_out,
    of_two_that_begin_at_the_same_moment_one_lives,
    a_life_that_takes_nothing_leaves_all_to_the_next,
    those_who_stay_away_are_let_go_together,
);

/// A life of the node's own home, which others live beside.
fn life(node: &str, epoch: &str) -> NewLife {
    NewLife {
        node: node.into(),
        epoch: epoch.into(),
        home: format!("home of {node}"),
        beside_others: true,
        ..NewLife::default()
    }
}

/// A life that must be the only one.
fn alone(node: &str, epoch: &str) -> NewLife {
    NewLife { beside_others: false, ..life(node, epoch) }
}

/// Begins it, and answers who was left over.
async fn begin(store: &Store, life: NewLife, at: Millis) -> Result<Vec<UserId>> {
    match store.presence.begin_epoch(life, at).await? {
        Begun::Lives(left) => Ok(left.into_iter().map(|(_, user)| user).collect()),
        Begun::Occupied(other) => panic!("{other:?}"),
    }
}

async fn life_of(store: &Store, epoch: &str) -> Life {
    store.presence.lives().await.unwrap().into_iter().find(|life| life.epoch == epoch).unwrap()
}

async fn online(store: &Store, tenant: TenantId) -> Vec<UserId> {
    store.presence.presences(tenant).await.unwrap().0.into_iter().map(|row| row.user_id).collect()
}

async fn row(world: &World, user: &User) -> PresenceRow {
    world.store.presence.presence(world.tenant, user.id).await.unwrap().unwrap()
}

async fn a_person_comes_and_goes(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    assert_eq!(begin(store, life("n1", "e1"), 10).await, Ok(vec![]));
    begin(store, life("n2", "f1"), 10).await.unwrap();
    assert_eq!(store.presence.presence(tenant, ann.id).await, Ok(None));
    let edge = async |node: &str, epoch: &str, online: bool, at| {
        if !online {
            let left = store.presence.leave(tenant, ann.id, node, epoch, at).await;
            return left.map(|revised| revised.revision);
        }
        let arrival = store.presence.arrive(tenant, ann.id, node, epoch, at).await?;
        assert_eq!(arrival.presence, row(&world, &ann).await, "it answers what it stored");
        assert_eq!(arrival.user_updated_at, ann.updated_at);
        Ok(arrival.revised.revision)
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
    for changed in [true, false] {
        let chosen = store.presence.set_availability(tenant, ann.id, Availability::Busy).await;
        assert_eq!(chosen, Ok(Revised { revision: 1, changed }));
    }
    let chosen = row(&world, &ann).await;
    assert_eq!((chosen.availability, chosen.leases, chosen.last_seen), (Availability::Busy, vec![], None));
    assert_eq!(online(store, tenant).await, []);
    let stranger = store.presence.set_availability(tenant, UserId::new(), Availability::Off).await;
    assert_eq!(stranger, Err(Error::NotFound(What::User)));
}

async fn a_restart_shows_nobody_leaving(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    begin(store, life("n1", "e1"), 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await.unwrap();
    store.presence.renew_epoch("n1", "e1", 30).await.unwrap();
    assert_eq!(begin(store, life("n1", "e2"), 90).await, Ok(vec![ann.id]));
    let left_over = row(&world, &ann).await;
    assert_eq!(left_over.last_seen, Some(30), "the last renewal");
    let seen = store.presence.recently_seen(29, 10).await;
    assert_eq!(seen, Ok(vec![(tenant, ann.id, 30)]), "also before they are let go");
    assert_eq!(store.presence.recently_seen(30, 10).await, Ok(vec![]));
    assert_eq!(left_over.leases, [("n1".into(), "e2".into(), 20)]);
    assert_eq!(online(store, tenant).await, [ann.id]);
    let again = store.presence.arrive(tenant, ann.id, "n1", "e2", 95).await.unwrap();
    assert_eq!(again.presence, row(&world, &ann).await);
    assert_eq!(again.presence.leases, [("n1".into(), "e2".into(), 20)], "there all the time");
    assert_eq!(store.presence.renew_epoch("n1", "e1", 96).await, Err(Error::NotFound(What::NodeEpoch)));
    assert_eq!(begin(store, life("n1", "e2"), 97).await, Err(Error::AlreadyExists(Unique::NodeEpoch)));
}

async fn a_clean_end_hides_everybody(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    begin(store, life("n1", "e1"), 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await.unwrap();
    store.presence.end_epoch("n1", "e1", 40).await.unwrap();
    store.presence.end_epoch("n1", "e1", 41).await.unwrap();
    assert_eq!(store.presence.presences(tenant).await, Ok((vec![], 2)));
    assert_eq!(row(&world, &ann).await.last_seen, Some(40));
    assert_eq!(begin(store, life("n1", "e2"), 50).await, Ok(vec![ann.id]));
    assert_eq!(row(&world, &ann).await.last_seen, Some(40));
    assert_eq!(online(store, tenant).await, [ann.id], "until the caller ends those who do not come back");
}

async fn a_dead_epoch_takes_no_edge(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let edge = async || store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await;
    assert_eq!(edge().await, Err(Error::NotFound(What::NodeEpoch)));
    begin(store, life("n1", "e1"), 10).await.unwrap();
    store.presence.end_epoch("n1", "e1", 15).await.unwrap();
    assert_eq!(edge().await, Err(Error::NotFound(What::NodeEpoch)));
}

/// They share a transaction without savepoints.
async fn who_is_refused_keeps_nobody_out(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    begin(store, life("n1", "e1"), 10).await.unwrap();
    let guests = (0..20).map(async |nth| {
        let who = if nth == 7 { ann.id } else { UserId::new() };
        let epoch = if nth % 3 == 0 { "e0" } else { "e1" };
        store.presence.arrive(tenant, who, "n1", epoch, 20).await.map(|arrival| arrival.revised.revision)
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
    begin(store, life("n1", "e1"), 10).await.unwrap();
    begin(store, life("n2", "f1"), 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n2", "f1", 20).await.unwrap();
    store.presence.end_epoch("n2", "f1", 30).await.unwrap();
    let arrival = store.presence.arrive(tenant, ann.id, "n1", "e1", 40).await.unwrap();
    assert_eq!(arrival.presence.leases, [("n1".into(), "e1".into(), 40)]);
    assert_eq!(arrival.presence, row(&world, &ann).await);
}

async fn leases_of_any_name_pass_to_the_next_life(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    let dan = world.user("dan").await;
    begin(store, life("pod-1", "e1"), 10).await.unwrap();
    begin(store, life("pod-2", "f1"), 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "pod-1", "e1", 20).await.unwrap();
    store.presence.arrive(tenant, dan.id, "pod-2", "f1", 25).await.unwrap();
    store.presence.renew_epoch("pod-1", "e1", 30).await.unwrap();
    store.presence.end_epoch("pod-2", "f1", 35).await.unwrap();
    let dead = vec![life_of(store, "e1").await];
    let next = NewLife { dead, ..alone("pod-3", "g1") };
    let mut left_over = begin(store, next, 90).await.unwrap();
    left_over.sort_unstable();
    assert_eq!(left_over, [ann.id, dan.id]);
    let (ann, dan) = (row(&world, &ann).await, row(&world, &dan).await);
    assert_eq!((ann.last_seen, ann.leases), (Some(30), vec![("pod-3".into(), "g1".into(), 20)]));
    assert_eq!((dan.last_seen, dan.leases), (Some(35), vec![("pod-3".into(), "g1".into(), 25)]));
    let lives = store.presence.lives().await.unwrap();
    assert_eq!(lives.len(), 1, "nothing stays of what is over: {lives:?}");
    assert_eq!(store.presence.renew_epoch("pod-1", "e1", 96).await, Err(Error::NotFound(What::NodeEpoch)));
}

async fn who_was_on_two_nodes_that_are_over_passes_once(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    for (node, epoch, at) in [("n1", "e1", 40), ("n2", "f1", 20), ("n3", "g1", 30)] {
        begin(store, life(node, epoch), 10).await.unwrap();
        store.presence.arrive(tenant, ann.id, node, epoch, at).await.unwrap();
        store.presence.renew_epoch(node, epoch, at + 1).await.unwrap();
    }
    let dead = store.presence.lives().await.unwrap();
    // Of one that had its own name, and of a new name.
    for (node, epoch) in [("n3", "g2"), ("n4", "h1")] {
        let dead = dead.clone();
        let home = dead[0].home.clone();
        let next =
            NewLife { dead: [dead, store.presence.lives().await.unwrap()].concat(), ..alone(node, epoch) };
        assert_eq!(begin(store, NewLife { home, ..next }, 90).await, Ok(vec![ann.id]));
        let row = row(&world, &ann).await;
        assert_eq!(row.leases, [(node.into(), epoch.into(), 20)], "there since they first came");
        assert!(row.last_seen >= Some(41), "{row:?}");
    }
}

async fn a_life_of_another_home_that_goes_on_keeps_others_out(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    begin(store, life("n1", "e1"), 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await.unwrap();
    let seen = life_of(store, "e1").await;
    let same_name = NewLife { home: "another".into(), ..life("n1", "f1") };
    for refused in [alone("n2", "f1"), same_name] {
        let refused = store.presence.begin_epoch(refused, 30).await;
        assert_eq!(refused, Ok(Begun::Occupied(seen.clone())));
    }
    store.presence.renew_epoch("n1", "e1", 40).await.unwrap();
    let late = NewLife { dead: vec![seen], ..alone("n2", "f1") };
    let Ok(Begun::Occupied(living)) = store.presence.begin_epoch(late.clone(), 50).await else {
        panic!("it spoke")
    };
    assert_eq!((living.node.as_str(), living.renewed_at), ("n1", 40));
    assert_eq!(store.presence.renew_epoch("n1", "e1", 60).await, Ok(()), "nothing has happened to it");
    assert_eq!(online(store, tenant).await, [ann.id]);
    store.presence.end_epoch("n1", "e1", 70).await.unwrap();
    assert_eq!(begin(store, late, 80).await, Ok(vec![ann.id]), "one that has ended keeps nobody out");
}

async fn of_two_that_begin_at_the_same_moment_one_lives(world: World) {
    begin(&world.store, life("n0", "e0"), 10).await.unwrap();
    let dead = vec![life_of(&world.store, "e0").await];
    let (second, _) = crate::world::open(&world.place.url()).await.unwrap();
    let one = NewLife { dead: dead.clone(), ..alone("n1", "e1") };
    let other = NewLife { dead, ..alone("n2", "f1") };
    let both =
        futures::join!(world.store.presence.begin_epoch(one, 20), second.presence.begin_epoch(other, 20),);
    let lives = |begun: &Result<Begun>| matches!(begun, Ok(Begun::Lives(_)));
    let refused = |begun: &Result<Begun>| matches!(begun, Ok(Begun::Occupied(_)));
    let (one, other) = &both;
    assert!(lives(one) && refused(other) || refused(one) && lives(other), "{both:?}");
    assert_eq!(second.presence.lives().await.unwrap().len(), 1);
    second.close().await;
}

async fn a_life_that_takes_nothing_leaves_all_to_the_next(world: World) {
    let (store, tenant, ann) = (&world.store, world.tenant, world.user("ann").await);
    begin(store, life("n1", "e1"), 10).await.unwrap();
    store.presence.arrive(tenant, ann.id, "n1", "e1", 20).await.unwrap();
    let home = life("n1", "").home;
    let visit = NewLife { home: home.clone(), takes_nothing: true, ..alone("command", "c1") };
    assert_eq!(begin(store, visit, 30).await, Ok(vec![]));
    store.presence.end_epoch("command", "c1", 40).await.unwrap();
    assert_eq!(store.presence.lives().await.unwrap().len(), 1, "a life that leaves nobody leaves no trace");
    assert_eq!(begin(store, NewLife { home, ..alone("n2", "f1") }, 50).await, Ok(vec![ann.id]));
    assert_eq!(row(&world, &ann).await.last_seen, Some(10), "not when somebody looked in");
}

async fn those_who_stay_away_are_let_go_together(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    begin(store, life("n1", "e1"), 10).await.unwrap();
    let mut people = Vec::new();
    for nth in 0..5 {
        let user = world.user(&format!("user {nth}")).await;
        store.presence.arrive(tenant, user.id, "n1", "e1", 20).await.unwrap();
        people.push(user.id);
    }
    begin(store, life("n1", "e2"), 90).await.unwrap();
    let revision = store.presence.presences(tenant).await.unwrap().1;
    let stranger = UserId::new();
    let going = vec![people[3], stranger, people[0], people[1]];
    let revisions = store.presence.let_go(tenant, going, "n1", "e2").await.unwrap();
    let expected = [(1, true), (1, false), (2, true), (3, true)]
        .map(|(step, changed)| Revised { revision: revision + step, changed });
    assert_eq!(revisions, expected, "one each, in their order, for who was there");
    assert_eq!(online(store, tenant).await, [people[2], people[4]]);
    let gone = store.presence.of_people(tenant, &people[..2]).await.unwrap();
    assert_eq!(gone.iter().map(|row| row.last_seen).collect::<Vec<_>>(), [Some(10); 2]);
    assert!(gone.iter().all(|row| row.leases.is_empty()));
    let again = store.presence.let_go(tenant, vec![people[0]], "n1", "e2").await;
    assert_eq!(
        again,
        Ok(vec![Revised { revision: revision + 3, changed: false }]),
        "a repetition changes nothing"
    );
}
