//! What is refused, and with which reason.

use super::*;

fn reason<T>(answer: Result<T, tonic::Status>) -> v1::Reason {
    failure::reason(&answer.err().expect("a refusal"))
}

#[tokio::test]
async fn requests_are_refused_with_their_reasons() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let ann = [bearer(&pair.ann_token)];
    let ask = async |request: v1::RequestSessionRequest, who: Metadata<'_>| {
        sessions(&world).request_session(call(request, who)).await
    };
    let pam = || asking(&pair.pam.id);
    for kind in [0, 9] {
        let unknown = v1::RequestSessionRequest { kind, ..pam() };
        assert_eq!(reason(ask(unknown, &ann).await), v1::Reason::FieldInvalid);
    }
    let nobody = v1::RequestSessionRequest { responder: None, ..pam() };
    assert_eq!(reason(ask(nobody, &ann).await), v1::Reason::FieldInvalid);
    let oneself = ask(pam(), &[bearer(&pair.pam_token)]).await;
    assert_eq!(reason(oneself), v1::Reason::FieldInvalid);
    assert_eq!(reason(ask(pam(), ADMIN).await), v1::Reason::RoleRequired, "a key is nobody");
    assert_eq!(reason(ask(asking(&pair.ann.id), ADMIN).await), v1::Reason::RoleRequired);
    let stranger = world.user("shop", "no provider", &[v1::Role::Customer]).await;
    assert_eq!(reason(ask(asking(&stranger.id), &ann).await), v1::Reason::ProviderNotFound);
    let video = v1::RequestSessionRequest { kind: v1::SessionKind::Video.into(), ..pam() };
    assert_eq!(reason(ask(video, &ann).await), v1::Reason::KindNotOffered);
    let invite = v1::RequestSessionRequest {
        kind: v1::SessionKind::Invitation.into(),
        responder: Some(Responder::PayerId(stranger.id.clone())),
        ..Default::default()
    };
    assert_eq!(reason(ask(invite, &ann).await), v1::Reason::RoleRequired);

    let closed = v1::SetAcceptsRequestsRequest::default();
    assert_eq!(
        reason(sessions(&world).set_accepts_requests(call(closed.clone(), &ann)).await),
        v1::Reason::ProviderNotFound
    );
    let of_other = v1::SetAcceptsRequestsRequest { user_id: pair.pam.id.clone(), ..closed.clone() };
    assert_eq!(
        reason(sessions(&world).set_accepts_requests(call(of_other, &ann)).await),
        v1::Reason::RoleRequired
    );
    let own = call(closed, &[bearer(&pair.pam_token)]);
    sessions(&world).set_accepts_requests(own).await.unwrap();
    assert_eq!(reason(ask(pam(), &ann).await), v1::Reason::TakesNoRequests);
    // An upsert leaves what they chose.
    sessions(&world).upsert_provider(call(provider(&pair.pam.id), ADMIN)).await.unwrap();
    assert_eq!(reason(ask(pam(), &ann).await), v1::Reason::TakesNoRequests);
    let open = v1::SetAcceptsRequestsRequest { accepts_requests: true, ..Default::default() };
    sessions(&world).set_accepts_requests(call(open, &[bearer(&pair.pam_token)])).await.unwrap();

    let name = Some(provider_ref::Name::CatalogueId("64b0".into()));
    let by_catalogue =
        v1::RequestSessionRequest { responder: Some(Responder::Provider(v1::ProviderRef { name })), ..pam() };
    let asked = ask(by_catalogue, &ann).await.unwrap().into_inner().session.unwrap();
    let second = ask(pam(), &ann).await.unwrap_err();
    assert_eq!(failure::reason(&second), v1::Reason::SessionExists);
    assert_eq!(failure::details(&second).get("session_id").map(String::as_str), Some(asked.id.as_str()));
    world.core.shutdown().await;
}

