//! Visits over a store: what is kept of them, and what is left of what nobody ended.

use parlor_store::{
    Arose, Begun, Error, Listed, NewLife, Recorded, Recording, Result, Trace, VISIT_KEPT, Visit,
    VisitProfile, VisitState, What,
};

use crate::world::World;

crate::stories!(
    a_page_view_begins_a_visit_once,
    only_the_last_pages_and_actions_are_kept,
    time_on_a_page_is_what_passed_or_less,
    the_later_decision_stays_in_whatever_order,
    whose_it_is_and_nobody_elses,
    many_tabs_at_once_make_one_visit,
    who_is_connected_is_listed_however_long_ago,
    pages_of_a_list_give_each_once,
    what_a_life_that_is_over_left_is_let_go,
    what_is_old_goes_and_what_is_there_stays,
    what_is_a_persons_is_exported_and_goes_with_them,
);

async fn begin(world: &World, epoch: &str, at: i64) {
    let life = NewLife { node: "n".into(), epoch: epoch.into(), home: "home".into(), ..NewLife::default() };
    assert!(matches!(world.store.presence.begin_epoch(life, at).await.unwrap(), Begun::Lives(_)));
}

fn recording(world: &World, key: &str, turn: i64, state: VisitState, arose: Arose) -> Recording {
    Recording {
        tenant: world.tenant,
        key: key.into(),
        person: None,
        any: false,
        node: "n".into(),
        epoch: "1".into(),
        turn,
        state: Some(state),
        connected: state != VisitState::Left,
        at: 1_000 + turn,
        arose,
    }
}

fn loaded(page: &str) -> Arose {
    let profile = VisitProfile { landing_page: page.into(), ..VisitProfile::default() };
    Arose::Loaded { visitor_key: "vis_1".into(), page: page.into(), profile }
}

async fn load(world: &World, key: &str, turn: i64) -> Result<Recorded> {
    world.store.visits.record(recording(world, key, turn, VisitState::Active, loaded("/"))).await
}

async fn visit(world: &World, key: &str) -> Visit {
    world.store.visits.by_key(world.tenant, key).await.unwrap()
}

async fn a_page_view_begins_a_visit_once(world: World) {
    begin(&world, "1", 1).await;
    let act = Arose::Done { action: "x".into(), element: String::new() };
    let early = world.store.visits.record(recording(&world, "ses_1", 1, VisitState::Active, act)).await;
    assert_eq!(early, Err(Error::NotFound(What::Visit)));
    let first = load(&world, "ses_1", 2).await.unwrap();
    let second = load(&world, "ses_1", 3).await.unwrap();
    let other = load(&world, "ses_2", 4).await.unwrap();
    assert_eq!([first.created, second.created, other.created], [true, false, true]);
    assert_eq!((first.visit.id, second.visit.page_count), (second.visit.id, 2));
    assert_eq!([first.visit.number, other.visit.number], [1, 2]);
    let shown = visit(&world, "ses_1").await;
    assert_eq!(shown, second.visit, "it answers what it stored");
    assert_eq!((shown.first_seen, shown.last_seen), (1_002, 1_003));
    assert_eq!(world.store.visits.by_id(world.tenant, shown.id).await, Ok(shown));
    let unknown =
        Recording { epoch: "0".into(), ..recording(&world, "ses_1", 5, VisitState::Active, loaded("/")) };
    assert_eq!(world.store.visits.record(unknown).await, Err(Error::NotFound(What::NodeEpoch)));
}

async fn only_the_last_pages_and_actions_are_kept(world: World) {
    begin(&world, "1", 1).await;
    let kept = usize::try_from(VISIT_KEPT).unwrap();
    for turn in 1..=VISIT_KEPT {
        load(&world, "ses_1", turn).await.unwrap();
        let act = Arose::Done { action: format!("a{turn}"), element: "e".into() };
        world.store.visits.record(recording(&world, "ses_1", turn, VisitState::Active, act)).await.unwrap();
    }
    let (store, tenant) = (&world.store.visits, world.tenant);
    let ends = async || {
        let (pages, actions) =
            (store.pages(tenant, 1).await.unwrap(), store.actions(tenant, 1).await.unwrap());
        assert_eq!((pages.len(), actions.len()), (kept, kept));
        (pages[0].number, pages[kept - 1].number, actions[0].number, actions[kept - 1].number)
    };
    assert_eq!(ends().await, (1, VISIT_KEPT, 1, VISIT_KEPT));
    load(&world, "ses_1", 900).await.unwrap();
    let act = Arose::Done { action: "one over".into(), element: String::new() };
    world.store.visits.record(recording(&world, "ses_1", 901, VisitState::Active, act)).await.unwrap();
    assert_eq!(ends().await, (2, VISIT_KEPT + 1, 2, VISIT_KEPT + 1));
    assert_eq!(visit(&world, "ses_1").await.page_count, VISIT_KEPT + 1, "the numbers go on");
}

