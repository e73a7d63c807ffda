//! Credentials through the whole chain, over a real database.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_api::{
    failure, hex_id,
    v1::{self, Reason, Role, exchange_credential_request::Credential, revoke_token_request::Selector},
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::testing::{EDGE, OPERATOR, World, bearer, call, legacy};

mod addresses;
mod disabled;
mod families;
mod moved;
mod sign_in;
mod sign_ups;

fn refused(status: &Status, code: Code, reason: Reason) {
    assert_eq!((status.code(), failure::reason(status)), (code, reason), "{status:?}");
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn exchange(credential: Credential) -> v1::ExchangeCredentialRequest {
    v1::ExchangeCredentialRequest {
        tenant: "shop".to_owned(),
        credential: Some(credential),
        ..v1::ExchangeCredentialRequest::default()
    }
}

fn password(username: &str, password: &str) -> Credential {
    Credential::Password(v1::PasswordCredential { username: username.into(), password: password.into() })
}

fn signup(username: &str) -> Credential {
    Credential::Signup(v1::SignupCredential {
        username: username.into(),
        password: "long enough".into(),
        ..v1::SignupCredential::default()
    })
}

const SIGNUP_MOUNT: [(&str, &str); 4] = [
    ("parlor-edge-key", EDGE),
    ("parlor-tenant", "shop"),
    ("parlor-signup", "1"),
    ("parlor-peer", "192.0.2.1"),
];

async fn set_password(world: &World, username: &str, password: &str) {
    let user = v1::User { username: username.to_owned(), ..v1::User::default() };
    let request = v1::UpsertUserRequest {
        user: Some(user),
        password: password.to_owned(),
        request_id: "a password is not stored in the clear".to_owned(),
        ..v1::UpsertUserRequest::default()
    };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.directory().upsert_user(request).await.unwrap();
}

#[tokio::test]
async fn a_password_is_traded_for_a_token_that_works() {
    let world = World::new().await;
    set_password(&world, "ann", "correct horse").await;
    let traded =
        world.tokens().exchange_credential(exchange(password("ann", "correct horse"))).await.unwrap();
    let traded = traded.into_inner();
    let user = traded.user.unwrap();
    assert_eq!((user.username.as_str(), traded.subject.as_str()), ("ann", user.id.as_str()));
    let said = claims(&traded.token);
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 3600);
    assert_eq!(said["exp"].as_i64().unwrap(), traded.expire_time.unwrap().seconds);
    let get = v1::GetTenantRequest { slug: "shop".to_owned() };
    world.directory().get_tenant(call(get, &[bearer(&traded.token)])).await.unwrap();

    for wrong in [password("ann", "wrong horse"), password("nobody", "correct horse")] {
        let error = world.tokens().exchange_credential(exchange(wrong)).await.unwrap_err();
        refused(&error, Code::Unauthenticated, Reason::CredentialInvalid);
    }
    let elsewhere = v1::ExchangeCredentialRequest {
        tenant: "other".to_owned(),
        ..exchange(password("ann", "correct horse"))
    };
    let error = world.tokens().exchange_credential(elsewhere).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialInvalid);
}

#[tokio::test]
async fn an_attempt_too_many_is_delayed_for_the_name_and_not_for_others() {
    let world = World::new().await;
    for _ in 0..10 {
        let error = world.tokens().exchange_credential(exchange(password("ann", "guess"))).await.unwrap_err();
        refused(&error, Code::Unauthenticated, Reason::CredentialInvalid);
    }
    let error = world.tokens().exchange_credential(exchange(password("ann", "guess"))).await.unwrap_err();
    refused(&error, Code::ResourceExhausted, Reason::RateLimited);
    let other = world.tokens().exchange_credential(exchange(password("bob", "guess"))).await.unwrap_err();
    refused(&other, Code::Unauthenticated, Reason::CredentialInvalid);
    world.clock.advance(Duration::from_secs(10));
    let error = world.tokens().exchange_credential(exchange(password("ann", "guess"))).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialInvalid);
}