#[tokio::test]
async fn moves_are_refused_with_their_reasons() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let (ann, pam) = ([bearer(&pair.ann_token)], [bearer(&pair.pam_token)]);
    let eve = world.user("shop", "eve", &[v1::Role::Customer]).await;
    let eve = world.token_of("shop", &eve).await.token;
    let eve = [bearer(&eve)];
    let asked = pair.request(&world).await;
    let accept = || v1::AcceptSessionRequest { session: named(&asked), ..Default::default() };
    let decline = || v1::DeclineSessionRequest { session: named(&asked), ..Default::default() };
    let cancel = || v1::CancelSessionRequest { session: named(&asked), ..Default::default() };
    let end = || v1::EndSessionRequest { session: named(&asked), ..Default::default() };
    let mut service = sessions(&world);
    for who in [&ann, &eve] {
        assert_eq!(reason(service.accept_session(call(accept(), who)).await), v1::Reason::NotParty);
        assert_eq!(reason(service.decline_session(call(decline(), who)).await), v1::Reason::NotParty);
    }
    for who in [&pam, &eve] {
        assert_eq!(reason(service.cancel_session(call(cancel(), who)).await), v1::Reason::NotParty);
    }
    let never_began = service.end_session(call(end(), &ann)).await.unwrap_err();
    assert_eq!(failure::reason(&never_began), v1::Reason::SessionState);
    assert_eq!(failure::details(&never_began).get("state").map(String::as_str), Some("PENDING"));

    let bob = world.user("shop", "bob", &[v1::Role::Customer]).await;
    let bob = world.token_of("shop", &bob).await.token;
    let of_bob = service.request_session(call(asking(&pair.pam.id), &[bearer(&bob)])).await.unwrap();
    let of_bob = of_bob.into_inner().session.unwrap();
    pair.accept(&world, &asked).await;
    let other = v1::AcceptSessionRequest { session: named(&of_bob), ..Default::default() };
    let busy = service.accept_session(call(other.clone(), &pam)).await.unwrap_err();
    assert_eq!((busy.code(), failure::reason(&busy)), (Code::FailedPrecondition, v1::Reason::PartyBusy));
    assert_eq!(failure::details(&busy).get("party").map(String::as_str), Some("provider"));
    service.end_session(call(end(), ADMIN)).await.unwrap();
    let again = service.end_session(call(end(), &ann)).await;
    assert_eq!(reason(again), v1::Reason::SessionState);
    service.accept_session(call(other, &pam)).await.unwrap();

    let name = |name| Some(v1::SessionRef { name });
    for (session, expected) in [
        (None, v1::Reason::FieldInvalid),
        (name(None), v1::Reason::FieldInvalid),
        (name(Some(session_ref::Name::Id("x".into()))), v1::Reason::FieldInvalid),
        (name(Some(session_ref::Name::Number(99))), v1::Reason::SessionNotFound),
    ] {
        let get = v1::GetSessionRequest { session };
        assert_eq!(reason(service.get_session(call(get, &ann)).await), expected);
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn what_a_provider_and_a_policy_may_say() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let mut service = sessions(&world);
    let mut upsert = async |change: &dyn Fn(&mut v1::Provider), who: Metadata<'_>| {
        let mut request = provider(&pair.pam.id);
        change(request.provider.as_mut().unwrap());
        service.upsert_provider(call(request, who)).await
    };
    let rate = |kind: v1::SessionKind, per_minute| v1::SessionRate { kind: kind.into(), per_minute };
    let (chat, invitation) = (v1::SessionKind::Chat, v1::SessionKind::Invitation);
    for rates in [
        vec![rate(chat, -1)],
        vec![rate(chat, RATE_PER_MINUTE + 1)],
        vec![rate(chat, 1), rate(chat, 1)],
        vec![rate(invitation, 0)],
    ] {
        let refused = upsert(&|provider| provider.rates.clone_from(&rates), ADMIN).await;
        assert_eq!(reason(refused), v1::Reason::FieldInvalid, "{rates:?}");
    }
    for rates in [vec![rate(chat, 0)], vec![rate(chat, RATE_PER_MINUTE)], Vec::new()] {
        upsert(&|provider| provider.rates.clone_from(&rates), ADMIN).await.unwrap();
    }
    for json in ["[]", "{", "7"] {
        let refused = upsert(&|provider| provider.catalogue_json = json.to_owned(), ADMIN).await;
        assert_eq!(reason(refused), v1::Reason::FieldInvalid, "{json}");
    }
    let refused = upsert(&|_| {}, &[bearer(&pair.pam_token)]).await;
    assert_eq!(reason(refused), v1::Reason::RoleRequired);

    let policy = |millis: i64| {
        let nanos = i32::try_from(millis % 1_000 * 1_000_000).unwrap();
        let request_lifetime = Some(prost_types::Duration { seconds: millis / 1_000, nanos });
        let policy = Some(v1::SessionPolicy { request_lifetime, payers_exclusive: true });
        v1::SetSessionPolicyRequest { policy }
    };
    let mut service = sessions(&world);
    let first = service.get_session_policy(call(v1::GetSessionPolicyRequest {}, ADMIN)).await.unwrap();
    assert_eq!(first.into_inner().policy, policy(120_000).policy, "where nothing was said");
    for good in [5_000, 86_400_000] {
        let set = service.set_session_policy(call(policy(good), ADMIN)).await.unwrap().into_inner();
        assert_eq!(set.policy, policy(good).policy);
    }
    for bad in [4_999, 86_400_001, -1] {
        let set = service.set_session_policy(call(policy(bad), ADMIN)).await;
        assert_eq!(reason(set), v1::Reason::FieldInvalid, "{bad}");
    }
    let refused = service.set_session_policy(call(policy(5_000), &[bearer(&pair.ann_token)])).await;
    assert_eq!(reason(refused), v1::Reason::RoleRequired);
    let read = service.get_session_policy(call(v1::GetSessionPolicyRequest {}, &[bearer(&pair.ann_token)]));
    assert_eq!(reason(read.await), v1::Reason::RoleRequired);
    world.core.shutdown().await;
}

