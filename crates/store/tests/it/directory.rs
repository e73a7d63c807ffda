//! Tenants and users.

use parlor_store::{
    Error, Identity, Mutation, Numbered, Roles, Tenant, TenantId, Unique, UserId, UserUpsert, What,
};

use crate::world::{World, new_tenant};

crate::stories!(
    tenants_are_found_and_changed,
    a_user_is_found_by_every_name,
    an_upsert_changes_what_it_says,
    names_and_identities_are_unique,
    users_are_listed_by_number,
    a_hash_is_renewed_if_it_is_still_the_one_that_was_verified,
    hashes_of_other_beginnings_are_found,
    a_number_that_another_issuer_has_given_is_left_out,
);

fn known_as(subject: &str) -> Identity {
    Identity { issuer: "site".into(), subject: subject.into() }
}

async fn tenants_are_found_and_changed(world: World) {
    let store = &world.store;
    let made = store.directory.create_tenant(Tenant { number: Some(7), ..new_tenant("beta") }).await.unwrap();
    assert_eq!(store.directory.tenant("beta").await, Ok(made.clone()));
    assert_eq!(store.directory.tenant_by_id(made.id).await, Ok(made.clone()));
    assert_eq!(store.directory.tenant("nobody").await, Err(Error::NotFound(What::Tenant)));
    assert_eq!(store.directory.tenant_by_id(TenantId(0)).await, Err(Error::NotFound(What::Tenant)));
    assert_eq!(
        store.directory.create_tenant(new_tenant("beta")).await,
        Err(Error::AlreadyExists(Unique::Tenant))
    );
    let same_number = Tenant { number: Some(7), ..new_tenant("gamma") };
    assert_eq!(
        store.directory.create_tenant(same_number).await,
        Err(Error::AlreadyExists(Unique::TenantNumber))
    );

    let changed = Tenant { display_name: "B".into(), origins: vec![], ..made.clone() };
    assert_eq!(store.directory.update_tenant(changed.clone()).await, Ok(changed.clone()));
    assert_eq!(store.directory.tenant("beta").await, Ok(changed));
    let slugs = async |after: &str, limit| {
        let page = store.directory.list_tenants(after, limit).await.unwrap();
        page.into_iter().map(|tenant| tenant.slug).collect::<Vec<_>>()
    };
    assert_eq!(slugs("", 1).await, ["acme"]);
    assert_eq!(slugs("acme", 5).await, ["beta"]);
}

async fn a_user_is_found_by_every_name(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let wanted = UserUpsert {
        display_name: Some("Ann".into()),
        username: Some("ann".into()),
        email: Some("ann@example.com".into()),
        roles: Some(Roles::STAFF.with(Roles::ADMIN)),
        identities: vec![known_as("1"), known_as("2")],
        password_hash: Some("hash".into()),
        ..UserUpsert::default()
    };
    let (ann, created) = store.directory.upsert_user(tenant, wanted, 5).await.unwrap();
    assert!(created);
    assert_eq!((ann.number, ann.created_at, ann.identities.len()), (1, 5, 2));
    assert_eq!(store.directory.user(tenant, ann.id).await, Ok(ann.clone()));
    assert_eq!(store.directory.user_by_number(tenant, 1).await, Ok(ann.clone()));
    assert_eq!(store.directory.user_by_username(tenant, "ann").await, Ok(ann.clone()));
    assert_eq!(store.directory.user_by_identity(tenant, &known_as("2")).await, Ok(ann.clone()));
    assert_eq!(store.directory.users(tenant, &[ann.id, ann.id, UserId::new()]).await, Ok(vec![ann.clone()]));
    assert_eq!(store.directory.password_hash(tenant, ann.id).await, Ok(Some("hash".into())));
    assert_eq!(
        store.directory.user_by_identity(tenant, &known_as("3")).await,
        Err(Error::NotFound(What::User))
    );
    assert_eq!(store.directory.user(TenantId(tenant.0 + 1), ann.id).await, Err(Error::NotFound(What::User)));
}

async fn an_upsert_changes_what_it_says(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let first = UserUpsert { identities: vec![known_as("1")], ..UserUpsert::default() };
    let (user, _) = store.directory.upsert_user(tenant, first.clone(), 5).await.unwrap();
    assert_eq!(user.roles, Roles::CUSTOMER);
    let (same, created) = store.directory.upsert_user(tenant, first, 6).await.unwrap();
    assert_eq!((same, created), (user.clone(), false), "nothing changed");
    let named = UserUpsert {
        display_name: Some("Bob".into()),
        identities: vec![known_as("1"), known_as("1b")],
        ..UserUpsert::default()
    };
    let (named, _) = store.directory.upsert_user(tenant, named, 7).await.unwrap();
    assert_eq!((named.id, named.display_name.as_str(), named.updated_at), (user.id, "Bob", 7));
    assert_eq!(named.identities, [known_as("1"), known_as("1b")]);
    let by_id = UserUpsert { id: Some(user.id), roles: Some(Roles::STAFF), ..UserUpsert::default() };
    let (by_id, _) = store.directory.upsert_user(tenant, by_id, 8).await.unwrap();
    assert_eq!((by_id.roles, by_id.display_name.as_str()), (Roles::STAFF, "Bob"));
    let chosen = UserId::new();
    let with_id = UserUpsert { id: Some(chosen), ..UserUpsert::default() };
    assert_eq!(store.directory.upsert_user(tenant, with_id, 9).await.unwrap().0.id, chosen);
    let nowhere = store.directory.upsert_user(TenantId(99), UserUpsert::default(), 9).await;
    assert_eq!(nowhere, Err(Error::NotFound(What::Tenant)));
}