#[tokio::test]
async fn accounts_are_made_only_where_the_mount_allows_it() {
    let world = World::new().await;
    let error = world.tokens().exchange_credential(exchange(signup("ann"))).await.unwrap_err();
    refused(&error, Code::Unimplemented, Reason::SwitchedOff);
    // Without the edge key the metadata is nobody's.
    let error = world.tokens().exchange_credential(call(exchange(signup("ann")), &SIGNUP_MOUNT[1..])).await;
    refused(&error.unwrap_err(), Code::Unimplemented, Reason::SwitchedOff);

    let made =
        world.tokens().exchange_credential(call(exchange(signup("ann")), &SIGNUP_MOUNT)).await.unwrap();
    assert_eq!(made.into_inner().user.unwrap().roles, [i32::from(Role::Customer)]);
    let error =
        world.tokens().exchange_credential(call(exchange(signup("ann")), &SIGNUP_MOUNT)).await.unwrap_err();
    refused(&error, Code::AlreadyExists, Reason::AlreadyExists);
    let short = Credential::Signup(v1::SignupCredential {
        username: "bob".into(),
        password: "7 chars".into(),
        ..v1::SignupCredential::default()
    });
    let error = world.tokens().exchange_credential(call(exchange(short), &SIGNUP_MOUNT)).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
    let mut elsewhere = exchange(signup("bob"));
    elsewhere.tenant = "other".to_owned();
    let error = world.tokens().exchange_credential(call(elsewhere, &SIGNUP_MOUNT)).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
}

#[tokio::test]
async fn an_email_address_may_be_the_name_and_is_had_by_one_account() {
    let world = World::new().await;
    let with = |username: &str, email: &str| {
        Credential::Signup(v1::SignupCredential {
            username: username.into(),
            email: email.into(),
            password: "correct horse".into(),
            display_name: "Ann".into(),
        })
    };
    let sign_up = async |credential| {
        let answer = world.tokens().exchange_credential(call(exchange(credential), &SIGNUP_MOUNT)).await;
        answer.map(|answer| answer.into_inner().user.unwrap())
    };
    let ann = sign_up(with("", "ann@shop.example")).await.unwrap();
    assert_eq!((ann.username.as_str(), ann.email.as_str()), ("ann@shop.example", "ann@shop.example"));
    assert_eq!(ann.display_name, "Ann");
    for username in ["", "ann"] {
        let error = sign_up(with(username, "ann@shop.example")).await.unwrap_err();
        refused(&error, Code::AlreadyExists, Reason::EmailTaken);
    }
    // Somebody has the address as a name without having it as an address.
    sign_up(with("bob@shop.example", "robert@shop.example")).await.unwrap();
    let error = sign_up(with("", "bob@shop.example")).await.unwrap_err();
    refused(&error, Code::AlreadyExists, Reason::EmailTaken);
    // Neither may be what somebody else signs in with: they would be locked out, and the newcomer taken for them.
    let error = sign_up(with("robert@shop.example", "")).await.unwrap_err();
    refused(&error, Code::AlreadyExists, Reason::AlreadyExists);
    let error = sign_up(with("bobby", "bob@shop.example")).await.unwrap_err();
    refused(&error, Code::AlreadyExists, Reason::EmailTaken);
    for email in ["", "no address"] {
        let error = sign_up(with("", email)).await.unwrap_err();
        refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
    }
    let sign_in = async |username: &str| {
        let (username, password) = (username.into(), "correct horse".into());
        let proof = Credential::Password(v1::PasswordCredential { username, password });
        let answer = world.tokens().exchange_credential(exchange(proof)).await;
        answer.map(|answer| answer.into_inner().user.unwrap().id)
    };
    assert_eq!(sign_in("ann@shop.example").await.unwrap(), ann.id);
    let robert = sign_in("robert@shop.example").await.unwrap();
    assert_eq!(sign_in("bob@shop.example").await.unwrap(), robert, "by name or by address");
    let error = sign_in("nobody@shop.example").await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialInvalid);
}