#[tokio::test]
async fn pages_follow_each_other_and_hold_to_their_filters() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    for _ in 0..3 {
        let asked = pair.request(&world).await;
        let cancel = v1::CancelSessionRequest { session: named(&asked), ..Default::default() };
        sessions(&world).cancel_session(call(cancel, &[bearer(&pair.ann_token)])).await.unwrap();
    }
    pair.request(&world).await;
    let list = async |states: &[v1::SessionState], page_token: &str| {
        let states = states.iter().map(|state| (*state).into()).collect();
        let (page_size, page_token) = (2, page_token.to_owned());
        let list = v1::ListSessionsRequest { page_size, page_token, states, ..Default::default() };
        let page = sessions(&world).list_sessions(call(list, &[bearer(&pair.pam_token)])).await?;
        let page = page.into_inner();
        let numbers = page.sessions.iter().map(|session| session.number).collect::<Vec<_>>();
        Ok::<_, tonic::Status>((numbers, page.next_page_token))
    };
    let (numbers, token) = list(&[], "").await.unwrap();
    assert_eq!(numbers, [4, 3], "the newest first");
    let (numbers, last) = list(&[], &token).await.unwrap();
    assert_eq!((numbers, last.as_str()), (vec![2, 1], ""));
    let other = list(&[v1::SessionState::Pending], &token).await;
    assert_eq!(reason(other), v1::Reason::PageTokenInvalid);
    assert_eq!(list(&[v1::SessionState::Pending], "").await.unwrap().0, [4]);

    let page = v1::ListProvidersRequest { kind: v1::SessionKind::Audio.into(), ..Default::default() };
    let page = sessions(&world).list_providers(call(page, &[bearer(&pair.ann_token)])).await.unwrap();
    let page = page.into_inner().providers;
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].person.as_ref().unwrap().username, "", "nobody's sign-in is told");
    assert_eq!((page[0].accepts_requests, page[0].present, page[0].busy), (Some(true), false, false));
    world.core.shutdown().await;
}