async fn time_on_a_page_is_what_passed_or_less(world: World) {
    begin(&world, "1", 1).await;
    load(&world, "ses_1", 1).await.unwrap();
    let open = async |turn: i64, said_ms: Option<i64>| {
        let opened = Arose::Opened { page: format!("/{turn}"), said_ms };
        let opened = recording(&world, "ses_1", turn, VisitState::Active, opened);
        world.store.visits.record(opened).await.unwrap().visit.spent_ms
    };
    assert_eq!(open(101, None).await, 100, "what passed");
    assert_eq!(open(201, Some(30)).await, 130, "what is said, if it is less");
    assert_eq!(open(301, Some(i64::MAX)).await, 230, "never more than passed");
    assert_eq!(open(401, Some(-5)).await, 230);
    let leave = |turn| recording(&world, "ses_1", turn, VisitState::Left, Arose::Leaving);
    assert_eq!(world.store.visits.record(leave(451)).await.unwrap().visit.spent_ms, 280);
    let back = load(&world, "ses_1", 900_000).await.unwrap().visit;
    assert_eq!((back.spent_ms, back.state), (280, VisitState::Active), "who was away was on no page");
    let spent: Vec<i64> =
        world.store.visits.pages(world.tenant, 1).await.unwrap().iter().map(|page| page.spent_ms).collect();
    assert_eq!(spent, [100, 30, 100, 0, 50, 0]);
}

async fn the_later_decision_stays_in_whatever_order(world: World) {
    begin(&world, "1", 1).await;
    load(&world, "ses_1", 5).await.unwrap();
    let hidden = |turn| recording(&world, "ses_1", turn, VisitState::Idle, Arose::Hidden);
    let late = world.store.visits.record(hidden(4)).await.unwrap().visit;
    assert_eq!(late.state, VisitState::Active);
    let next = world.store.visits.record(hidden(6)).await.unwrap().visit;
    assert_eq!((next.state, next.last_seen), (VisitState::Idle, 1_005), "a hidden page is no activity");
    begin(&world, "2", 2_000).await;
    // Another life counts anew.
    let anew = recording(&world, "ses_1", 1, VisitState::Active, loaded("/"));
    let anew = world.store.visits.record(Recording { epoch: "2".into(), ..anew }).await.unwrap();
    assert_eq!(anew.visit.state, VisitState::Active);
}

async fn whose_it_is_and_nobody_elses(world: World) {
    begin(&world, "1", 1).await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    load(&world, "ses_1", 1).await.unwrap();
    let by = |turn, person, any| Recording {
        person,
        any,
        ..recording(&world, "ses_1", turn, VisitState::Active, loaded("/"))
    };
    let own = world.store.visits.record(by(2, Some(ann.id), false)).await.unwrap().visit;
    assert_eq!(own.person, Some(ann.id), "who signs in is known from then on");
    for other in [None, Some(bob.id)] {
        assert_eq!(world.store.visits.record(by(3, other, false)).await, Err(Error::NotOwner));
    }
    let by_staff = world.store.visits.record(by(4, Some(bob.id), true)).await.unwrap().visit;
    assert_eq!((by_staff.person, by_staff.page_count), (Some(ann.id), 3));
}

async fn many_tabs_at_once_make_one_visit(world: World) {
    begin(&world, "1", 1).await;
    let loads = (1..=50).map(|turn| load(&world, "ses_1", turn));
    let created = futures::future::join_all(loads).await;
    assert_eq!(created.iter().filter(|made| made.as_ref().unwrap().created).count(), 1);
    assert_eq!(visit(&world, "ses_1").await.page_count, 50);
    assert_eq!(world.store.visits.pages(world.tenant, 1).await.unwrap().len(), 50);
}