#[tokio::test]
async fn a_token_is_minted_in_the_shape_of_an_issuer_and_proves_the_same_person() {
    let world = World::with(|options| {
        let claims = crate::auth::claims::ClaimPaths {
            subject: vec!["user.id".into()],
            username: vec!["user.username".into()],
            name: Vec::new(),
            email: Vec::new(),
            roles: vec!["user.role".into()],
        };
        let mint_ttl = Duration::from_secs(12 * 3600);
        options.auth.issuers = vec![crate::auth::IssuerOptions { claims, mint_ttl, ..legacy() }];
    })
    .await;
    let request = v1::ExchangeCredentialRequest { issuer: "legacy".to_owned(), ..exchange(signup("ann")) };
    let made = world.tokens().exchange_credential(call(request, &SIGNUP_MOUNT)).await.unwrap().into_inner();
    let user = made.user.unwrap();
    let subject = hex_id::encode(hex_id::Kind::User, user.number);
    let said = claims(&made.token);
    assert_eq!(said["user"], json!({"id": subject, "username": "ann", "role": "customer"}));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 12 * 3600);
    assert_eq!(said.as_object().unwrap().len(), 3);
    assert_eq!(made.subject, subject);

    // The token comes back as one of the issuer's, and is the same user.
    let back = world.tokens().exchange_credential(exchange(Credential::Bearer(made.token))).await.unwrap();
    assert_eq!(back.into_inner().user.unwrap().id, user.id);
}

#[tokio::test]
async fn an_issuer_of_integers_calls_newcomers_by_their_number() {
    let world = World::with(|options| {
        let claims = crate::auth::claims::ClaimPaths {
            subject: vec!["id".into()],
            ..crate::auth::claims::ClaimPaths::default()
        };
        let mint_numbers = Some(0);
        options.auth.issuers = vec![crate::auth::IssuerOptions { claims, mint_numbers, ..legacy() }];
    })
    .await;
    let request = v1::ExchangeCredentialRequest { issuer: "legacy".to_owned(), ..exchange(signup("ann")) };
    let made = world.tokens().exchange_credential(call(request, &SIGNUP_MOUNT)).await.unwrap().into_inner();
    let user = made.user.unwrap();
    assert_eq!(claims(&made.token)["id"], json!(user.number));
    assert_eq!(made.subject, user.number.to_string());
    let back = world.tokens().exchange_credential(exchange(Credential::Bearer(made.token))).await.unwrap();
    assert_eq!(back.into_inner().user.unwrap().id, user.id);
}

/// The shop takes a token for its own customer of that id, so nobody may be called as another is.
#[tokio::test]
async fn who_signs_up_is_never_called_as_somebody_is_already() {
    let world = World::with(|options| {
        let claims = crate::auth::claims::ClaimPaths { subject: vec!["id".into()], ..Default::default() };
        options.auth.issuers =
            vec![crate::auth::IssuerOptions { claims, mint_numbers: Some(100), ..legacy() }];
    })
    .await;
    // The second would be called 102, the first number after that which is free is 104.
    for kept in ["102", "103"] {
        let user = v1::User {
            username: format!("kept-{kept}"),
            identities: vec![v1::Identity { issuer: "legacy".to_owned(), subject: kept.to_owned() }],
            ..v1::User::default()
        };
        let request = v1::UpsertUserRequest { user: Some(user), ..Default::default() };
        let who = [bearer(OPERATOR), ("parlor-tenant", "shop")];
        world.directory().upsert_user(call(request, &who)).await.unwrap();
    }
    let sign_up = async |name| {
        let request = v1::ExchangeCredentialRequest { issuer: "legacy".to_owned(), ..exchange(signup(name)) };
        world.tokens().exchange_credential(call(request, &SIGNUP_MOUNT)).await
    };
    let made = sign_up("ann").await.unwrap().into_inner();
    let user = made.user.unwrap();
    assert_eq!((made.subject.as_str(), user.number), ("104", 4));
    assert_eq!(claims(&made.token)["id"], json!(104));
    let next = sign_up("bob").await.unwrap().into_inner();
    assert_eq!(next.subject, "105");
    // Nothing is half made: a form that no issuer has makes no account.
    let request = v1::ExchangeCredentialRequest { issuer: "nobody".to_owned(), ..exchange(signup("eve")) };
    world.tokens().exchange_credential(call(request, &SIGNUP_MOUNT)).await.unwrap_err();
    sign_up("eve").await.unwrap();
}

