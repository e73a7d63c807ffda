//! Visits over a real store: who may record what, what is told, and what a restart leaves.

use parlor_api::v1::{VisitState, record_visit_request::Event};
use tokio::sync::mpsc;

use super::*;
use crate::{
    caller::{Caller, Principal},
    page::Pages,
    presence::tests::World,
};

type Heard = mpsc::Receiver<v1::VisitChanged>;

fn says(visit_key: &str, event: Event) -> v1::RecordVisitRequest {
    v1::RecordVisitRequest { visit_key: visit_key.into(), event: Some(event) }
}

fn load(visit_key: &str, page: &str) -> v1::RecordVisitRequest {
    says(visit_key, Event::Connected(v1::VisitConnected { page: page.into(), ..Default::default() }))
}

fn caller(principal: Principal, connection: &str) -> Caller {
    Caller {
        principal: Some(Arc::new(principal)),
        edge: !connection.is_empty(),
        connection: connection.into(),
        peer: "192.0.2.7".into(),
        ..Caller::default()
    }
}

fn guest(world: &World, connection: &str) -> Caller {
    caller(world.guest(), connection)
}

/// The next change, when the window is over.
async fn told(world: &World, heard: &mut Heard) -> v1::Visit {
    let next = world.while_time_goes_by(heard.recv());
    next.await.unwrap().visit.unwrap()
}

async fn state(world: &World, visits: &Visits, key: &str) -> VisitState {
    let visit = visits.store.visits.by_key(world.tenant, key).await.unwrap();
    convert::state(visit.state)
}

#[tokio::test]
async fn many_tabs_are_one_visit_that_ends_with_the_last() {
    let world = World::new().await;
    let (presence, mut heard) = world.visited("1").await;
    let visits = presence.visits();
    let tabs: Vec<_> = ["1", "2"].iter().map(|name| visits.attach(&(*name).into())).collect();
    assert!(visits.record(&guest(&world, "1"), load("ses_1", "/")).await.unwrap().created);
    assert!(!visits.record(&guest(&world, "2"), load("ses_1", "/b")).await.unwrap().created);
    // On a slow machine the first window is over before the second page is stored.
    let seen = loop {
        let seen = told(&world, &mut heard).await;
        if seen.page_count == 2 {
            break seen;
        }
    };
    assert_eq!((seen.connections, seen.current_page.as_str()), (2, "/b"));
    assert_eq!(seen.profile.unwrap().ip_address, "192.0.2.7", "as the server sees it");

    let mut tabs = tabs.into_iter();
    drop(tabs.next());
    assert_eq!(state(&world, visits, "ses_1").await, VisitState::Active);
    drop(tabs.next());
    loop {
        let seen = told(&world, &mut heard).await;
        if seen.state() == VisitState::Left {
            break assert_eq!(seen.connections, 0);
        }
    }
    presence.shutdown().await;
}

#[tokio::test]
async fn many_changes_within_the_window_are_told_as_one() {
    const MANY: u64 = 60;
    let world = World::new().await;
    let (presence, mut heard) = world.visited("1").await;
    let visits = presence.visits();
    let (began, guest) = (world.clock.now(), guest(&world, ""));
    let loads = (0..MANY).map(|number| visits.record(&guest, load("ses_1", &format!("/{number}"))));
    for loaded in futures::future::join_all(loads).await {
        loaded.unwrap();
    }
    let (mut told, mut revisions) = (0, Vec::new());
    loop {
        let changed = world.while_time_goes_by(heard.recv()).await.unwrap();
        told += 1;
        revisions.push(changed.revision);
        if changed.visit.unwrap().page_count == MANY {
            break;
        }
    }
    // However slow this machine is: one in each window that has passed, and the first.
    let windows = (world.clock.now() - began) / WINDOW_MS;
    assert!(told <= windows + 1, "{told} in {windows} windows");
    assert!(revisions.windows(2).all(|pair| pair[1] == pair[0] + 1), "without gaps: {revisions:?}");
    presence.shutdown().await;
}

#[tokio::test]
async fn a_crash_leaves_nobody_connected_for_ever_and_a_restart_shows_nobody_leaving() {
    let world = World::new().await;
    let (first, _heard) = world.visited("1").await;
    let _tabs = ["a", "b"].map(|name| first.visits().attach(&name.into()));
    first.visits().record(&guest(&world, "a"), load("ses_a", "/")).await.unwrap();
    first.visits().record(&guest(&world, "b"), load("ses_b", "/")).await.unwrap();
    // As if it were killed: it says no goodbye, and does nothing any more. Two that live would race to let the same visit go.
    first.shutdown().await;
    let (second, mut heard) = world.visited("2").await;
    let _back = second.visits().attach(&"b2".into());
    second.visits().record(&guest(&world, "b2"), load("ses_b", "/")).await.unwrap();
    assert_eq!(state(&world, second.visits(), "ses_a").await, VisitState::Active);
    loop {
        let seen = told(&world, &mut heard).await;
        match seen.key.as_str() {
            "ses_a" => break assert_eq!(seen.state(), VisitState::Left),
            key => assert_eq!((key, seen.state()), ("ses_b", VisitState::Active)),
        }
    }
    assert_eq!(state(&world, second.visits(), "ses_b").await, VisitState::Active);
    second.shutdown().await;
}

