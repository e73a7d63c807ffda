//! Sessions through the whole core: what each kind of caller is answered and told.

use std::time::Duration;

use parlor_api::{
    failure,
    limits::RATE_PER_MINUTE,
    v1::{
        self, chat_service_client::ChatServiceClient, event::Payload, provider_ref,
        request_session_request::Responder, session_ref, session_service_client::SessionServiceClient,
    },
};
use tonic::{Code, Streaming};

use crate::{
    Service,
    clock::Clock,
    offset::Offsets,
    testing::{Metadata, OPERATOR, World, bearer, call},
};

mod conduct;
mod metering;
mod private;
mod refusals;

const ADMIN: Metadata<'static> = &[("authorization", OPERATOR), ("parlor-tenant", "shop")];

fn sessions(world: &World) -> SessionServiceClient<Service> {
    SessionServiceClient::new(world.core.routes())
}

/// A provider and a payer, and their tokens.
struct Pair {
    pam: v1::User,
    pam_token: String,
    ann: v1::User,
    ann_token: String,
}

impl Pair {
    async fn of(world: &World) -> Self {
        let (pam, pam_token) = world.somebody("shop", v1::Role::Provider).await;
        let (ann, ann_token) = world.somebody("shop", v1::Role::Customer).await;
        sessions(world).upsert_provider(call(provider(&pam.id), ADMIN)).await.unwrap();
        Self { pam, pam_token, ann, ann_token }
    }

    /// Ann asks Pam.
    async fn request(&self, world: &World) -> v1::Session {
        let request = call(asking(&self.pam.id), &[bearer(&self.ann_token)]);
        sessions(world).request_session(request).await.unwrap().into_inner().session.unwrap()
    }

    /// Pam accepts.
    async fn accept(&self, world: &World, session: &v1::Session) -> v1::Session {
        let accept = v1::AcceptSessionRequest { session: named(session), ..Default::default() };
        let accept = call(accept, &[bearer(&self.pam_token)]);
        sessions(world).accept_session(accept).await.unwrap().into_inner().session.unwrap()
    }
}

fn provider(id: &str) -> v1::UpsertProviderRequest {
    let rate = |kind: v1::SessionKind| v1::SessionRate { kind: kind.into(), per_minute: 10 };
    let provider = v1::Provider {
        person: Some(v1::Person { user_id: id.to_owned(), ..Default::default() }),
        catalogue_id: "64b0".into(),
        catalogue_json: r#"{"expertise":"palms"}"#.into(),
        rates: vec![rate(v1::SessionKind::Chat), rate(v1::SessionKind::Audio)],
        ..Default::default()
    };
    v1::UpsertProviderRequest { provider: Some(provider), ..Default::default() }
}

fn asking(id: &str) -> v1::RequestSessionRequest {
    let name = Some(provider_ref::Name::UserId(id.to_owned()));
    v1::RequestSessionRequest {
        kind: v1::SessionKind::Chat.into(),
        responder: Some(Responder::Provider(v1::ProviderRef { name })),
        topic: "love".into(),
        ..Default::default()
    }
}

fn named(session: &v1::Session) -> Option<v1::SessionRef> {
    Some(v1::SessionRef { name: Some(session_ref::Name::Id(session.id.clone())) })
}

async fn watch(world: &World, token: &str) -> Streaming<v1::WatchSessionsResponse> {
    let request = call(v1::WatchSessionsRequest {}, &[bearer(token)]);
    sessions(world).watch_sessions(request).await.unwrap().into_inner()
}

async fn next(watch: &mut Streaming<v1::WatchSessionsResponse>) -> Payload {
    let next = tokio::time::timeout(Duration::from_secs(20), watch.message()).await.expect("an event");
    next.unwrap().unwrap().event.unwrap().payload.unwrap()
}

async fn snapshot(watch: &mut Streaming<v1::WatchSessionsResponse>) -> Vec<v1::Session> {
    match next(watch).await {
        Payload::SessionsSnapshot(snapshot) => snapshot.sessions,
        other => panic!("{other:?}"),
    }
}