#[tokio::test]
async fn what_is_traded_for_a_token_never_outlives_it() {
    let world = World::new().await;
    let (user, _) = world.somebody("shop", Role::Staff).await;
    let short = v1::MintTokenRequest {
        user_id: user.id,
        ttl: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..v1::MintTokenRequest::default()
    };
    let short = call(short, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    let proof = world.tokens().mint_token(short).await.unwrap().into_inner();
    let ttl = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let request =
        |ttl| v1::ExchangeCredentialRequest { ttl, ..exchange(Credential::Bearer(proof.token.clone())) };
    let traded = world.tokens().exchange_credential(request(ttl)).await.unwrap().into_inner();
    assert_eq!(traded.expire_time, proof.expire_time);
    // Within the leeway a proof still opens, and is worth nothing new.
    world.clock.advance(Duration::from_secs(61));
    let error = world.tokens().exchange_credential(request(ttl)).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialExpired);
    for seconds in [-1, 0, 24 * 3600 + 1] {
        let ttl = Some(prost_types::Duration { seconds, nanos: 0 });
        let request = v1::ExchangeCredentialRequest { ttl, ..exchange(Credential::ApiKey("x".into())) };
        assert!(world.tokens().exchange_credential(request).await.is_err(), "{seconds}");
    }
}

#[tokio::test]
async fn minting_never_raises_anybody() {
    let world = World::new().await;
    let (customer, customer_token) = world.somebody("shop", Role::Customer).await;
    let (_, staff) = world.somebody("shop", Role::Staff).await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let (_, others) = world.somebody("other", Role::Admin).await;
    let mint = async |token: Option<&str>, roles: &[Role], issuer: &str| {
        let request = v1::MintTokenRequest {
            user_id: customer.id.clone(),
            roles: roles.iter().map(|role| (*role).into()).collect(),
            issuer: issuer.to_owned(),
            ttl: None,
        };
        let metadata: Vec<_> = token.into_iter().map(bearer).collect();
        world.tokens().mint_token(call(request, &metadata)).await
    };
    refused(&mint(None, &[], "").await.unwrap_err(), Code::Unauthenticated, Reason::CredentialMissing);
    for token in [&customer_token, &staff] {
        refused(&mint(Some(token), &[], "").await.unwrap_err(), Code::PermissionDenied, Reason::RoleRequired);
    }
    refused(&mint(Some(&others), &[], "").await.unwrap_err(), Code::NotFound, Reason::UserNotFound);
    let raised = mint(Some(&admin), &[Role::Staff], "").await.unwrap_err();
    refused(&raised, Code::InvalidArgument, Reason::FieldInvalid);
    let minted = mint(Some(&admin), &[Role::Customer], "").await.unwrap().into_inner();
    assert_eq!(claims(&minted.token)["jti"], json!(minted.token_id));
    assert_eq!(claims(&minted.token)["roles"], json!(["customer"]));
    assert_eq!(mint(Some(&admin), &[], "legacy").await.unwrap().into_inner().token_id, "");
    let unknown = mint(Some(&admin), &[], "unheard-of").await.unwrap_err();
    refused(&unknown, Code::InvalidArgument, Reason::FieldInvalid);
    let elsewhere = [bearer(OPERATOR), ("parlor-tenant", "other")];
    let (theirs, _) = world.somebody("other", Role::Provider).await;
    let request = v1::MintTokenRequest {
        user_id: theirs.id,
        issuer: "legacy".into(),
        ..v1::MintTokenRequest::default()
    };
    let error = world.tokens().mint_token(call(request, &elsewhere)).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
}