#[tokio::test]
async fn who_may_record_and_see_what() {
    let world = World::new().await;
    let (presence, _heard) = world.visited("1").await;
    let (visits, pages) = (presence.visits(), Pages::new(b"a secret of the installation"));
    let _tabs = ["evil", "ann"].map(|name| visits.attach(&name.into()));
    let ann = || caller(world.customer(), "ann");
    visits.record(&ann(), load("ses_ann", "/")).await.unwrap();
    let leave = || says("ses_ann", Event::Leave(v1::VisitLeave {}));
    assert_eq!(visits.record(&guest(&world, "evil"), leave()).await, Err(Error::NotOwner));
    assert_eq!(visits.record(&guest(&world, ""), leave()).await, Err(Error::NotOwner));
    visits.record(&guest(&world, "evil"), load("ses_evil", "/")).await.unwrap();
    visits.record(&guest(&world, ""), load("ses_3", "/")).await.unwrap();
    let foreign = visits.record(&guest(&world, "evil"), load("ses_3", "/")).await;
    assert_eq!(foreign, Err(Error::NotOwner), "a connection records one visit");
    for caller in [ann(), guest(&world, "evil")] {
        let refused = Error::RoleRequired("staff");
        assert_eq!(visits.list(&pages, &caller, Default::default()).await, Err(refused.clone()));
        assert_eq!(visits.get(&caller, Default::default()).await, Err(refused));
    }
    let staff = caller(world.staff(), "");
    let listed = visits.list(&pages, &staff, v1::ListVisitsRequest { page_size: 2, ..Default::default() });
    let listed = listed.await.unwrap();
    assert_eq!(listed.visits.len(), 2);
    let rest =
        v1::ListVisitsRequest { page_size: 2, page_token: listed.next_page_token, ..Default::default() };
    let rest = visits.list(&pages, &staff, rest).await.unwrap();
    assert_eq!((rest.visits.len(), rest.next_page_token.as_str()), (1, ""));
    let by_key = v1::GetVisitRequest { name: Some(v1::get_visit_request::Name::Key("ses_ann".into())) };
    let whole = visits.get(&staff, by_key).await.unwrap();
    assert_eq!((whole.pages.len(), whole.actions.len()), (1, 0));
    assert_eq!(whole.visit.unwrap().person.unwrap().user_id, world.ann.id.to_string());
    presence.shutdown().await;
}

#[tokio::test]
async fn hostile_words_change_nothing() {
    let world = World::new().await;
    let (presence, mut heard) = world.visited("1").await;
    let visits = presence.visits();
    let long = "k".repeat(129);
    for key in ["", "a b", "{\"$ne\":null}", "é", "a\0b", long.as_str()] {
        let refused = visits.record(&guest(&world, ""), load(key, "/")).await;
        assert!(matches!(refused, Err(Error::Field { field: "visit_key", .. })), "{key:?}");
    }
    visits.record(&guest(&world, ""), load(&"k".repeat(128), "/")).await.unwrap();
    let nothing = v1::RecordVisitRequest { visit_key: "ses".into(), event: None };
    for request in [
        nothing,
        load("ses", ""),
        says("ses", Event::Action(v1::VisitAction::default())),
        says("ses", Event::Page(v1::VisitPage::default())),
    ] {
        let refused = visits.record(&guest(&world, ""), request).await;
        assert!(matches!(refused, Err(Error::Field { .. })), "{refused:?}");
    }
    for event in [Event::Idle(v1::VisitIdle {}), Event::Leave(v1::VisitLeave {})] {
        let unknown = visits.record(&guest(&world, ""), says("ses", event)).await;
        assert_eq!(unknown, Err(Error::NotFound(parlor_store::What::Visit)));
    }
    assert_eq!(told(&world, &mut heard).await.key.len(), 128);
    assert!(heard.try_recv().is_err());
    presence.shutdown().await;
}

#[tokio::test]
async fn an_address_that_makes_up_visits_comes_to_an_end() {
    let world = World::new().await;
    let (presence, _heard) = world.visited("1").await;
    let visits = presence.visits();
    let guests = guest(&world, "");
    let begun =
        (0..NEW_VISITS.burst).map(|number| visits.record(&guests, load(&format!("ses_{number}"), "/")));
    for begun in futures::future::join_all(begun).await {
        begun.unwrap();
    }
    // Some have come back while those were stored.
    let mut over = Ok(v1::RecordVisitResponse::default());
    for number in 0..NEW_VISITS.burst {
        over = visits.record(&guest(&world, ""), load(&format!("over_{number}"), "/")).await;
        if over.is_err() {
            break;
        }
    }
    assert!(matches!(over, Err(Error::RateLimited { .. })), "{over:?}");
    visits.record(&caller(world.staff(), ""), load("of_staff", "/")).await.unwrap();
    presence.shutdown().await;
}
