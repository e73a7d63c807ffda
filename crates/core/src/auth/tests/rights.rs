//! How rights begin, travel as handles, and end.

use std::{sync::Arc, time::Duration};

use parlor_api::v1::Role;
use parlor_store::Roles;
use serde_json::json;

use super::fixture::hs256;
use crate::{
    Error,
    auth::{Context, IssuerOptions, RawCredential, revocation::Withdrawal},
    caller::Principal,
    testing::{OPERATOR, World, legacy},
};

async fn staff(world: &World, id: &str) -> Arc<Principal> {
    let mut claims = world.good("42");
    claims["roles"] = json!(["staff"]);
    claims["jti"] = json!(id);
    world.resolve(&hs256(&claims)).await.unwrap()
}

#[tokio::test]
async fn a_person_is_provisioned_once_and_follows_their_tokens() {
    let world = World::new().await;
    let with = |name: &str, email: &str| {
        let mut claims = world.good("42");
        claims["name"] = json!(name);
        claims["email"] = json!(email);
        hs256(&claims)
    };
    let first = world.resolve(&with("Ann", "ann@shop.example")).await.unwrap();
    let second = world.resolve(&with("Ann Lee", "ann@shop.example")).await.unwrap();
    let (first, second) = (first.user().unwrap(), second.user().unwrap());
    assert_eq!(first.id, second.id);
    assert_eq!((first.display_name.as_str(), second.display_name.as_str()), ("Ann", "Ann Lee"));
    assert_eq!(second.email, "ann@shop.example");
}

#[tokio::test]
async fn a_token_does_not_become_somebody_by_calling_itself_so() {
    let world = World::new().await;
    let admin = world.user("shop", "admin", &[Role::Admin]).await;
    let mut claims = world.good("42");
    claims["username"] = json!("admin");
    let principal = world.resolve(&hs256(&claims)).await.unwrap();
    let user = principal.user().unwrap();
    assert_ne!(user.id.to_string(), admin.id);
    assert_eq!((user.username.as_deref(), principal.roles), (None, Roles::CUSTOMER));
}

#[tokio::test]
async fn strangers_stay_out_where_nobody_is_provisioned() {
    let world = super::fixture::world(vec![IssuerOptions { provision: false, ..legacy() }]).await;
    assert_eq!(world.refusal(&hs256(&world.good("42"))).await, "its subject is unknown here");
}

