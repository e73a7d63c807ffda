//! Sessions: one state machine, whoever asks at the same moment, and nobody in two that exclude each other.

use std::{collections::HashSet, sync::Arc};

use parlor_store::{
    ConversationStatus, EndReason, Error, Mutation, NewSession, Once, ProviderFilter, ProviderUpsert, Rates,
    RequestKey, SeenBy, Session, SessionFilter, SessionKind, SessionMove, SessionPolicy, SessionState, Side,
    Step, Subject, Unique, User, What,
};
use sea_orm::{ConnectionTrait, Database};
use tokio::task::JoinSet;

use crate::world::{World, cause, customer, guest, named, new_message};

mod metering;
mod property;

crate::stories!(
    a_session_is_asked_for_accepted_and_ended,
    one_of_many_who_accept_at_once_wins_however_often,
    who_ends_at_the_same_moment_ends_once,
    a_request_of_many_callers_happens_once,
    a_request_that_is_over_is_not_accepted,
    two_people_have_one_live_session,
    only_who_is_meant_moves_it,
    a_payer_is_exclusive_where_the_tenant_says_so,
    an_invitation_reserves_nobody_and_staff_see_it,
    what_is_said_after_the_end_is_refused_and_what_was_said_before_is_answered,
    providers_are_found_by_what_they_offer,
    the_schema_holds_what_the_rules_say,
    who_is_erased_is_in_no_session_any_more,
    there_is_room_for_so_many_requests_and_no_more,
);

const RATES: Rates = Rates { chat: Some(10), audio: Some(20), video: None };
const LIFETIME: i64 = 120_000;

async fn provider(world: &World, name: &str) -> User {
    let user = world.user(name).await;
    let wanted = upsert(world, &user, None);
    world.store.apply(Mutation::upsert_provider(wanted)).await.unwrap();
    user
}

fn upsert(world: &World, user: &User, catalogue_id: Option<&str>) -> ProviderUpsert {
    ProviderUpsert {
        tenant: world.tenant,
        user: user.id,
        catalogue_id: catalogue_id.map(str::to_owned),
        headline: "reads palms".into(),
        catalogue: "{}".into(),
        rates: RATES,
        accepts_requests: None,
        at: 1,
    }
}

fn wanted(world: &World, payer: &User, provider: &User, at: i64) -> NewSession {
    NewSession {
        cause: cause(world.tenant, customer(payer), at),
        kind: SessionKind::Chat,
        payer: payer.id,
        provider: provider.id,
        offered: false,
        topic: "love".into(),
        intake: "born at noon".into(),
    }
}

async fn request(world: &World, payer: &User, provider: &User, at: i64) -> Result<Session, Error> {
    world.store.apply(Mutation::request_session(wanted(world, payer, provider, at))).await
}

fn step(world: &World, session: &Session, by: Option<&User>, what: SessionMove, at: i64) -> Step {
    let author = by.map_or_else(guest, customer);
    Step {
        cause: cause(world.tenant, author, at),
        id: session.id,
        what,
        administers: false,
        note: String::new(),
    }
}

async fn make(
    world: &World,
    session: &Session,
    by: &User,
    what: SessionMove,
    at: i64,
) -> Result<Session, Error> {
    world.store.apply(Mutation::move_session(step(world, session, Some(by), what, at))).await
}

/// The states that a session came into, as they were told.
fn told(world: &World, session: &Session) -> Vec<SessionState> {
    let of = Subject::from(session.id);
    let heard = world.heard();
    let mut events: Vec<_> = heard.iter().filter(|event| event.subject == of).collect();
    events.sort_by_key(|event| event.sequence);
    let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    let state = |event: &&Arc<parlor_store::StoredEvent>| match &event.body {
        parlor_store::EventBody::Encoded { kind, .. } => SessionState::of_event(*kind).unwrap(),
        parlor_store::EventBody::Message(_) => panic!("a message"),
    };
    events.iter().map(state).collect()
}

