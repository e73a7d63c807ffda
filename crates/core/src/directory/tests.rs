//! The directory through the whole chain, over a real database.

use parlor_api::{
    failure,
    v1::{self, Reason, Role, get_user_request::Selector},
};
use tonic::{Code, Status};

use crate::testing::{OPERATOR, World, bearer, call};

fn refused(status: &Status, code: Code, reason: Reason) {
    assert_eq!((status.code(), failure::reason(status)), (code, reason), "{status:?}");
}

#[tokio::test]
async fn only_an_operator_makes_tenants_and_each_once() {
    let world = World::new().await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let tenant = |slug: &str| v1::Tenant { slug: slug.to_owned(), ..v1::Tenant::default() };
    let request = |slug: &str, id: &str| v1::CreateTenantRequest {
        tenant: Some(tenant(slug)),
        request_id: id.to_owned(),
    };
    let error = world.directory().create_tenant(call(request("new", ""), &[])).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialMissing);
    let error =
        world.directory().create_tenant(call(request("new", ""), &[bearer(&admin)])).await.unwrap_err();
    refused(&error, Code::PermissionDenied, Reason::RoleRequired);

    let operator = [bearer(OPERATOR)];
    let made =
        world.directory().create_tenant(call(request("new", "1"), &operator)).await.unwrap().into_inner();
    assert_eq!(made.tenant.as_ref().unwrap().display_name, "new");
    let again =
        world.directory().create_tenant(call(request("new", "1"), &operator)).await.unwrap().into_inner();
    assert_eq!(made, again);
    let error = world.directory().create_tenant(call(request("else", "1"), &operator)).await.unwrap_err();
    refused(&error, Code::FailedPrecondition, Reason::RequestIdReused);
    let error = world.directory().create_tenant(call(request("new", ""), &operator)).await.unwrap_err();
    refused(&error, Code::AlreadyExists, Reason::AlreadyExists);
    let long = "i".repeat(129);
    let error = world.directory().create_tenant(call(request("new2", &long), &operator)).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
}

#[tokio::test]
async fn a_tenant_is_changed_by_its_mask_only() {
    let world = World::new().await;
    let changed = v1::Tenant {
        slug: "shop".to_owned(),
        number: 7,
        display_name: "ignored".to_owned(),
        origins: vec!["https://shop.example".to_owned()],
        create_time: None,
    };
    let request = |paths: &[&str]| v1::UpdateTenantRequest {
        tenant: Some(changed.clone()),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).into()).collect(),
        }),
        request_id: String::new(),
    };
    let operator = [bearer(OPERATOR)];
    let update = call(request(&["number", "origins"]), &operator);
    let tenant = world.directory().update_tenant(update).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!((tenant.number, tenant.display_name.as_str()), (7, "shop"));
    assert_eq!(tenant.origins, changed.origins);
    for paths in [&["slug"][..], &[]] {
        let error = world.directory().update_tenant(call(request(paths), &operator)).await.unwrap_err();
        refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
    }
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let update = call(request(&["number"]), &[bearer(&admin)]);
    refused(
        &world.directory().update_tenant(update).await.unwrap_err(),
        Code::PermissionDenied,
        Reason::RoleRequired,
    );
}

#[tokio::test]
async fn everybody_sees_their_own_tenant_and_no_other() {
    let world = World::new().await;
    let (_, customer) = world.somebody("shop", Role::Customer).await;
    let get = |slug: &str| v1::GetTenantRequest { slug: slug.to_owned() };
    world.directory().get_tenant(call(get("shop"), &[bearer(&customer)])).await.unwrap();
    for slug in ["other", "missing"] {
        let error = world.directory().get_tenant(call(get(slug), &[bearer(&customer)])).await.unwrap_err();
        refused(&error, Code::NotFound, Reason::TenantNotFound);
    }
    refused(
        &world.directory().get_tenant(call(get("shop"), &[])).await.unwrap_err(),
        Code::Unauthenticated,
        Reason::CredentialMissing,
    );

    let slugs = |list: v1::ListTenantsResponse| list.tenants.into_iter().map(|tenant| tenant.slug);
    let list = v1::ListTenantsRequest::default();
    let own = world.directory().list_tenants(call(list.clone(), &[bearer(&customer)])).await.unwrap();
    assert_eq!(slugs(own.into_inner()).collect::<Vec<_>>(), ["shop"]);
    let first = v1::ListTenantsRequest { page_size: 1, ..list };
    let first = world.directory().list_tenants(call(first, &[bearer(OPERATOR)])).await.unwrap().into_inner();
    let page_token = first.next_page_token.clone();
    assert_eq!(slugs(first).collect::<Vec<_>>(), ["other"]);
    let second = v1::ListTenantsRequest { page_size: 1, page_token };
    let second =
        world.directory().list_tenants(call(second, &[bearer(OPERATOR)])).await.unwrap().into_inner();
    assert_eq!(second.next_page_token, "");
    assert_eq!(slugs(second).collect::<Vec<_>>(), ["shop"]);
}