#[tokio::test]
async fn many_first_sights_at_once_make_one_person() {
    let world = World::new().await;
    let tokens: Vec<String> = (0..8)
        .map(|number| {
            let mut claims = world.good("42");
            claims["jti"] = json!(number.to_string());
            claims["username"] = json!("ann");
            hs256(&claims)
        })
        .collect();
    let seen = futures::future::join_all(tokens.iter().map(|token| world.resolve(token))).await;
    let ids: std::collections::HashSet<_> = seen.into_iter().map(|one| one.unwrap().user_id()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_handle_names_its_principal_until_it_is_changed() {
    let world = World::new().await;
    let auth = world.core.auth();
    let principal = staff(&world, "one").await;
    let handle = auth.seal_handle(&principal);
    for _ in 0..2 {
        let opened = auth.open_handle(&handle).await.unwrap();
        assert_eq!(opened.user_id(), principal.user_id());
        assert_eq!((opened.roles, &opened.proof), (principal.roles, &principal.proof));
        assert_eq!((opened.tenant, opened.rights_until), (principal.tenant, principal.rights_until));
        assert_eq!(opened.tenant_slug, principal.tenant_slug);
    }
    for at in [0, handle.len() / 2, handle.len() - 2] {
        let mut forged = handle.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(matches!(auth.open_handle(&forged).await, Err(Error::CredentialInvalid(_))), "{at}");
    }
    auth.open_handle("").await.unwrap_err();
    let elsewhere = Context { tenant: Some("other".to_owned()), ..Context::default() };
    auth.resolve(&RawCredential::Handle(handle), &elsewhere).await.unwrap_err();
}

#[tokio::test]
async fn a_handle_opens_on_every_core_with_the_key() {
    let (one, two) = (World::new().await, World::new().await);
    let guest = Context { tenant: Some("shop".to_owned()), guests: true, ..Context::default() };
    let guest = one.core.auth().resolve(&RawCredential::Guest, &guest).await.unwrap();
    let handle = one.core.auth().seal_handle(&guest);
    assert!(two.core.auth().open_handle(&handle).await.unwrap().user().is_none());
    let foreign = World::with(|options| options.auth.handle_key = b"another key".to_vec()).await;
    foreign.core.auth().open_handle(&handle).await.unwrap_err();
}

#[tokio::test]
async fn staff_handles_end_with_their_token_and_a_customers_stays_with_the_connection() {
    let world = World::new().await;
    let auth = world.core.auth();
    let customer = world.resolve(&hs256(&world.good("7"))).await.unwrap();
    let (staffs, customers) = (auth.seal_handle(&*staff(&world, "one").await), auth.seal_handle(&customer));
    auth.open_handle(&staffs).await.unwrap();
    world.clock.advance(Duration::from_secs(3600 + 5));
    assert_eq!(auth.open_handle(&staffs).await.unwrap_err(), Error::CredentialExpired);
    auth.open_handle(&customers).await.unwrap();
}

#[tokio::test]
async fn rights_end_at_their_time() {
    let world = World::new().await;
    let principal = staff(&world, "one").await;
    let ended = world.core.auth().standing().ended(&principal);
    tokio::pin!(ended);
    assert!(futures::poll!(&mut ended).is_pending());
    world.clock.advance(Duration::from_secs(3599));
    assert!(futures::poll!(&mut ended).is_pending());
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(ended.await, Error::CredentialExpired);
}

#[tokio::test]
async fn a_withdrawal_ends_what_it_names_and_nothing_else() {
    let world = World::new().await;
    let auth = world.core.auth();
    let (one, two) = (staff(&world, "one").await, staff(&world, "two").await);
    let nameless = world.resolve(&hs256(&world.good("42"))).await.unwrap();
    let bystander = world.resolve(&hs256(&world.good("7"))).await.unwrap();
    let handle = auth.seal_handle(&one);
    auth.open_handle(&handle).await.unwrap();
    let (ends_one, ends_two) = (auth.standing().ended(&one), auth.standing().ended(&two));
    let (ends_nameless, stays) = (auth.standing().ended(&nameless), auth.standing().ended(&bystander));
    tokio::pin!(ends_one, ends_two, ends_nameless, stays);
    for pending in [ends_one.as_mut(), ends_two.as_mut(), ends_nameless.as_mut(), stays.as_mut()] {
        assert!(futures::poll!(pending).is_pending());
    }

    auth.standing().revoke_token(one.tenant, "one", None).await.unwrap();
    assert_eq!(ends_one.await, Error::CredentialRevoked);
    assert_eq!(auth.open_handle(&handle).await.unwrap_err(), Error::CredentialRevoked);
    assert!(futures::poll!(ends_two.as_mut()).is_pending());

    // A token without an id of its own is named by its hash.
    auth.standing().revoke_token(one.tenant, &nameless.proof.names[0], None).await.unwrap();
    assert_eq!(ends_nameless.await, Error::CredentialRevoked);
    assert!(futures::poll!(ends_two.as_mut()).is_pending());

    auth.standing().revoke_user(one.tenant, one.user_id().unwrap()).await.unwrap();
    assert_eq!(ends_two.await, Error::CredentialRevoked);
    assert!(futures::poll!(stays.as_mut()).is_pending());
    // Who asks later hears the same at once.
    assert_eq!(auth.standing().ended(&two).await, Error::CredentialRevoked);
}

#[tokio::test]
async fn everything_of_a_user_that_does_not_say_when_it_was_issued_is_withdrawn_for_good() {
    let world = World::new().await;
    let timeless = || hs256(&json!({"sub": "42", "exp": world.now_seconds() + 3600}));
    let principal = world.resolve(&timeless()).await.unwrap();
    assert_eq!(principal.proof.issued_at, 0);
    let auth = world.core.auth();
    auth.standing().revoke_user(principal.tenant, principal.user_id().unwrap()).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.resolve(&timeless()).await.unwrap_err(), Error::CredentialRevoked);
    world.resolve(&hs256(&world.good("42"))).await.unwrap();
}

#[tokio::test]
async fn a_listener_that_lags_behind_many_withdrawals_still_hears_its_own() {
    let world = World::new().await;
    let auth = world.core.auth();
    let principal = staff(&world, "one").await;
    let ended = auth.standing().ended(&principal);
    tokio::pin!(ended);
    assert!(futures::poll!(&mut ended).is_pending());
    auth.standing().revoke_token(principal.tenant, "one", None).await.unwrap();
    for number in 0..300 {
        auth.standing().withdraw(
            Withdrawal::Token { tenant: principal.tenant, token_id: number.to_string() },
            i64::MAX,
            0,
        );
    }
    assert_eq!(ended.await, Error::CredentialRevoked);
}

#[tokio::test]
async fn an_operator_names_the_tenant_and_nobody_else_is_one() {
    let world = World::new().await;
    let resolve = async |secret: &str, tenant: Option<&str>| {
        let context = Context { tenant: tenant.map(str::to_owned), ..Context::default() };
        world.core.auth().resolve(&RawCredential::ApiKey(secret.to_owned()), &context).await
    };
    assert_eq!(resolve(OPERATOR, None).await.unwrap().tenant, Principal::NO_TENANT);
    assert_eq!(&*resolve(OPERATOR, Some("shop")).await.unwrap().tenant_slug, "shop");
    assert_eq!(
        resolve(OPERATOR, Some("missing")).await.unwrap_err(),
        Error::NotFound(parlor_store::What::Tenant)
    );
    for wrong in ["", "plk_", &OPERATOR[1..]] {
        assert!(matches!(resolve(wrong, None).await, Err(Error::CredentialInvalid(_))), "{wrong}");
    }
}
