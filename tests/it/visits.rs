//! Visits through the whole program: a visitor records, staff are told, and nobody else is.

use parlor_api::v1::{self, event::Payload, record_visit_request::Event};
use parlor_tests::{Plan, matrix, soon};
use tonic::{Code, Streaming};

matrix!(staff_see_who_visits_and_nobody_else_does, who_is_online_is_counted_and_filtered);

async fn told(watch: &mut Streaming<v1::WatchVisitsResponse>) -> Payload {
    soon("a change", watch.message()).await.unwrap().unwrap().event.unwrap().payload.unwrap()
}

async fn staff_see_who_visits_and_nobody_else_does(plan: Plan) {
    let world = plan.start().await;
    let (ann, sam) = (world.person("customer"), world.person("staff"));
    let mut visitor = world.clients(&ann.token).await.presence();
    let mut staff = world.clients(&sam.token).await.presence();
    let mut watch = staff.watch_visits(v1::WatchVisitsRequest {}).await.unwrap().into_inner();
    let Payload::VisitSnapshot(snapshot) = told(&mut watch).await else { panic!("not a snapshot") };
    assert_eq!(snapshot.visits, []);

    let says = |event| v1::RecordVisitRequest { visit_key: "ses_1".into(), event: Some(event) };
    let load = || Event::Connected(v1::VisitConnected { page: "/pricing".into(), ..Default::default() });
    assert!(visitor.record_visit(says(load())).await.unwrap().into_inner().created);
    let Payload::VisitChanged(changed) = told(&mut watch).await else { panic!("not a change") };
    let visit = changed.visit.unwrap();
    assert_eq!((visit.key.as_str(), visit.state()), ("ses_1", v1::VisitState::Active));
    assert_eq!(visit.person.unwrap().username, ann.username);

    let listed = staff.list_visits(v1::ListVisitsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.visits.len(), 1);
    let named = || v1::GetVisitRequest { name: Some(v1::get_visit_request::Name::Id(visit.id.clone())) };
    let whole = staff.get_visit(named()).await.unwrap().into_inner();
    assert_eq!(whole.pages[0].page, "/pricing");
    visitor.record_visit(says(Event::Leave(v1::VisitLeave {}))).await.unwrap();
    loop {
        let Payload::VisitChanged(changed) = told(&mut watch).await else { panic!("not a change") };
        if changed.visit.unwrap().state() == v1::VisitState::Left {
            break;
        }
    }

    let eve = world.person("customer");
    let mut other = world.clients(&eve.token).await.presence();
    let refused = [
        visitor.list_visits(v1::ListVisitsRequest::default()).await.map(drop).unwrap_err(),
        visitor.get_visit(named()).await.map(drop).unwrap_err(),
        visitor.watch_visits(v1::WatchVisitsRequest {}).await.map(drop).unwrap_err(),
        other.record_visit(says(load())).await.map(drop).unwrap_err(),
    ];
    assert!(refused.iter().all(|status| status.code() == Code::PermissionDenied), "{refused:?}");
}

async fn who_is_online_is_counted_and_filtered(plan: Plan) {
    use v1::attend_request::Command;
    let world = plan.start().await;
    let mut open = Vec::new();
    let mut last = None;
    for _ in 0..3 {
        let person = world.person("staff");
        let mut presence = world.clients(&person.token).await.presence();
        let attach =
            v1::AttendRequest { number: 1, command: Some(Command::Attach(v1::AttendAttach::default())) };
        let commands = futures::StreamExt::chain(futures::stream::iter([attach]), futures::stream::pending());
        let mut answers = presence.attend(commands).await.unwrap().into_inner();
        soon("the answer", answers.message()).await.unwrap().unwrap();
        open.push(answers);
        last = Some(presence);
    }
    let mut presence = last.unwrap();
    let away = v1::Availability::Away.into();
    let chosen = v1::SetAvailabilityRequest { availability: away, ..Default::default() };
    let chosen = presence.set_availability(chosen).await.unwrap().into_inner().presence.unwrap();
    assert_eq!((chosen.reachable, chosen.availability()), (true, v1::Availability::Away));
    let mut list = async |page_size, availability| {
        let request = v1::ListOnlineRequest { page_size, availability, ..Default::default() };
        let page = presence.list_online(request).await.unwrap().into_inner();
        (page.presences.len(), page.total, page.next_page_token.is_empty())
    };
    assert_eq!(list(2, 0).await, (2, 3, false), "those of all pages are counted");
    assert_eq!(list(2, away).await, (1, 1, true));
    assert_eq!(list(2, v1::Availability::Available.into()).await, (2, 2, true));
    assert_eq!(list(2, v1::Availability::Off.into()).await, (0, 0, true));
}