#[tokio::test]
async fn a_page_token_of_another_tenant_or_list_is_refused() {
    let world = World::new().await;
    let (_, staff) = world.somebody("shop", Role::Staff).await;
    let (_, others) = world.somebody("other", Role::Staff).await;
    world.user("shop", "second", &[]).await;
    let list = |page_token: &str, role: Role| v1::ListUsersRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        role: role.into(),
    };
    let page = call(list("", Role::Unspecified), &[bearer(&staff)]);
    let token = world.directory().list_users(page).await.unwrap().into_inner().next_page_token;
    let next = call(list(&token, Role::Unspecified), &[bearer(&staff)]);
    let next = world.directory().list_users(next).await.unwrap().into_inner();
    assert_eq!((next.users[0].username.as_str(), next.next_page_token.as_str()), ("second", ""));

    for (reader, role) in [(&others, Role::Unspecified), (&staff, Role::Staff)] {
        let error =
            world.directory().list_users(call(list(&token, role), &[bearer(reader)])).await.unwrap_err();
        refused(&error, Code::InvalidArgument, Reason::PageTokenInvalid);
    }
    let keys = v1::ListApiKeysRequest { page_size: 0, page_token: token };
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let error = world.directory().list_api_keys(call(keys, &[bearer(&admin)])).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::PageTokenInvalid);
}

#[tokio::test]
async fn an_upsert_finds_by_identity_and_by_name_and_keeps_what_is_left_empty() {
    let world = World::new().await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let upsert = async |user: v1::User| {
        let request = v1::UpsertUserRequest { user: Some(user), ..Default::default() };
        world.directory().upsert_user(call(request, &[bearer(&admin)])).await.unwrap().into_inner()
    };
    let identities = vec![v1::Identity { issuer: "legacy".into(), subject: "42".into() }];
    let ann = v1::User { username: "ann".into(), email: "ann@shop.example".into(), ..Default::default() };
    let made = upsert(ann).await;
    assert!(made.created);
    let named =
        upsert(v1::User { username: "ann".into(), identities: identities.clone(), ..Default::default() })
            .await;
    assert!(!named.created);
    let known = upsert(v1::User { display_name: "Ann".into(), identities, ..Default::default() }).await;
    let (made, known) = (made.user.unwrap(), known.user.unwrap());
    assert_eq!(known.id, made.id);
    assert_eq!((known.display_name.as_str(), known.email.as_str()), ("Ann", "ann@shop.example"));
    assert_eq!(known.roles, [i32::from(Role::Customer)]);
}

#[tokio::test]
async fn an_upsert_needs_an_admin_and_valid_fields() {
    let world = World::new().await;
    let (_, staff) = world.somebody("shop", Role::Staff).await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let request = |user| v1::UpsertUserRequest { user: Some(user), ..Default::default() };
    let error = world.directory().upsert_user(call(request(v1::User::default()), &[])).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialMissing);
    let raised = request(v1::User { roles: vec![Role::Admin.into()], ..Default::default() });
    let error = world.directory().upsert_user(call(raised, &[bearer(&staff)])).await.unwrap_err();
    refused(&error, Code::PermissionDenied, Reason::RoleRequired);
    for wrong in [
        v1::User { id: "x".into(), ..Default::default() },
        v1::User { email: "e".repeat(321), ..Default::default() },
        v1::User { username: " ".into(), ..Default::default() },
        v1::User { roles: vec![0], ..Default::default() },
        v1::User { roles: vec![99], ..Default::default() },
        v1::User { display_name: "a\0b".into(), ..Default::default() },
    ] {
        let error = world.directory().upsert_user(call(request(wrong), &[bearer(&admin)])).await.unwrap_err();
        refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
    }
}

#[tokio::test]
async fn a_customer_reads_only_themselves() {
    let world = World::new().await;
    let (customer, token) = world.somebody("shop", Role::Customer).await;
    let (staff, staff_token) = world.somebody("shop", Role::Staff).await;
    let get = |id: &str| v1::GetUserRequest { selector: Some(Selector::Id(id.to_owned())) };
    world.directory().get_user(call(get(&customer.id), &[bearer(&token)])).await.unwrap();
    world.directory().get_user(call(get(&customer.id), &[bearer(&staff_token)])).await.unwrap();
    let error = world.directory().get_user(call(get(&staff.id), &[bearer(&token)])).await.unwrap_err();
    refused(&error, Code::NotFound, Reason::UserNotFound);
    let by_name = v1::GetUserRequest { selector: Some(Selector::Username(staff.username)) };
    let error = world.directory().get_user(call(by_name, &[bearer(&token)])).await.unwrap_err();
    refused(&error, Code::NotFound, Reason::UserNotFound);
    let (_, others) = world.somebody("other", Role::Admin).await;
    let error = world.directory().get_user(call(get(&customer.id), &[bearer(&others)])).await.unwrap_err();
    refused(&error, Code::NotFound, Reason::UserNotFound);
    let list = v1::ListUsersRequest::default();
    let error = world.directory().list_users(call(list.clone(), &[bearer(&token)])).await.unwrap_err();
    refused(&error, Code::PermissionDenied, Reason::RoleRequired);
    let error = world.directory().list_users(call(list, &[])).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialMissing);
}

