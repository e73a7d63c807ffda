//! What is claimed and not proven.

use std::sync::Arc;

use parlor_api::v1::{self, Role};
use parlor_store::Roles;

use crate::{
    Error, Result,
    auth::{Context, RawCredential},
    caller::Principal,
    testing::{OPERATOR, World, bearer, call},
};
fn trusting() -> Context {
    Context { tenant: Some("shop".to_owned()), claims: true, ..Context::default() }
}

async fn claim(world: &World, subject: &str, role: Roles, context: &Context) -> Result<Arc<Principal>> {
    let claim = RawCredential::Claim { subject: subject.to_owned(), role };
    world.core.auth().resolve(&claim, context).await
}

/// A person whom the issuer `legacy` knows.
async fn known(world: &World, subject: &str, roles: &[Role]) -> v1::User {
    let identity = v1::Identity { issuer: "legacy".to_owned(), subject: subject.to_owned() };
    let user = v1::User {
        identities: vec![identity],
        roles: roles.iter().map(|role| (*role).into()).collect(),
        ..v1::User::default()
    };
    let request = v1::UpsertUserRequest { user: Some(user), ..Default::default() };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.directory().upsert_user(request).await.unwrap().into_inner().user.unwrap()
}

#[tokio::test]
async fn a_claim_is_taken_only_where_the_mount_takes_claims() {
    let world = World::new().await;
    let ann = known(&world, "7", &[Role::Customer]).await;
    let closed = Context { claims: false, guests: true, ..trusting() };
    let refused = claim(&world, "7", Roles::CUSTOMER, &closed).await.unwrap_err();
    assert_eq!(refused, Error::CredentialMissing);
    let anywhere = Context { tenant: None, ..trusting() };
    assert!(matches!(claim(&world, "7", Roles::CUSTOMER, &anywhere).await, Err(Error::Field { .. })));
    let taken = claim(&world, "7", Roles::CUSTOMER, &trusting()).await.unwrap();
    assert_eq!(taken.user().unwrap().id.to_string(), ann.id);
    assert_eq!((taken.roles, taken.proof.issuer.as_str()), (Roles::CUSTOMER, "legacy"));
}

#[tokio::test]
async fn a_claim_names_an_identity_before_a_number_and_nobody_else() {
    let world = World::new().await;
    let first = world.user("shop", "first", &[Role::Customer]).await;
    let second = known(&world, "1", &[Role::Customer]).await;
    assert_eq!((first.number, second.number), (1, 2));
    for (subject, expected) in [("1", &second), ("2", &second)] {
        let taken = claim(&world, subject, Roles::CUSTOMER, &trusting()).await.unwrap();
        assert_eq!(taken.user().unwrap().id.to_string(), expected.id, "{subject}");
    }
    let other_issuers = Context { issuers: vec!["else".to_owned()], ..trusting() };
    let by_number = claim(&world, "1", Roles::CUSTOMER, &other_issuers).await.unwrap();
    assert_eq!(by_number.user().unwrap().id.to_string(), first.id);
    let long = "1".repeat(201);
    for nobody in ["3", "0", "-1", "+1", " 1", "", "first", "99999999999999999999", long.as_str()] {
        let refused = claim(&world, nobody, Roles::CUSTOMER, &trusting()).await.unwrap_err();
        assert_eq!(refused, Error::NotFound(parlor_store::What::User), "{nobody:?}");
    }
    let elsewhere = Context { tenant: Some("other".to_owned()), ..trusting() };
    let refused = claim(&world, "1", Roles::CUSTOMER, &elsewhere).await.unwrap_err();
    assert_eq!(refused, Error::NotFound(parlor_store::What::User));
}

#[tokio::test]
async fn a_role_is_had_by_who_holds_it() {
    let world = World::new().await;
    known(&world, "ann", &[Role::Customer]).await;
    known(&world, "sue", &[Role::Staff]).await;
    known(&world, "boss", &[Role::Admin]).await;
    let roles = async |who: &str, role| claim(&world, who, role, &trusting()).await.map(|known| known.roles);
    for who in ["ann", "sue", "boss"] {
        assert_eq!(roles(who, Roles::CUSTOMER).await, Ok(Roles::CUSTOMER), "and no more: {who}");
        assert_eq!(roles(who, Roles::PROVIDER).await, Err(Error::RoleRequired("provider")));
        assert!(matches!(roles(who, Roles::default()).await, Err(Error::Field { .. })));
    }
    assert_eq!(roles("ann", Roles::STAFF).await, Err(Error::RoleRequired("staff")));
    assert_eq!(roles("sue", Roles::STAFF).await, Ok(Roles::STAFF));
    assert_eq!(roles("sue", Roles::ADMIN).await, Err(Error::RoleRequired("admin")));
    for role in [Roles::STAFF, Roles::ADMIN] {
        assert_eq!(roles("boss", role).await, Ok(Roles::ADMIN));
    }
}

#[tokio::test]
async fn a_claimed_handle_is_good_until_the_person_is_withdrawn() {
    let world = World::new().await;
    known(&world, "7", &[Role::Customer]).await;
    let auth = world.core.auth();
    let taken = claim(&world, "7", Roles::CUSTOMER, &trusting()).await.unwrap();
    let handle = auth.seal_handle(&taken);
    assert_eq!(auth.open_handle(&handle).await.unwrap().roles, Roles::CUSTOMER);
    world.clock.advance(std::time::Duration::from_secs(1));
    let user = taken.user_id().unwrap();
    auth.standing().revoke_user(taken.tenant, user).await.unwrap();
    assert_eq!(auth.open_handle(&handle).await.unwrap_err(), Error::CredentialRevoked);
}
