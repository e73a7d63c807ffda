//! Session cookies of NextAuth v4, and what Clerk's session tokens need beside a key set.

use std::time::Duration;

use jsonwebtoken::EncodingKey;
use parlor_api::v1::{self, Role};
use parlor_store::Roles;
use serde_json::{Value, json};

use super::fixture::{RSA, RSA_PUBLIC, hs256, signed, world};
use crate::{
    Error,
    auth::{
        IssuerKey, IssuerOptions, KeyMaterial,
        jwt::Algorithm,
        session_cookie::{MAX_COOKIE_BYTES, SessionKey},
    },
    testing::{OPERATOR, SECRET, World, bearer, call},
};

const SITE_SECRET: &[u8] = b"parlor-test-nextauth-secret";

/// Made by next-auth/jwt for `SITE_SECRET`; it ends in 2086.
const VECTOR: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..-X1L_6zCO_QfTzcf.s0XZVKgfe5ZssiHFrE24xktO1ACy1qSWvrOjezR-h4s7EMHBhq9drykmE2fnnTW8S1Zi3ZpYh6aq_AAclg1cBvEKFKYeDvvqFb5qb2AplzgesoUtHGt1ibOIpagjKZD0XcZq_YC9xfJ1zmA9IUcurm-I1xZn5Ej4OxdxDx47SFGC7aE1ZF4Hn_4zjA801a1DM6yLwRO7eJLNZX0GoBKz0Z_ezV1GTraEEN3BqzXZkg9A3HlLXZPB-5XmoWRcaVR8dY7e6C0xNyWp0d--uRObDwHMGauQ7Ce0g8Q0v5Xsg9hEF0e4MbAiW1-nuEFzrguV_tE.5Cc-VdJ1YwmYlKYo13HQNg";

const NOBODYS: &str = "no accepted issuer has signed it";

fn site(secret: &[u8]) -> IssuerOptions {
    IssuerOptions {
        keys: vec![IssuerKey { kid: None, material: KeyMaterial::Secret(secret.to_vec()) }],
        session_cookies: true,
        ..IssuerOptions::named("site", "shop")
    }
}

fn sealed(claims: &Value) -> String {
    SessionKey::new(SECRET).seal([7; 12], claims)
}

#[tokio::test]
async fn the_cookie_that_the_library_made_is_read() {
    let world = world(vec![site(SITE_SECRET)]).await;
    for _ in 0..2 {
        let principal = world.resolve(VECTOR).await.unwrap();
        assert_eq!(principal.proof.subject, "65f000000000000000000001");
        assert!(principal.roles.contains(Roles::ADMIN));
        let user = principal.user().unwrap();
        assert_eq!((user.display_name.as_str(), user.email.as_str()), ("Admin User", "admin@example.test"));
    }
}

#[tokio::test]
async fn whoever_changes_a_cookie_or_has_another_secret_is_nobody() {
    let world = world(vec![site(SITE_SECRET)]).await;
    let flipped = |at: usize| {
        let mut bytes = VECTOR.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let (tag, text) = (VECTOR.len() - 10, VECTOR.len() / 2);
    for changed in [flipped(tag), flipped(text)] {
        assert_eq!(world.refusal(&changed).await, NOBODYS);
    }
    let (head, tail) = VECTOR.split_at(text);
    // A piece is missing, or the pieces are in another order.
    for broken in [head, tail, &format!("{tail}{head}"), &VECTOR[..VECTOR.len() - 2], "....", "a.b.c.d.e"] {
        world.refusal(broken).await;
    }
    let elsewhere = super::fixture::world(vec![site(b"parlor-test-another-secret")]).await;
    assert_eq!(elsewhere.refusal(VECTOR).await, NOBODYS);
    let signed_only =
        super::fixture::world(vec![IssuerOptions { session_cookies: false, ..site(SITE_SECRET) }]);
    assert_eq!(signed_only.await.refusal(VECTOR).await, NOBODYS, "where no cookies are accepted");
}

#[tokio::test]
async fn only_the_one_encryption_is_accepted() {
    let world = world(vec![site(SITE_SECRET)]).await;
    let rest = VECTOR.split_once('.').unwrap().1;
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "A256KW", "enc": "A256GCM"}),
        json!({"alg": "dir", "enc": "A128CBC-HS256"}),
    ] {
        let head = crate::auth::jwt::message(&header, &json!(0));
        let other = format!("{}.{rest}", head.split_once('.').unwrap().0);
        assert_eq!(world.refusal(&other).await, "its encryption is not accepted");
    }
    let header = json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"});
    let head = crate::auth::jwt::message(&header, &json!(0));
    let zipped = format!("{}.{rest}", head.split_once('.').unwrap().0);
    assert_eq!(world.refusal(&zipped).await, "its header asks for more than is accepted");
}