async fn who_is_connected_is_listed_however_long_ago(world: World) {
    begin(&world, "1", 1).await;
    for (turn, key) in (1..).zip(["connected", "told", "left"]) {
        load(&world, key, turn).await.unwrap();
    }
    let told =
        Recording { connected: false, ..recording(&world, "told", 4, VisitState::Active, Arose::Hidden) };
    world.store.visits.record(told).await.unwrap();
    world.store.visits.record(recording(&world, "left", 5, VisitState::Left, Arose::Leaving)).await.unwrap();
    let keys = async |state, seen_since| {
        let listed = Listed { state, seen_since };
        let visits = world.store.visits.list(world.tenant, listed, None, 10).await.unwrap();
        visits.into_iter().map(|visit| visit.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(None, None).await, ["told", "connected"], "the latest seen first");
    assert_eq!(keys(None, Some(1_000_000)).await, ["connected"]);
    assert_eq!(keys(Some(VisitState::Idle), None).await, [""; 0]);
    assert_eq!(keys(Some(VisitState::Left), None).await, ["left"]);
    assert_eq!(keys(Some(VisitState::Left), Some(1_000_000)).await, [""; 0]);
    let silent = world.store.visits.let_go_silent(1_000_000).await.unwrap();
    assert_eq!(silent.len(), 1, "nobody says any more that they are there");
    assert_eq!(keys(None, None).await, ["connected"]);
}

async fn pages_of_a_list_give_each_once(world: World) {
    begin(&world, "1", 1).await;
    for number in 0..7 {
        // Some were seen at the same moment.
        load(&world, &format!("ses_{number}"), number / 2).await.unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = world.store.visits.list(world.tenant, Listed::default(), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.last_seen, last.number));
        seen.extend(page.into_iter().map(|visit| visit.number));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

async fn what_a_life_that_is_over_left_is_let_go(world: World) {
    begin(&world, "1", 1).await;
    for (turn, key) in (1..).zip(["stays away", "comes back"]) {
        load(&world, key, turn).await.unwrap();
    }
    assert_eq!(world.store.visits.let_go_left_over().await, Ok(vec![]), "it lives");
    begin(&world, "2", 2_000).await;
    let back = recording(&world, "comes back", 1, VisitState::Active, loaded("/"));
    world.store.visits.record(Recording { epoch: "2".into(), ..back }).await.unwrap();
    assert_eq!(world.store.visits.let_go_left_over().await, Ok(vec![(world.tenant, 1)]));
    assert_eq!(world.store.visits.let_go_left_over().await, Ok(vec![]));
    let gone = visit(&world, "stays away").await;
    assert_eq!((gone.state, gone.connected, gone.last_seen), (VisitState::Left, false, 1_001));
    assert_eq!(visit(&world, "comes back").await.state, VisitState::Active);
}

async fn what_is_old_goes_and_what_is_there_stays(world: World) {
    begin(&world, "1", 1).await;
    for (turn, key) in (1..).zip(["there", "left"]) {
        load(&world, key, turn).await.unwrap();
    }
    world.store.visits.record(recording(&world, "left", 5, VisitState::Left, Arose::Leaving)).await.unwrap();
    assert_eq!(world.store.visits.sweep(world.tenant, 1_005).await, Ok(false), "not older");
    assert_eq!(world.store.visits.sweep(world.tenant, 1_006).await, Ok(true));
    assert_eq!(world.store.visits.sweep(world.tenant, 1_006).await, Ok(false));
    assert_eq!(world.store.visits.by_key(world.tenant, "left").await, Err(Error::NotFound(What::Visit)));
    assert_eq!(world.store.visits.pages(world.tenant, 2).await, Ok(vec![]));
    assert_eq!(visit(&world, "there").await.number, 1);
    assert_eq!(load(&world, "left", 7).await.unwrap().visit.number, 3, "numbers outlive content");
}

async fn what_is_a_persons_is_exported_and_goes_with_them(world: World) {
    begin(&world, "1", 1).await;
    let ann = world.user("ann").await;
    for (turn, person) in [(1, Some(ann.id)), (2, Some(ann.id)), (3, None)] {
        let own = recording(&world, &format!("ses_{turn}"), turn, VisitState::Active, loaded("/"));
        world.store.visits.record(Recording { person, ..own }).await.unwrap();
    }
    let mut traces = world.store.persons.traces(world.tenant, ann.id);
    let mut keys = Vec::new();
    while let Some(page) = traces.next().await.unwrap() {
        keys.extend(page.into_iter().filter_map(|trace| match trace {
            Trace::Visit { visit, pages, .. } => Some((visit.key, pages.len())),
            _ => None,
        }));
    }
    assert_eq!(keys, [("ses_1".to_owned(), 1), ("ses_2".to_owned(), 1)]);

    crate::erase::erase(&world, ann.id, false).await;
    assert_eq!(world.store.visits.by_key(world.tenant, "ses_1").await, Err(Error::NotFound(What::Visit)));
    assert_eq!(world.store.visits.pages(world.tenant, 2).await, Ok(vec![]));
    assert_eq!(visit(&world, "ses_3").await.person, None);
}