#[tokio::test]
async fn a_token_says_what_the_records_say_and_may_say_less() {
    let world = World::new().await;
    let (admin, token) = world.somebody("shop", Role::Admin).await;
    assert_eq!(claims(&token)["roles"], json!(["admin"]));
    let request = v1::MintTokenRequest {
        user_id: admin.id,
        roles: vec![Role::Customer.into()],
        ..v1::MintTokenRequest::default()
    };
    let less = world.tokens().mint_token(call(request, &[bearer(&token)])).await.unwrap().into_inner().token;
    assert_eq!(claims(&less)["roles"], json!(["customer"]));
    let whoami = v1::InspectTokenRequest { token: less };
    let seen = world.tokens().inspect_token(call(whoami, &[bearer(&token)])).await.unwrap().into_inner();
    assert_eq!(seen.roles, [i32::from(Role::Customer)]);
}

#[tokio::test]
async fn a_role_that_was_taken_away_is_gone_from_older_tokens() {
    let world = World::new().await;
    let (user, token) = world.somebody("shop", Role::Staff).await;
    let list = v1::ListUsersRequest::default();
    world.directory().list_users(call(list.clone(), &[bearer(&token)])).await.unwrap();
    world.user("shop", &user.username, &[Role::Customer]).await;
    let error = world.directory().list_users(call(list.clone(), &[bearer(&token)])).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialRevoked);
    let token = world.token_of("shop", &user).await.token;
    let error = world.directory().list_users(call(list, &[bearer(&token)])).await.unwrap_err();
    refused(&error, Code::PermissionDenied, Reason::RoleRequired);
}

#[tokio::test]
async fn tokens_are_withdrawn_by_themselves_by_id_and_by_user() {
    let world = World::new().await;
    let (user, _) = world.somebody("shop", Role::Customer).await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let get = v1::GetTenantRequest { slug: "shop".to_owned() };
    let revoke = async |selector: Selector, token: &str| {
        let request = v1::RevokeTokenRequest { selector: Some(selector) };
        world.tokens().revoke_token(call(request, &[bearer(token)])).await
    };
    let works = async |token: &str| world.directory().get_tenant(call(get.clone(), &[bearer(token)])).await;

    let minted = world.token_of("shop", &user).await;
    works(&minted.token).await.unwrap();
    revoke(Selector::Token(minted.token.clone()), &minted.token).await.unwrap();
    refused(&works(&minted.token).await.unwrap_err(), Code::Unauthenticated, Reason::CredentialRevoked);
    revoke(Selector::Token(minted.token), &admin).await.unwrap();

    let minted = world.token_of("shop", &user).await;
    works(&minted.token).await.unwrap();
    let error = revoke(Selector::TokenId(minted.token_id.clone()), &minted.token).await.unwrap_err();
    refused(&error, Code::PermissionDenied, Reason::RoleRequired);
    revoke(Selector::TokenId(minted.token_id), &admin).await.unwrap();
    refused(&works(&minted.token).await.unwrap_err(), Code::Unauthenticated, Reason::CredentialRevoked);

    let minted = world.token_of("shop", &user).await;
    let (_, others) = world.somebody("shop", Role::Provider).await;
    let error = revoke(Selector::UserId(user.id.clone()), &others).await.unwrap_err();
    refused(&error, Code::PermissionDenied, Reason::RoleRequired);
    revoke(Selector::UserId(user.id.clone()), &minted.token).await.unwrap();
    refused(&works(&minted.token).await.unwrap_err(), Code::Unauthenticated, Reason::CredentialRevoked);
    works(&others).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    works(&world.token_of("shop", &user).await.token).await.unwrap();

    let forged = minted.token.replace('.', "x.");
    let error = revoke(Selector::Token(forged), &admin).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
    let request = v1::RevokeTokenRequest { selector: Some(Selector::TokenId("x".into())) };
    let error = world.tokens().revoke_token(request).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialMissing);
}

