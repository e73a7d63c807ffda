//! Who is disabled, has less than before or another password: what they were given before is over.

use super::*;
use crate::{
    Error,
    auth::{Context, RawCredential},
    caller::Principal,
};

async fn change(world: &World, user: v1::User, password: &str) -> v1::User {
    let request = v1::UpsertUserRequest {
        user: Some(user),
        password: password.to_owned(),
        ..v1::UpsertUserRequest::default()
    };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.directory().upsert_user(request).await.unwrap().into_inner().user.unwrap()
}

async fn disable(world: &World, id: &str, disabled: bool) -> v1::User {
    let user = v1::User { id: id.to_owned(), disabled: Some(disabled), ..v1::User::default() };
    change(world, user, "").await
}

async fn sign_in(world: &World, issuer: &str) -> Result<v1::ExchangeCredentialResponse, Status> {
    let issuer = issuer.to_owned();
    let request = v1::ExchangeCredentialRequest { issuer, ..exchange(password("sam", "correct horse")) };
    world.tokens().exchange_credential(request).await.map(tonic::Response::into_inner)
}

async fn resolved(world: &World, token: &str) -> Result<std::sync::Arc<Principal>, Error> {
    world.core.auth().resolve(&RawCredential::Bearer(token.to_owned()), &Context::default()).await
}

async fn staff(world: &World) -> v1::User {
    let roles = vec![Role::Staff.into()];
    let user = v1::User { username: "sam".into(), roles, ..v1::User::default() };
    change(world, user, "correct horse").await
}

#[tokio::test]
async fn nobody_gets_in_as_somebody_who_is_disabled() {
    let world = World::new().await;
    let sam = staff(&world).await;
    let [own, in_shape] = ["", "legacy"].map(|issuer| sign_in(&world, issuer));
    let (own, in_shape) = (own.await.unwrap().token, in_shape.await.unwrap().token);
    let live = resolved(&world, &in_shape).await.unwrap();
    let subject = live.proof.subject.clone();
    let auth = world.core.auth();
    let handle = auth.seal_handle(&live);
    let ended = auth.standing().ended(&live);
    tokio::pin!(ended);
    assert!(futures::poll!(&mut ended).is_pending());

    assert!(disable(&world, &sam.id, true).await.disabled());
    assert_eq!(ended.await, Error::CredentialRevoked);
    assert_eq!(auth.open_handle(&handle).await.unwrap_err(), Error::CredentialRevoked);
    let mut said = world.good(&subject);
    said["iat"] = json!(world.now_seconds() + 5);
    let outside = super::families::of_legacy(&said);
    for token in [&own, &in_shape, &outside] {
        assert_eq!(resolved(&world, token).await.unwrap_err(), Error::CredentialRevoked);
    }
    for issuer in ["", "legacy"] {
        let refusal = sign_in(&world, issuer).await.unwrap_err();
        refused(&refusal, Code::Unauthenticated, Reason::CredentialRevoked);
    }
    let wrong = world.tokens().exchange_credential(exchange(password("sam", "wrong horse"))).await;
    refused(&wrong.unwrap_err(), Code::Unauthenticated, Reason::CredentialInvalid);
    let traded = world.tokens().exchange_credential(exchange(Credential::Bearer(outside.clone()))).await;
    refused(&traded.unwrap_err(), Code::Unauthenticated, Reason::CredentialRevoked);
    let claim = RawCredential::Claim { subject: sam.number.to_string(), role: parlor_store::Roles::STAFF };
    let context = Context { tenant: Some("shop".into()), claims: true, ..Context::default() };
    assert_eq!(auth.resolve(&claim, &context).await.unwrap_err(), Error::CredentialRevoked);
    let mint = v1::MintTokenRequest { user_id: sam.id.clone(), ..Default::default() };
    let mint = world.tokens().mint_token(call(mint, &[bearer(OPERATOR), ("parlor-tenant", "shop")])).await;
    refused(&mint.unwrap_err(), Code::InvalidArgument, Reason::FieldInvalid);

    // An upsert that does not speak of it leaves it.
    let named = v1::User { id: sam.id.clone(), display_name: "Sam".into(), ..v1::User::default() };
    assert!(change(&world, named, "").await.disabled());
    assert_eq!(disable(&world, &sam.id, false).await.disabled, None);
    auth.resolve(&claim, &context).await.unwrap();
    for issuer in ["", "legacy"] {
        resolved(&world, &sign_in(&world, issuer).await.unwrap().token).await.unwrap();
    }
    for token in [&own, &in_shape] {
        assert_eq!(resolved(&world, token).await.unwrap_err(), Error::CredentialRevoked);
    }
}