async fn a_session_is_asked_for_accepted_and_ended(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let asked = request(&world, &ann, &pam, 1_000).await.unwrap();
    assert_eq!((asked.state, asked.rate, asked.number), (SessionState::Pending, 10, 1));
    assert_eq!(asked.expires_at, 1_000 + LIFETIME);
    assert_eq!(asked.provider.as_ref().unwrap().id, pam.id);
    let (live, position) = world.store.sessions.live_of(world.tenant, pam.id).await.unwrap();
    assert_eq!((live, position), (vec![asked.clone()], 1), "who comes later is told");

    let active = make(&world, &asked, &pam, SessionMove::Accept, 2_000).await.unwrap();
    assert_eq!((active.state, active.accepted_at), (SessionState::Active, Some(2_000)));
    let room = active.conversation_id.unwrap();
    let room = world.store.chat.conversation(world.tenant, room).await.unwrap();
    assert_eq!((room.seen_by, room.owner_id), (SeenBy::Nobody, Some(ann.id)));
    assert!(world.store.chat.takes_part(world.tenant, room.id, pam.id).await.unwrap());
    assert!(world.store.sessions.provider(world.tenant, pam.id).await.unwrap().busy);

    let ended = make(&world, &asked, &ann, SessionMove::End, 62_000).await.unwrap();
    assert_eq!((ended.state, ended.end_reason), (SessionState::Ended, Some(EndReason::Party)));
    assert_eq!((ended.ended_at, ended.ended_by), (Some(62_000), Some(ann.id)));
    assert!(!world.store.sessions.provider(world.tenant, pam.id).await.unwrap().busy);
    assert_eq!(world.store.sessions.live_of(world.tenant, ann.id).await.unwrap().0, []);
    let room = world.store.chat.conversation(world.tenant, room.id).await.unwrap();
    assert_eq!(room.status, ConversationStatus::Closed);
    use SessionState::{Active, Ended, Pending};
    assert_eq!(told(&world, &asked), [Pending, Active, Ended]);

    let again = make(&world, &asked, &pam, SessionMove::End, 63_000).await;
    assert_eq!(again, Err(Error::SessionState(Ended)));
    let revived = make(&world, &asked, &pam, SessionMove::Accept, 63_000).await;
    assert_eq!(revived, Err(Error::SessionState(Ended)));
    let kept = world.store.log.subject_events(world.tenant, asked.id, 0, 10).await.unwrap();
    assert_eq!(kept.len(), 3);
}

/// Contenders, each with a request of a payer of their own to the one provider.
const CONTENDERS: usize = 64;
const ROUNDS: i64 = 4;

async fn one_of_many_who_accept_at_once_wins_however_often(world: World) {
    let pam = provider(&world, "pam").await;
    let mut asked = Vec::new();
    for number in 0..CONTENDERS {
        let payer = world.user(&format!("payer {number}")).await;
        asked.push(request(&world, &payer, &pam, 1_000).await.unwrap());
    }
    for round in 0..ROUNDS {
        let mut accepting = JoinSet::new();
        for session in &asked {
            let accept = step(&world, session, Some(&pam), SessionMove::Accept, 2_000 + round);
            let store = world.store.clone();
            accepting.spawn(async move { store.apply(Mutation::move_session(accept)).await });
        }
        let outcomes = accepting.join_all().await;
        let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "one is active");
        for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(lost, Error::PartyBusy(Side::Provider) | Error::SessionState(_)), "{lost}");
        }
        let active = SessionFilter {
            states: vec![SessionState::Active],
            party: Some(pam.id),
            ..SessionFilter::default()
        };
        assert_eq!(world.store.sessions.list(world.tenant, &active, None, 10).await.unwrap().len(), 1);
        make(&world, won[0], &pam, SessionMove::End, 3_000 + round).await.unwrap();
    }
}