#[tokio::test]
async fn inspection_says_what_is_wrong_and_only_to_staff() {
    let world = World::new().await;
    let (user, customer) = world.somebody("shop", Role::Customer).await;
    let (_, staff) = world.somebody("shop", Role::Staff).await;
    let inspect = async |token: &str, reader: &str| {
        let request = v1::InspectTokenRequest { token: token.to_owned() };
        world.tokens().inspect_token(call(request, &[bearer(reader)])).await
    };
    refused(&inspect("x", &customer).await.unwrap_err(), Code::PermissionDenied, Reason::RoleRequired);
    let request = v1::InspectTokenRequest { token: "x".to_owned() };
    let error = world.tokens().inspect_token(request).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialMissing);

    let good = inspect(&customer, &staff).await.unwrap().into_inner();
    assert!(good.valid, "{good:?}");
    assert_eq!(
        (good.kind(), good.subject.as_str(), good.issuer.as_str()),
        (v1::TokenKind::Access, &*user.id, "parlor")
    );
    let bad = inspect("not.a.token", &staff).await.unwrap().into_inner();
    assert_eq!((bad.kind(), bad.valid, bad.problems.len()), (v1::TokenKind::Unspecified, false, 1));
    let (_, elsewhere) = world.somebody("other", Role::Staff).await;
    assert!(!inspect(&customer, &elsewhere).await.unwrap().into_inner().valid);
    let key = inspect(&crate::auth::api_key::generate(), &staff).await.unwrap().into_inner();
    assert_eq!((key.kind(), key.valid), (v1::TokenKind::ApiKey, false));
    world.clock.advance(Duration::from_secs(3600 + 5));
    let fresh = world.token_of("shop", &user).await.token;
    assert!(inspect(&fresh, &staff).await.is_err(), "the reader's own token is over");
}

#[tokio::test]
async fn everybody_reads_the_key_set_and_it_verifies_our_tokens() {
    let world = World::new().await;
    let set = world.tokens().get_jwks(v1::GetJwksRequest {}).await.unwrap().into_inner().jwks_json;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&set).unwrap();
    assert_eq!(set.keys.len(), 2);
    let (user, token) = world.somebody("shop", Role::Customer).await;
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    assert_eq!(decoded.claims["sub"], json!(user.id));
}

#[tokio::test]
async fn a_key_is_traded_for_a_token_that_ends_with_it() {
    let world = World::new().await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let wanted = v1::ApiKey { kind: v1::ApiKeyKind::Service.into(), ..Default::default() };
    let request = v1::CreateApiKeyRequest { api_key: Some(wanted), ..Default::default() };
    let made = world.directory().create_api_key(call(request, &[bearer(&admin)])).await.unwrap().into_inner();
    let traded = world.tokens().exchange_credential(exchange(Credential::ApiKey(made.secret))).await.unwrap();
    let traded = traded.into_inner();
    assert_eq!(traded.user, None);
    let list = v1::ListUsersRequest::default();
    world.directory().list_users(call(list.clone(), &[bearer(&traded.token)])).await.unwrap();
    let revoke = v1::RevokeApiKeyRequest { id: made.api_key.unwrap().id };
    world.directory().revoke_api_key(call(revoke, &[bearer(&admin)])).await.unwrap();
    let error = world.directory().list_users(call(list, &[bearer(&traded.token)])).await.unwrap_err();
    refused(&error, Code::Unauthenticated, Reason::CredentialRevoked);
    let operator = exchange(Credential::ApiKey(OPERATOR.to_owned()));
    let error = world.tokens().exchange_credential(operator).await.unwrap_err();
    refused(&error, Code::InvalidArgument, Reason::FieldInvalid);
}
