//! What a withdrawal names, however a token is written and whoever numbered it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::fixture::{EC, EC_PUBLIC, hs256, signed, world};
use crate::{
    Error,
    auth::{IssuerKey, IssuerOptions, KeyMaterial, jwt::Algorithm},
    testing::{SECRET, World, legacy},
};

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The other signature that ECDSA takes for the same text: (r, s) is as good as (r, n - s).
fn rewritten(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let left = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(left < 0);
        signature[32 + index] = u8::try_from(left.rem_euclid(256)).unwrap();
    }
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_token_without_an_id_is_withdrawn_however_its_signature_is_written() {
    let material = KeyMaterial::Pem { algorithm: Algorithm::Es256, pem: EC_PUBLIC.to_owned() };
    let keys = vec![IssuerKey { kid: None, material }];
    let named = IssuerOptions::named("ec", "shop");
    let world = world(vec![IssuerOptions { algorithms: vec![Algorithm::Es256], keys, ..named }]).await;
    let key = EncodingKey::from_ec_pem(EC).unwrap();
    let token = signed(&json!({"alg": "ES256"}), &world.good("42"), &key, Algorithm::Es256);
    let twin = rewritten(&token);
    assert_ne!(token, twin);
    let tenant = world.resolve(&token).await.unwrap().tenant;
    world.resolve(&twin).await.unwrap();

    let auth = world.core.auth();
    let found = auth.withdrawable(&token).await.unwrap();
    auth.standing().revoke_token(tenant, &found.token_id, found.expires_at).await.unwrap();
    for written in [token, twin] {
        assert_eq!(world.resolve(&written).await.unwrap_err(), Error::CredentialRevoked);
    }
}

#[tokio::test]
async fn two_issuers_that_count_from_one_withdraw_each_their_own() {
    let other_secret = b"another secret of sixteen bytes";
    let keys = vec![IssuerKey { kid: None, material: KeyMaterial::Secret(other_secret.to_vec()) }];
    let world = world(vec![legacy(), IssuerOptions { keys, ..IssuerOptions::named("other", "shop") }]).await;
    let mut claims = world.good("42");
    claims["jti"] = json!("1");
    let of_legacy = hs256(&claims);
    let of_other =
        signed(&json!({"alg": "HS256"}), &claims, &EncodingKey::from_secret(other_secret), Algorithm::Hs256);
    let auth = world.core.auth();
    let tenant = world.resolve(&of_legacy).await.unwrap().tenant;
    world.resolve(&of_other).await.unwrap();

    let found = auth.withdrawable(&of_legacy).await.unwrap();
    auth.standing().revoke_token(tenant, &found.token_id, found.expires_at).await.unwrap();
    assert_eq!(world.resolve(&of_legacy).await.unwrap_err(), Error::CredentialRevoked);
    world.resolve(&of_other).await.unwrap();
    // Who gives an id alone means whichever issuer's.
    auth.standing().revoke_token(tenant, "1", None).await.unwrap();
    assert_eq!(world.resolve(&of_other).await.unwrap_err(), Error::CredentialRevoked);
}

#[tokio::test]
async fn an_id_that_no_store_could_keep_is_none() {
    let world = World::new().await;
    for id in ["a\0b".to_owned(), "i".repeat(201)] {
        let mut claims = world.good("42");
        claims["jti"] = json!(id);
        let token = hs256(&claims);
        let tenant = world.resolve(&token).await.unwrap().tenant;
        let auth = world.core.auth();
        let found = auth.withdrawable(&token).await.unwrap();
        assert!(found.token_id.starts_with("sha256:"), "{}", found.token_id);
        auth.standing().revoke_token(tenant, &found.token_id, found.expires_at).await.unwrap();
        assert_eq!(world.resolve(&token).await.unwrap_err(), Error::CredentialRevoked);
    }
}

#[tokio::test]
async fn a_token_that_does_not_say_when_it_was_issued_is_as_old_as_its_end_allows() {
    let hour = Duration::from_secs(3600);
    let world = world(vec![IssuerOptions { longest_life: Some(hour), ..legacy() }]).await;
    let timeless = |life: i64| hs256(&json!({"sub": "42", "exp": world.now_seconds() + life}));
    let before = timeless(3599);
    let principal = world.resolve(&before).await.unwrap();
    let auth = world.core.auth();
    auth.standing().revoke_user(principal.tenant, principal.user_id().unwrap()).await.unwrap();
    assert_eq!(world.resolve(&before).await.unwrap_err(), Error::CredentialRevoked);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.resolve(&before).await.unwrap_err(), Error::CredentialRevoked);
    world.resolve(&timeless(3599)).await.unwrap();
    // Its end would tell nothing: it may be of any age.
    let problem = world.refusal(&timeless(3600 + 3600)).await;
    assert_eq!(problem, "it has no iat, and ends later than its issuer's longest_life_seconds allow");
    let mut dated = world.good("42");
    dated["exp"] = json!(world.now_seconds() + 7200);
    world.resolve(&hs256(&dated)).await.unwrap();
}

#[tokio::test]
async fn only_whoever_mints_here_may_say_how_a_token_was_made() {
    // An issuer that Parlor does not mint for is believed in nothing but its claims.
    let world = world(vec![IssuerOptions { mint: false, ..legacy() }]).await;
    let header = json!({"alg": "HS256", "parlor": {"id": "x", "from": ["y"], "held": true, "ms": 7}});
    let mut claims: Value = world.good("42");
    claims["roles"] = json!(["staff"]);
    let token = signed(&header, &claims, &EncodingKey::from_secret(SECRET), Algorithm::Hs256);
    let principal = world.resolve(&token).await.unwrap();
    assert_eq!(principal.roles, parlor_store::Roles::STAFF);
    assert!(principal.proof.names.iter().all(|name| name.starts_with("sha256:")), "{:?}", principal.proof);
}