#[tokio::test]
async fn a_cookie_ends_after_the_leeway_of_its_library_and_a_token_of_the_same_secret_after_its_own() {
    let world = world(vec![site(SECRET)]).await;
    let good = world.good("42");
    world.resolve(&sealed(&good)).await.unwrap();
    world.resolve(&hs256(&good)).await.unwrap();
    let (mut late, mut over) = (good.clone(), good.clone());
    late["exp"] = json!(world.now_seconds() - 14);
    over["exp"] = json!(world.now_seconds() - 15);
    world.resolve(&sealed(&late)).await.unwrap();
    assert_eq!(world.resolve(&sealed(&over)).await.unwrap_err(), Error::CredentialExpired);
    assert_eq!(world.resolve(&hs256(&late)).await.unwrap_err(), Error::CredentialExpired);
}

#[tokio::test]
async fn a_cookie_from_the_future_is_good_and_does_not_outlive_a_withdrawal() {
    let world = world(vec![site(SECRET)]).await;
    let mut early = world.good("42");
    early["iat"] = json!(world.now_seconds() + 900);
    assert_eq!(world.refusal(&hs256(&early)).await, "it was issued in the future");
    let principal = world.resolve(&sealed(&early)).await.unwrap();
    let user = principal.user_id().unwrap();
    world.core.auth().standing().revoke_user(principal.tenant, user).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    early["nonce"] = json!("another cookie");
    assert_eq!(world.resolve(&sealed(&early)).await.unwrap_err(), Error::CredentialRevoked);
}

#[tokio::test]
async fn the_longest_cookie_is_read_and_one_longer_is_not() {
    let world = world(vec![site(SECRET)]).await;
    let padded = |bytes: usize| {
        let mut claims = world.good("42");
        claims["pad"] = json!("p".repeat(bytes));
        sealed(&claims)
    };
    let most = (0..MAX_COOKIE_BYTES).rev().map(padded).find(|text| text.len() <= MAX_COOKIE_BYTES).unwrap();
    world.resolve(&most).await.unwrap();
    assert_eq!(world.refusal(&padded(MAX_COOKIE_BYTES)).await, "it is too long");
}