async fn changed(watch: &mut Streaming<v1::WatchSessionsResponse>) -> (v1::SessionState, v1::Session) {
    match next(watch).await {
        Payload::SessionChanged(changed) => (changed.state(), changed.session.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_connects_later_is_told_what_they_were_asked_for_and_then_every_change() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let mut ann = watch(&world, &pair.ann_token).await;
    assert_eq!(snapshot(&mut ann).await, []);
    let asked = pair.request(&world).await;
    assert_eq!((asked.state(), asked.rate_per_minute), (v1::SessionState::Pending, 10));
    assert_eq!(asked.payer.as_ref().unwrap().user_id, pair.ann.id);
    let mut pam = watch(&world, &pair.pam_token).await;
    let shown = snapshot(&mut pam).await;
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].id.as_str(), shown[0].topic.as_str()), (asked.id.as_str(), "love"));
    assert_eq!(shown[0].payer.as_ref().unwrap().username, "", "nobody's sign-in is told");

    let active = pair.accept(&world, &asked).await;
    assert!(!active.conversation_id.is_empty());
    let end = v1::EndSessionRequest { session: named(&asked), note: "bye".into(), ..Default::default() };
    sessions(&world).end_session(call(end, &[bearer(&pair.ann_token)])).await.unwrap();
    assert_eq!(changed(&mut ann).await.0, v1::SessionState::Pending);
    for watch in [&mut ann, &mut pam] {
        assert_eq!(changed(watch).await.0, v1::SessionState::Active);
        let (state, session) = changed(watch).await;
        assert_eq!((state, session.note.as_str()), (v1::SessionState::Ended, "bye"));
        assert_eq!(session.end_reason(), v1::SessionEndReason::Party);
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let mut pam = watch(&world, &pair.pam_token).await;
    snapshot(&mut pam).await;
    let asked = pair.request(&world).await;
    assert_eq!(changed(&mut pam).await.0, v1::SessionState::Pending);
    world.clock.advance(Duration::from_secs(120));
    let (state, session) = changed(&mut pam).await;
    assert_eq!((state, session.id), (v1::SessionState::Expired, asked.id));
    assert_eq!((session.end_time, session.ended_by.as_str()), (asked.expire_time, ""));
    pair.request(&world).await;
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_restart_between_a_request_and_its_end_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    parlor_migration::up(&url).await.unwrap();
    let clock = Clock::default();
    let world = World::at(&url, &clock).await;
    let pair = Pair::of(&world).await;
    let asked = pair.request(&world).await;
    world.core.shutdown().await;
    clock.advance(Duration::from_secs(121));
    let world = World::at(&url, &clock).await;
    let pam = world.token_of("shop", &pair.pam).await.token;
    let mut watching = watch(&world, &pam).await;
    let left = snapshot(&mut watching).await;
    if !left.is_empty() {
        assert_eq!(changed(&mut watching).await.0, v1::SessionState::Expired);
    }
    let get = v1::GetSessionRequest { session: named(&asked) };
    let session = sessions(&world).get_session(call(get, ADMIN)).await.unwrap().into_inner().session.unwrap();
    assert_eq!(session.state(), v1::SessionState::Expired);
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let request = || v1::RequestSessionRequest { request_id: "once".into(), ..asking(&pair.pam.id) };
    let ask = async |request| {
        let request = call(request, &[bearer(&pair.ann_token)]);
        sessions(&world).request_session(request).await.map(|answer| answer.into_inner().session.unwrap())
    };
    let first = ask(request()).await.unwrap();
    assert_eq!(ask(request()).await.unwrap(), first);
    let other = v1::RequestSessionRequest { topic: "money".into(), ..request() };
    assert_eq!(failure::reason(&ask(other).await.unwrap_err()), v1::Reason::RequestIdReused);
    let end = || v1::EndSessionRequest {
        session: named(&first),
        or_withdraw: true,
        request_id: "end".into(),
        ..Default::default()
    };
    for _ in 0..2 {
        let end = call(end(), &[bearer(&pair.ann_token)]);
        let ended = sessions(&world).end_session(end).await.unwrap().into_inner().session.unwrap();
        assert_eq!(ended.state(), v1::SessionState::Cancelled);
    }
    world.core.shutdown().await;
}