#[tokio::test]
async fn a_key_is_shown_once_works_and_is_withdrawn_at_once() {
    let world = World::new().await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let wanted = v1::ApiKey { kind: v1::ApiKeyKind::Service.into(), ..Default::default() };
    let request = v1::CreateApiKeyRequest { api_key: Some(wanted), request_id: "1".to_owned() };
    let made = world
        .directory()
        .create_api_key(call(request.clone(), &[bearer(&admin)]))
        .await
        .unwrap()
        .into_inner();
    let key = made.api_key.unwrap();
    assert_eq!(key.tenants, ["shop"]);
    assert!(made.secret.starts_with(&key.prefix));
    let again =
        world.directory().create_api_key(call(request, &[bearer(&admin)])).await.unwrap().into_inner();
    assert_eq!((again.secret.as_str(), again.api_key.unwrap().id), ("", key.id.clone()));

    let list = v1::ListUsersRequest::default();
    let with_key = [bearer(&made.secret)];
    world.directory().list_users(call(list.clone(), &with_key)).await.unwrap();
    let keys = v1::ListApiKeysRequest::default();
    let keys = world.directory().list_api_keys(call(keys, &with_key)).await.unwrap().into_inner().api_keys;
    assert_eq!(keys.iter().map(|listed| &listed.id).collect::<Vec<_>>(), [&key.id]);

    let revoke = v1::RevokeApiKeyRequest { id: key.id };
    let (_, others) = world.somebody("other", Role::Admin).await;
    let error = world.directory().revoke_api_key(call(revoke.clone(), &[bearer(&others)])).await.unwrap_err();
    refused(&error, Code::NotFound, Reason::ApiKeyNotFound);
    for _ in 0..2 {
        let revoked =
            world.directory().revoke_api_key(call(revoke.clone(), &[bearer(&admin)])).await.unwrap();
        assert!(revoked.into_inner().api_key.unwrap().revoke_time.is_some());
    }
    let error = world.directory().list_users(call(list, &with_key)).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialRevoked);
}

#[tokio::test]
async fn an_admin_makes_no_key_for_others() {
    let world = World::new().await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let (_, staff) = world.somebody("shop", Role::Staff).await;
    let kind = v1::ApiKeyKind::Admin.into();
    let make = async |key: v1::ApiKey, token: &str| {
        let request = v1::CreateApiKeyRequest { api_key: Some(key), ..Default::default() };
        world.directory().create_api_key(call(request, &[bearer(token)])).await
    };
    let all = v1::ApiKey { kind, all_tenants: true, ..Default::default() };
    refused(&make(all.clone(), &admin).await.unwrap_err(), Code::PermissionDenied, Reason::RoleRequired);
    let foreign = v1::ApiKey { kind, tenants: vec!["other".into()], ..Default::default() };
    refused(&make(foreign, &admin).await.unwrap_err(), Code::NotFound, Reason::TenantNotFound);
    let own = v1::ApiKey { kind, ..Default::default() };
    refused(&make(own.clone(), &staff).await.unwrap_err(), Code::PermissionDenied, Reason::RoleRequired);
    refused(
        &make(v1::ApiKey::default(), &admin).await.unwrap_err(),
        Code::InvalidArgument,
        Reason::FieldInvalid,
    );
    let error =
        world.directory().create_api_key(call(v1::CreateApiKeyRequest::default(), &[])).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialMissing);

    // An operator's key works everywhere, and an operator of one tenant is nobody in particular.
    let secret = make(all, OPERATOR).await.unwrap().into_inner().secret;
    let tenants = v1::ListTenantsRequest::default();
    let seen = world.directory().list_tenants(call(tenants, &[bearer(&secret)])).await.unwrap().into_inner();
    assert_eq!(seen.tenants.len(), 2);
    let users = v1::ListUsersRequest::default();
    let error = world.directory().list_users(call(users.clone(), &[bearer(&secret)])).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
    let named = [bearer(&secret), ("parlor-tenant", "shop")];
    world.directory().list_users(call(users, &named)).await.unwrap();

    // A key of one tenant opens no other.
    let secret = make(own, &admin).await.unwrap().into_inner().secret;
    let elsewhere = [bearer(&secret), ("parlor-tenant", "other")];
    let error =
        world.directory().list_users(call(v1::ListUsersRequest::default(), &elsewhere)).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialInvalid);
}