async fn inspected(world: &World, token: &str) -> v1::InspectTokenResponse {
    let request = v1::InspectTokenRequest { token: token.to_owned() };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.tokens().inspect_token(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_cookie_is_looked_into_and_withdrawn_as_a_token_is() {
    let world = world(vec![site(SECRET)]).await;
    let good = sealed(&world.good("42"));
    let found = inspected(&world, &good).await;
    assert_eq!((found.kind(), found.valid, found.subject.as_str()), (v1::TokenKind::Issuer, true, "42"));
    assert!(found.claims_json.contains("\"sub\":\"42\""), "{}", found.claims_json);
    let mut over = world.good("42");
    over["exp"] = json!(world.now_seconds() - 100);
    let found = inspected(&world, &sealed(&over)).await;
    assert!(!found.valid);
    assert!(found.problems.iter().any(|problem| problem == "its exp was 100 s ago"), "{:?}", found.problems);

    let principal = world.resolve(&good).await.unwrap();
    let withdrawable = world.core.auth().withdrawable(&good).await.unwrap();
    let standing = world.core.auth().standing();
    standing.revoke_token(principal.tenant, &withdrawable.token_id, withdrawable.expires_at).await.unwrap();
    assert_eq!(world.resolve(&good).await.unwrap_err(), Error::CredentialRevoked);
    assert!(!inspected(&world, &good).await.valid);
}

#[tokio::test]
async fn what_is_wrong_with_a_clock_is_named() {
    let world = world(vec![site(SECRET)]).await;
    let mut early = world.good("42");
    early["nbf"] = json!(world.now_seconds() + 90);
    let found = inspected(&world, &hs256(&early)).await;
    let skew = "its nbf lies 90 s ahead: the clock of whoever made it and this one differ";
    assert!(found.problems.iter().any(|problem| problem == skew), "{:?}", found.problems);
    let found = inspected(&world, &hs256(&world.good("42"))).await;
    assert_eq!(found.problems, Vec::<String>::new());
}

/// As Clerk signs them, with the public key configured instead of fetched.
fn clerk() -> IssuerOptions {
    let pem = KeyMaterial::Pem { algorithm: Algorithm::Rs256, pem: RSA_PUBLIC.to_owned() };
    IssuerOptions {
        algorithms: vec![Algorithm::Rs256],
        keys: vec![IssuerKey { kid: Some("ins_1".to_owned()), material: pem }],
        expected_issuer: Some("https://clerk.example".to_owned()),
        authorized_parties: vec!["https://shop.example".to_owned()],
        roles_of_records: true,
        ..IssuerOptions::named("clerk", "shop")
    }
}

fn session_token(world: &World, change: impl FnOnce(&mut Value)) -> String {
    let now = world.now_seconds();
    let mut claims = json!({
        "sub": "user_2abc", "sid": "sess_1", "iss": "https://clerk.example", "azp": "https://shop.example",
        "iat": now, "nbf": now - 10, "exp": now + 60,
    });
    change(&mut claims);
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "ins_1"});
    signed(&header, &claims, &EncodingKey::from_rsa_pem(RSA).unwrap(), Algorithm::Rs256)
}

#[tokio::test]
async fn a_token_for_another_party_is_refused_and_one_that_names_none_is_not() {
    let world = world(vec![clerk()]).await;
    world.resolve(&session_token(&world, |_| {})).await.unwrap();
    for other in [json!("https://evil.example"), json!(""), json!(["https://shop.example"]), json!(null)] {
        let token = session_token(&world, |claims| claims["azp"] = other);
        assert_eq!(world.refusal(&token).await, "azp is another");
    }
    let without = session_token(&world, |claims| {
        claims.as_object_mut().unwrap().remove("azp");
    });
    world.resolve(&without).await.unwrap();
}

#[tokio::test]
async fn a_session_is_withdrawn_by_its_id_with_every_token_of_it() {
    let world = world(vec![clerk()]).await;
    let principal = world.resolve(&session_token(&world, |_| {})).await.unwrap();
    world.core.auth().standing().revoke_token(principal.tenant, "sess_1", None).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    let next = session_token(&world, |_| {});
    assert_eq!(world.resolve(&next).await.unwrap_err(), Error::CredentialRevoked);
    world.resolve(&session_token(&world, |claims| claims["sid"] = json!("sess_2"))).await.unwrap();
}

#[tokio::test]
async fn roles_are_those_of_our_records_where_a_token_has_no_say() {
    let world = world(vec![clerk()]).await;
    let claimed = |claims: &mut Value| claims["role"] = json!("admin");
    let principal = world.resolve(&session_token(&world, claimed)).await.unwrap();
    assert_eq!(principal.roles, Roles::CUSTOMER);

    let give = async |roles: &[Role]| {
        let user = v1::User {
            id: principal.user_id().unwrap().to_string(),
            roles: roles.iter().map(|role| (*role).into()).collect(),
            ..v1::User::default()
        };
        let request = v1::UpsertUserRequest { user: Some(user), ..Default::default() };
        let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
        world.directory().upsert_user(request).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    };
    give(&[Role::Provider]).await;
    let provider = world.resolve(&session_token(&world, claimed)).await.unwrap();
    assert_eq!(provider.roles, Roles::PROVIDER);
    give(&[Role::Customer]).await;
    let again = world.resolve(&session_token(&world, claimed)).await.unwrap();
    assert_eq!(again.roles, Roles::CUSTOMER);
}