async fn names_and_identities_are_unique(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let first =
        UserUpsert { username: Some("ann".into()), identities: vec![known_as("1")], ..UserUpsert::default() };
    store.directory.upsert_user(tenant, first.clone(), 5).await.unwrap();
    let again = UserUpsert { create_only: true, ..first };
    assert_eq!(store.directory.upsert_user(tenant, again, 6).await, Err(Error::AlreadyExists(Unique::User)));
    let same_name = UserUpsert { username: Some("ann".into()), ..UserUpsert::default() };
    assert_eq!(
        store.directory.upsert_user(tenant, same_name.clone(), 6).await,
        Err(Error::AlreadyExists(Unique::Username))
    );
    let thief =
        UserUpsert { id: Some(UserId::new()), identities: vec![known_as("1")], ..UserUpsert::default() };
    assert_eq!(
        store.directory.upsert_user(tenant, thief, 6).await,
        Err(Error::AlreadyExists(Unique::Identity))
    );
    let elsewhere = store.directory.create_tenant(new_tenant("other")).await.unwrap().id;
    assert!(
        store.directory.upsert_user(elsewhere, same_name, 6).await.unwrap().1,
        "names are a tenant's own"
    );
}

async fn users_are_listed_by_number(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    for roles in [Roles::CUSTOMER, Roles::STAFF, Roles::STAFF.with(Roles::ADMIN)] {
        let wanted = UserUpsert { roles: Some(roles), ..UserUpsert::default() };
        store.directory.upsert_user(tenant, wanted, 1).await.unwrap();
    }
    let numbers = async |role, after, limit| {
        let page = store.directory.list_users(tenant, role, after, limit).await.unwrap();
        page.into_iter().map(|user| user.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 0, 2).await, [1, 2]);
    assert_eq!(numbers(None, 2, 2).await, [3]);
    assert_eq!(numbers(Some(Roles::STAFF), 0, 9).await, [2, 3]);
    assert_eq!(numbers(Some(Roles::STAFF.with(Roles::ADMIN)), 0, 9).await, [3]);
}

async fn with_hash(world: &World, hash: &str) -> parlor_store::User {
    let wanted = UserUpsert { password_hash: Some(hash.into()), ..UserUpsert::default() };
    world.store.directory.upsert_user(world.tenant, wanted, 5).await.unwrap().0
}

async fn a_hash_is_renewed_if_it_is_still_the_one_that_was_verified(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    let (ann, bob) = (with_hash(&world, "$2b$10$a").await, with_hash(&world, "$2b$10$a").await);
    let renew = async |user: UserId, verified: &str, renewed: &str| {
        store.apply(Mutation::renew_password_hash(tenant, user, verified.into(), renewed.into())).await
    };
    assert_eq!(renew(ann.id, "$2b$10$b", "new").await, Ok(false));
    assert_eq!(renew(ann.id, "$2b$10$a", "new").await, Ok(true));
    assert_eq!(renew(ann.id, "$2b$10$a", "newer").await, Ok(false), "somebody was quicker");
    assert_eq!(renew(UserId::new(), "$2b$10$a", "new").await, Ok(false));
    assert_eq!(store.directory.password_hash(tenant, ann.id).await, Ok(Some("new".into())));
    assert_eq!(store.directory.password_hash(tenant, bob.id).await, Ok(Some("$2b$10$a".into())));
    assert_eq!(store.directory.user(tenant, ann.id).await, Ok(ann.clone()), "nobody sees it");
    assert_eq!(store.tokens.withdrawn_up_to(tenant, ann.id).await, Ok(None));
}

async fn hashes_of_other_beginnings_are_found(world: World) {
    let beside = async |prefixes: &[&str]| {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        world.store.directory.password_hash_beside(world.tenant, &prefixes).await.unwrap()
    };
    world.user("without").await;
    assert_eq!(beside(&[]).await, None);
    for hash in ["$argon2id$v=19$m=1,t=2,p=1$s$h", "$2b$10$a", "$2b$10$b", "$2b$12$a"] {
        with_hash(&world, hash).await;
    }
    let own = "$argon2id$v=19$m=1,t=2,p=1$";
    assert_eq!(beside(&[own, "$2b$10$"]).await.as_deref(), Some("$2b$12$a"));
    assert_eq!(beside(&[own, "$2b$12$", "$2b$10$"]).await, None);
    let other = world.store.directory.create_tenant(new_tenant("beta")).await.unwrap().id;
    assert_eq!(world.store.directory.password_hash_beside(other, &[]).await, Ok(None));
}

async fn a_number_that_another_issuer_has_given_is_left_out(world: World) {
    let (store, tenant) = (&world.store, world.tenant);
    for (issuer, subject) in [("site", "1002"), ("here", "1003"), ("another", "1004")] {
        let identities = vec![Identity { issuer: issuer.into(), subject: subject.into() }];
        let wanted = UserUpsert { identities, ..UserUpsert::default() };
        store.directory.upsert_user(tenant, wanted, 5).await.unwrap();
    }
    let numbered = Some(Numbered { issuer: "here".into(), beside: "site".into(), from: 998 });
    let wanted = UserUpsert { numbered, create_only: true, ..UserUpsert::default() };
    let (user, _) = store.directory.upsert_user(tenant, wanted, 5).await.unwrap();
    // 998 + 4 is the site's, + 5 is taken here, + 6 is only another's.
    assert_eq!(user.identities, [Identity { issuer: "here".into(), subject: "1004".into() }]);
}