async fn who_ends_at_the_same_moment_ends_once(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    for round in 0..8 {
        let asked = request(&world, &ann, &pam, 1_000 + round).await.unwrap();
        make(&world, &asked, &pam, SessionMove::Accept, 2_000).await.unwrap();
        let mut ending = JoinSet::new();
        for by in [&ann, &pam, &ann, &pam] {
            let (end, store) = (step(&world, &asked, Some(by), SessionMove::End, 3_000), world.store.clone());
            ending.spawn(async move { store.apply(Mutation::move_session(end)).await });
        }
        let ended = ending.join_all().await;
        assert_eq!(ended.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(told(&world, &asked).iter().filter(|state| **state == SessionState::Ended).count(), 1);
    }
}

async fn a_request_of_many_callers_happens_once(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let mut asking = JoinSet::new();
    for _ in 0..32 {
        let key = RequestKey {
            tenant: world.tenant,
            principal: format!("user:{}", ann.id),
            method: "RequestSession",
            request_id: "once".into(),
            payload_hash: [7; 32],
            at: 1_000,
        };
        let (store, new) = (world.store.clone(), wanted(&world, &ann, &pam, 1_000));
        asking.spawn(async move {
            let encode = |session: &Session| session.id.to_string().into_bytes();
            store.apply_once(key, Mutation::request_session(new), encode).await.unwrap()
        });
    }
    let answers: Vec<Once> = asking.join_all().await;
    let ids: HashSet<&[u8]> = answers.iter().map(|once| once.response.as_slice()).collect();
    assert_eq!(ids.len(), 1, "one answer");
    assert_eq!(answers.iter().filter(|once| !once.replayed).count(), 1, "one effect");
    let all = world.store.sessions.list(world.tenant, &SessionFilter::default(), None, 10).await.unwrap();
    assert_eq!(all.len(), 1);
}

async fn a_request_that_is_over_is_not_accepted(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let asked = request(&world, &ann, &pam, 1_000).await.unwrap();
    let over = asked.expires_at;
    assert_eq!(world.store.sessions.next_due().await.unwrap(), Some(over));
    assert_eq!(world.store.sessions.due(over - 1, 10).await.unwrap(), []);
    assert_eq!(
        world.store.sessions.due(over, 10).await.unwrap(),
        [(world.tenant, asked.id, SessionMove::Expire)]
    );
    for what in [SessionMove::Accept, SessionMove::Decline] {
        let late = make(&world, &asked, &pam, what, over).await;
        assert_eq!(late, Err(Error::SessionState(SessionState::Expired)));
    }
    let expire = |at| Mutation::move_session(step(&world, &asked, None, SessionMove::Expire, at));
    let early = world.store.apply(expire(over - 1)).await;
    assert_eq!(early, Err(Error::SessionState(SessionState::Pending)));
    let expired = world.store.apply(expire(over + 9)).await.unwrap();
    assert_eq!((expired.state, expired.ended_at), (SessionState::Expired, Some(over)));
    assert_eq!(world.store.sessions.next_due().await.unwrap(), None);
    assert_eq!(told(&world, &asked), [SessionState::Pending, SessionState::Expired]);
}

async fn two_people_have_one_live_session(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let asked = request(&world, &ann, &pam, 1_000).await.unwrap();
    assert_eq!(request(&world, &ann, &pam, 1_001).await, Err(Error::SessionExists(asked.id)));
    make(&world, &asked, &pam, SessionMove::Accept, 2_000).await.unwrap();
    assert_eq!(request(&world, &ann, &pam, 2_001).await, Err(Error::SessionExists(asked.id)));
    make(&world, &asked, &pam, SessionMove::End, 3_000).await.unwrap();
    assert_eq!(request(&world, &ann, &pam, 3_001).await.unwrap().number, 2);
}

async fn only_who_is_meant_moves_it(world: World) {
    let (ann, pam, eve) = (world.user("ann").await, provider(&world, "pam").await, world.user("eve").await);
    let asked = request(&world, &ann, &pam, 1_000).await.unwrap();
    use SessionMove::{Accept, Cancel, Decline, End, Expire, Leave};
    for (who, what) in [
        (&ann, Accept),
        (&ann, Decline),
        (&pam, Cancel),
        (&eve, Accept),
        (&eve, Decline),
        (&eve, Cancel),
        (&eve, End),
        (&eve, Leave),
        (&ann, Expire),
    ] {
        assert_eq!(make(&world, &asked, who, what, 1_001).await, Err(Error::NotParty), "{what:?}");
    }
    let early = make(&world, &asked, &ann, End, 1_001).await;
    assert_eq!(early, Err(Error::SessionState(SessionState::Pending)));
    let admin = Step { administers: true, ..step(&world, &asked, Some(&eve), Accept, 1_001) };
    assert_eq!(world.store.apply(Mutation::move_session(admin)).await, Err(Error::NotParty));
    let left = make(&world, &asked, &pam, Leave, 1_002).await.unwrap();
    assert_eq!((left.state, left.end_reason), (SessionState::Declined, None));
    let asked = request(&world, &ann, &pam, 2_000).await.unwrap();
    assert_eq!(make(&world, &asked, &ann, Leave, 2_001).await.unwrap().state, SessionState::Cancelled);
    let asked = request(&world, &ann, &pam, 3_000).await.unwrap();
    make(&world, &asked, &pam, Accept, 3_001).await.unwrap();
    let admin = Step { administers: true, ..step(&world, &asked, Some(&eve), End, 3_002) };
    let ended = world.store.apply(Mutation::move_session(admin)).await.unwrap();
    assert_eq!((ended.end_reason, ended.ended_by), (Some(EndReason::Staff), Some(eve.id)));
    let strangers = world.user("stranger").await;
    let unknown = request(&world, &ann, &strangers, 4_000).await;
    assert_eq!(unknown, Err(Error::NotFound(What::Provider)));
    let video = NewSession { kind: SessionKind::Video, ..wanted(&world, &ann, &pam, 4_000) };
    let refused = world.store.apply(Mutation::request_session(video)).await;
    assert_eq!(refused, Err(Error::NotOffered));
    let closed = Mutation::accept_requests(world.tenant, pam.id, false, 5);
    assert!(!world.store.apply(closed).await.unwrap().accepts_requests);
    assert_eq!(request(&world, &ann, &pam, 5_000).await, Err(Error::TakesNoRequests));
    let offer = NewSession {
        cause: cause(world.tenant, customer(&pam), 5_000),
        offered: true,
        ..wanted(&world, &ann, &pam, 5_000)
    };
    let offered = world.store.apply(Mutation::request_session(offer)).await.unwrap();
    assert_eq!(make(&world, &offered, &pam, Accept, 5_001).await, Err(Error::NotParty));
    assert_eq!(make(&world, &offered, &ann, Accept, 5_001).await.unwrap().rate, 10);
}

async fn a_payer_is_exclusive_where_the_tenant_says_so(world: World) {
    let ann = world.user("ann").await;
    let (pam, pia) = (provider(&world, "pam").await, provider(&world, "pia").await);
    let first = request(&world, &ann, &pam, 1_000).await.unwrap();
    let second = request(&world, &ann, &pia, 1_000).await.unwrap();
    make(&world, &first, &pam, SessionMove::Accept, 2_000).await.unwrap();
    let busy = make(&world, &second, &pia, SessionMove::Accept, 2_000).await;
    assert_eq!(busy, Err(Error::PartyBusy(Side::Payer)));
    assert!(!world.store.sessions.provider(world.tenant, pia.id).await.unwrap().busy, "taken back");
    let still = world.store.sessions.session(world.tenant, second.id).await.unwrap();
    assert_eq!((still.state, still.conversation_id), (SessionState::Pending, None));
    let free = SessionPolicy { payers_exclusive: false, request_lifetime_ms: 5_000 };
    world.store.apply(Mutation::set_session_policy(world.tenant, free)).await.unwrap();
    make(&world, &second, &pia, SessionMove::Accept, 2_001).await.unwrap();
    let bob = world.user("bob").await;
    let third = request(&world, &bob, &pam, 3_000).await.unwrap();
    assert_eq!(third.expires_at, 8_000);
    let busy = make(&world, &third, &pam, SessionMove::Accept, 3_001).await;
    assert_eq!(busy, Err(Error::PartyBusy(Side::Provider)), "a provider always is");
}

async fn an_invitation_reserves_nobody_and_staff_see_it(world: World) {
    let (ann, sam) = (world.user("ann").await, world.user("sam").await);
    let invite = NewSession {
        cause: cause(world.tenant, customer(&sam), 1_000),
        kind: SessionKind::Invitation,
        offered: true,
        ..wanted(&world, &ann, &sam, 1_000)
    };
    let asked = world.store.apply(Mutation::request_session(invite)).await.unwrap();
    let active = make(&world, &asked, &ann, SessionMove::Accept, 1_001).await.unwrap();
    assert_eq!(active.rate, 0);
    let room = active.conversation_id.unwrap();
    let room = world.store.chat.conversation(world.tenant, room).await.unwrap();
    assert_eq!(room.seen_by, SeenBy::Staff);
    let pam = provider(&world, "pam").await;
    let paid = request(&world, &ann, &pam, 2_000).await.unwrap();
    make(&world, &paid, &pam, SessionMove::Accept, 2_001).await.unwrap();
}

async fn what_is_said_after_the_end_is_refused_and_what_was_said_before_is_answered(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let asked = request(&world, &ann, &pam, 1_000).await.unwrap();
    let active = make(&world, &asked, &pam, SessionMove::Accept, 2_000).await.unwrap();
    let room = active.conversation_id.unwrap();
    let said = |request: &str| parlor_store::NewMessage {
        access: parlor_store::Access { person: Some(ann.id), staff: false, by_key: false },
        request: Some(named(request, 1)),
        ..new_message(world.tenant, room, customer(&ann), "hello")
    };
    let before = world.store.chat.append(said("before")).await.unwrap();
    make(&world, &asked, &ann, SessionMove::End, 3_000).await.unwrap();
    let after = world.store.chat.append(said("after")).await;
    assert_eq!(after.map(|_| ()), Err(Error::SessionState(SessionState::Ended)));
    let again = world.store.chat.append(said("before")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.message.id, before.message.id);
    let room = world.store.chat.conversation(world.tenant, room).await.unwrap();
    assert_eq!(room.status, ConversationStatus::Closed, "it stays so");
}

async fn providers_are_found_by_what_they_offer(world: World) {
    let (pam, pia) = (provider(&world, "pam").await, provider(&world, "pia").await);
    let listed = async |filter| {
        let found = world.store.sessions.list_providers(world.tenant, filter, None, 10).await.unwrap();
        found.iter().map(|provider| provider.user.id).collect::<Vec<_>>()
    };
    let offers = |kind| ProviderFilter { offers: Some(kind), available: false };
    assert_eq!(listed(offers(SessionKind::Audio)).await, [pam.id, pia.id]);
    assert_eq!(listed(offers(SessionKind::Video)).await, []);
    assert_eq!(listed(ProviderFilter { offers: None, available: true }).await, [], "nobody is online");
    let page = world.store.sessions.list_providers(world.tenant, offers(SessionKind::Chat), Some(pam.id), 1);
    assert_eq!(page.await.unwrap()[0].user.id, pia.id);

    let named = world.store.apply(Mutation::upsert_provider(upsert(&world, &pam, Some("64b0")))).await;
    assert_eq!(named.unwrap().catalogue_id.as_deref(), Some("64b0"));
    let found = world.store.sessions.provider_by_catalogue_id(world.tenant, "64b0").await;
    assert_eq!(found, Ok(pam.id));
    let taken = world.store.apply(Mutation::upsert_provider(upsert(&world, &pia, Some("64b0")))).await;
    assert_eq!(taken.map(|_| ()), Err(Error::AlreadyExists(Unique::CatalogueId)));
}

async fn the_schema_holds_what_the_rules_say(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let asked = request(&world, &ann, &pam, 1_000).await.unwrap();
    make(&world, &asked, &pam, SessionMove::Accept, 2_000).await.unwrap();
    let db = Database::connect(world.place.url()).await.unwrap();
    for broken in [
        "INSERT INTO reservation (tenant, person_id, session_id) SELECT tenant, person_id, session_id FROM reservation",
        "INSERT INTO session SELECT * FROM session",
        "UPDATE session SET state = 7",
        "UPDATE session SET rate = -1",
    ] {
        assert!(db.execute_unprepared(broken).await.is_err(), "{broken}");
    }
    db.close().await.unwrap();
}

async fn who_is_erased_is_in_no_session_any_more(world: World) {
    let (ann, pam) = (world.user("ann").await, provider(&world, "pam").await);
    let first = request(&world, &ann, &pam, 1_000).await.unwrap();
    make(&world, &first, &pam, SessionMove::Decline, 1_001).await.unwrap();
    let second = request(&world, &ann, &pam, 2_000).await.unwrap();
    make(&world, &second, &pam, SessionMove::Accept, 2_001).await.unwrap();
    erase(&world, &ann, 3_000).await;
    let ended = world.store.sessions.session(world.tenant, second.id).await.unwrap();
    assert_eq!((ended.state, ended.end_reason), (SessionState::Ended, Some(EndReason::Erased)));
    assert_eq!((ended.payer_id, ended.provider_id), (None, Some(pam.id)));
    assert_eq!((ended.topic.as_str(), ended.intake.as_str()), ("", ""));
    let first = world.store.sessions.session(world.tenant, first.id).await.unwrap();
    assert_eq!((first.state, first.payer_id), (SessionState::Declined, None));
    assert!(!world.store.sessions.provider(world.tenant, pam.id).await.unwrap().busy);
}

async fn erase(world: &World, person: &User, at: i64) {
    let (tenant, user, whole_conversations) = (world.tenant, person.id, false);
    let mark_of = Arc::new(|_: &parlor_store::Identity| ([1; 32], 4_000));
    let departing = parlor_store::Departing { tenant, user, whole_conversations, at, mark_of };
    let begun_at = world.store.apply(Mutation::begin_erasure(departing)).await.unwrap();
    let erasure = parlor_store::Erasure { tenant, user, whole_conversations, begun_at };
    let mut walk = parlor_store::Walk::new(erasure);
    while !world.store.persons.erase_some(&mut walk, at + 1).await.unwrap() {}
    world.store.persons.end_erasure(erasure).await.unwrap();
}

async fn there_is_room_for_so_many_requests_and_no_more(world: World) {
    let pam = provider(&world, "pam").await;
    for number in 0..parlor_store::PENDING_MAX {
        let payer = world.user(&format!("payer {number}")).await;
        request(&world, &payer, &pam, 1_000).await.unwrap();
    }
    let over = world.user("one over").await;
    let refused = request(&world, &over, &pam, 1_000).await;
    assert!(matches!(refused, Err(Error::LimitReached { maximum: parlor_store::PENDING_MAX, .. })));
    let (live, _) = world.store.sessions.live_of(world.tenant, pam.id).await.unwrap();
    assert_eq!(live.len() as u64, parlor_store::PENDING_MAX, "all of them are told");
}