#[tokio::test]
async fn a_lost_role_and_a_new_password_end_what_was_given_before() {
    let world = World::new().await;
    let sam = staff(&world).await;
    let less = v1::User { id: sam.id.clone(), roles: vec![Role::Customer.into()], ..v1::User::default() };
    let more = v1::User { roles: vec![Role::Staff.into(), Role::Customer.into()], ..less.clone() };
    let same = v1::User { id: sam.id.clone(), ..v1::User::default() };
    let cases = [
        ("a role more", &more, "", false),
        ("a role less", &less, "", true),
        ("the same roles", &less, "", false),
        ("the same password", &same, "correct horse", false),
        ("another password", &same, "correct horse two", true),
        ("and back", &same, "correct horse", true),
    ];
    let mut tokens = Vec::new();
    for (what, user, password, ends) in cases {
        if tokens.is_empty() {
            for issuer in ["", "legacy"] {
                tokens.push(sign_in(&world, issuer).await.unwrap().token);
            }
        }
        let live = resolved(&world, &tokens[1]).await.unwrap();
        let ended = world.core.auth().standing().ended(&live);
        tokio::pin!(ended);
        assert!(futures::poll!(&mut ended).is_pending(), "{what}");
        change(&world, user.clone(), password).await;
        assert_eq!(futures::poll!(&mut ended).is_ready(), ends, "{what}");
        for token in &tokens {
            let withdrawn = matches!(resolved(&world, token).await, Err(Error::CredentialRevoked));
            assert_eq!(withdrawn, ends, "{what}");
        }
        if ends {
            tokens.clear();
            if password != "correct horse two" {
                tokens.push(sign_in(&world, "").await.unwrap().token);
                tokens.push(sign_in(&world, "legacy").await.unwrap().token);
            } else {
                let minted =
                    [world.token_of("shop", &sam).await.token, world.token_of("shop", &sam).await.token];
                tokens.extend(minted);
            }
        }
    }
}

#[tokio::test]
async fn what_was_withdrawn_with_a_change_is_so_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    parlor_migration::up(&url).await.unwrap();
    let clock = crate::clock::Clock::default();
    let world = World::at(&url, &clock).await;
    let sam = staff(&world).await;
    let token = sign_in(&world, "legacy").await.unwrap().token;
    disable(&world, &sam.id, true).await;
    disable(&world, &sam.id, false).await;
    world.core.shutdown().await;
    let world = World::at(&url, &clock).await;
    assert_eq!(resolved(&world, &token).await.unwrap_err(), Error::CredentialRevoked);
}

#[tokio::test]
async fn a_token_made_here_grants_what_our_records_hold_and_an_issuers_own_what_the_issuer_says() {
    let world = World::new().await;
    let sam = staff(&world).await;
    let in_shape = sign_in(&world, "legacy").await.unwrap().token;
    let live = resolved(&world, &in_shape).await.unwrap();
    assert!(live.is_staff() && live.proof.held);
    let handle = world.core.auth().seal_handle(&live);
    // Changed on another core: nothing is withdrawn here yet, and what is remembered is old.
    let roles = Some(parlor_store::Roles::CUSTOMER);
    let id = parlor_store::UserId::parse(&sam.id);
    let less = parlor_store::UserUpsert { id, roles, ..Default::default() };
    let store = world.core.store();
    store.directory.upsert_user(live.tenant, less, world.clock.now()).await.unwrap();
    world.core.auth().standing().forget_user(live.tenant, live.user_id().unwrap());
    assert!(!resolved(&world, &in_shape).await.unwrap().is_staff());
    assert!(!world.core.auth().open_handle(&handle).await.unwrap().is_staff());

    // The issuer's own word stands, through whatever it is traded for.
    let mut said = world.good(&live.proof.subject);
    said["roles"] = json!(["staff"]);
    let outside = super::families::of_legacy(&said);
    for issuer in ["", "legacy"] {
        let request = v1::ExchangeCredentialRequest {
            issuer: issuer.into(),
            ..exchange(Credential::Bearer(outside.clone()))
        };
        let traded = world.tokens().exchange_credential(request).await.unwrap().into_inner().token;
        assert!(resolved(&world, &traded).await.unwrap().is_staff(), "{issuer}");
    }
}
