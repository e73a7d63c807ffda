//! People whose passwords another server has hashed: they sign in with them, and once they have, the hash is our own.

use parlor_store::{Mutation, UserId};

use super::*;
use crate::token::{Tokens, tests::sign_in};

/// What Node's `bcryptjs` 3.0.3 made of "correct horse".
const BCRYPT: &str = "$2b$04$Pb17o3jZEZYq1QcVwm6Ff.g7gRiyfgXBoUMgFda4kwx18WkKSfdYO";

/// The same by Node's `argon2` 0.45.1, in its order of parameters.
const ARGON2: &str =
    "$argon2id$v=19$m=1024,p=2,t=2$Z5L2X86g7c4w/1sFmtsDOQ$7HGR8jGxtcGtsk3QxnVjGnxVlZ2227gYkZLg4s6vP2c";

const SHOP: [(&str, &str); 2] = [("authorization", OPERATOR), ("parlor-tenant", "shop")];

async fn upsert(world: &World, username: &str, hash: &str) -> Result<v1::User, Status> {
    let request = v1::UpsertUserRequest {
        user: Some(v1::User { username: username.into(), ..v1::User::default() }),
        password_hash: hash.into(),
        ..v1::UpsertUserRequest::default()
    };
    Ok(world.directory().upsert_user(call(request, &SHOP)).await?.into_inner().user.unwrap())
}

async fn signs_in(world: &World, username: &str, word: &str) -> Result<String, Status> {
    let answer = world.tokens().exchange_credential(exchange(password(username, word))).await?;
    Ok(answer.into_inner().token)
}

async fn stored(world: &World, user: &v1::User) -> String {
    let (tenant, id) = (world.core.tenant("shop").await.unwrap(), UserId::parse(&user.id).unwrap());
    world.core.store().directory.password_hash(tenant, id).await.unwrap().unwrap()
}

#[tokio::test]
async fn who_signs_in_with_a_moved_password_has_a_hash_of_our_own_afterwards() {
    let world = World::new().await;
    for (name, hash) in [("ann", BCRYPT), ("bob", ARGON2)] {
        let user = upsert(&world, name, hash).await.unwrap();
        let wrong = signs_in(&world, name, "wrong horse").await.unwrap_err();
        refused(&wrong, Code::Unauthenticated, Reason::CredentialInvalid);
        assert_eq!(stored(&world, &user).await, hash, "who does not know it changes nothing");
        let token = signs_in(&world, name, "correct horse").await.unwrap();
        let own = stored(&world, &user).await;
        assert!(own.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{own}");
        // It is the same password: nobody is signed out by it, and it opens again.
        let get = v1::GetTenantRequest { slug: "shop".to_owned() };
        world.directory().get_tenant(call(get, &[bearer(&token)])).await.unwrap();
        signs_in(&world, name, "correct horse").await.unwrap();
        assert_eq!(stored(&world, &user).await, own, "it is renewed once");
        signs_in(&world, name, "wrong horse").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_password_that_is_changed_meanwhile_wins() {
    let world = World::new().await;
    let user = upsert(&world, "ann", BCRYPT).await.unwrap();
    set_password(&world, "ann", "a new password").await;
    let changed = stored(&world, &user).await;
    let (tenant, id) = (world.core.tenant("shop").await.unwrap(), UserId::parse(&user.id).unwrap());
    let renews = Mutation::renew_password_hash(tenant, id, BCRYPT.to_owned(), "renewed".to_owned());
    assert!(!world.core.store().apply(renews).await.unwrap());
    assert_eq!(stored(&world, &user).await, changed);
    signs_in(&world, "ann", "correct horse").await.unwrap_err();
    signs_in(&world, "ann", "a new password").await.unwrap();
}

#[tokio::test]
async fn a_hash_that_is_another_ends_what_was_given_before_and_the_same_one_does_not() {
    let world = World::new().await;
    upsert(&world, "ann", BCRYPT).await.unwrap();
    upsert(&world, "ann", BCRYPT).await.unwrap();
    let token = signs_in(&world, "ann", "correct horse").await.unwrap();
    let works = async || {
        let get = v1::GetTenantRequest { slug: "shop".to_owned() };
        world.directory().get_tenant(call(get, &[bearer(&token)])).await
    };
    works().await.unwrap();
    upsert(&world, "ann", ARGON2).await.unwrap();
    refused(&works().await.unwrap_err(), Code::Unauthenticated, Reason::CredentialRevoked);
    signs_in(&world, "ann", "correct horse").await.unwrap();
}

#[tokio::test]
async fn a_hash_that_cannot_be_taken_is_refused_by_its_field_and_not_told() {
    let world = World::new().await;
    let refusal = async |hash: &str| {
        let status = upsert(&world, "ann", hash).await.unwrap_err();
        refused(&status, Code::InvalidArgument, Reason::FieldInvalid);
        assert!(status.message().starts_with("password_hash: "), "{status:?}");
        assert!(!status.message().contains(hash), "{status:?}");
    };
    refusal(&BCRYPT.replace("$04$", "$15$")).await;
    refusal(&ARGON2.replace("m=1024", "m=1048576")).await;
    refusal("5f4dcc3b5aa765d61d8327deb882cf99").await;
    let both = v1::UpsertUserRequest {
        user: Some(v1::User { username: "ann".into(), ..v1::User::default() }),
        password: "correct horse".into(),
        password_hash: BCRYPT.into(),
        ..v1::UpsertUserRequest::default()
    };
    let status = world.directory().upsert_user(call(both, &SHOP)).await.unwrap_err();
    refused(&status, Code::InvalidArgument, Reason::FieldInvalid);
    let (_, customer) = world.somebody("shop", Role::Customer).await;
    let request = v1::UpsertUserRequest { password_hash: BCRYPT.into(), ..Default::default() };
    let status = world.directory().upsert_user(call(request, &[bearer(&customer)])).await.unwrap_err();
    refused(&status, Code::PermissionDenied, Reason::RoleRequired);
}

/// What bcrypt has not looked at is not the password that somebody has.
#[tokio::test]
async fn a_new_password_that_differs_behind_bcrypts_end_is_a_new_one() {
    let world = World::new().await;
    // Node's `bcryptjs` 3.0.3: 72 times "x", then "tail-one".
    let hash = "$2b$04$7rEH1mANyqByBw6DRbfQJOhwg7pMYB2B6oXkXtK28KtolR54KOJLG";
    let long = |tail: &str| format!("{}{tail}", "x".repeat(72));
    let user = upsert(&world, "ann", hash).await.unwrap();
    set_password(&world, "ann", &long("tail-two")).await;
    assert!(stored(&world, &user).await.starts_with("$argon2id$"));
    signs_in(&world, "ann", &long("tail-one")).await.unwrap_err();
    signs_in(&world, "ann", &long("tail-two")).await.unwrap();
}

#[tokio::test]
async fn a_tenant_has_four_kinds_of_moved_hashes_and_one_more_is_refused() {
    let world = World::new().await;
    for (number, cost) in ["04", "05", "06", "07"].into_iter().enumerate() {
        let hash = BCRYPT.replace("$04$", &format!("${cost}$"));
        upsert(&world, &format!("ann-{number}"), &hash).await.unwrap();
    }
    let status = upsert(&world, "bob", ARGON2).await.unwrap_err();
    refused(&status, Code::InvalidArgument, Reason::FieldInvalid);
    // Of the four there may be more, in another tenant others, and our own counts for nothing.
    upsert(&world, "bob", &BCRYPT.replace("$2b$", "$2a$")).await.unwrap();
    set_password(&world, "cid", "correct horse").await;
    let request = v1::UpsertUserRequest {
        user: Some(v1::User { username: "ann".into(), ..v1::User::default() }),
        password_hash: ARGON2.into(),
        ..v1::UpsertUserRequest::default()
    };
    let other = [("authorization", OPERATOR), ("parlor-tenant", "other")];
    world.directory().upsert_user(call(request, &other)).await.unwrap();
}

/// The kinds that people have are known to a core that was not there when they were stored.
#[tokio::test]
async fn kinds_are_read_from_the_store() {
    let world = World::new().await;
    for (name, hash) in [("ann", BCRYPT), ("bob", ARGON2), ("cid", &BCRYPT.replace("$2b$", "$2y$"))] {
        upsert(&world, name, hash).await.unwrap();
    }
    set_password(&world, "dan", "correct horse").await;
    let tokens: Tokens = sign_in::tokens(&world);
    let tenant = world.core.tenant("shop").await.unwrap();
    let kinds = tokens.passwords.kinds(world.core.store(), tenant).await.unwrap();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
}
