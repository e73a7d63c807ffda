//! What no token gets through with.

use std::time::Duration;

use ed25519_dalek::{SigningKey, pkcs8::EncodePublicKey as _};
use jsonwebtoken::EncodingKey;
use parlor_store::Roles;
use serde_json::{Value, json};

use super::fixture::{EC, EC_PUBLIC, RSA, RSA_PUBLIC, hs256, signed, unsigned, world};
use crate::{
    Error,
    auth::{
        Context, IssuerKey, IssuerOptions, KeyMaterial, RawCredential, jwt::Algorithm, jwt::MAX_TOKEN_BYTES,
    },
    testing::{SECRET, SEED, World, legacy},
};

fn pem(algorithm: Algorithm, pem: &str) -> KeyMaterial {
    KeyMaterial::Pem { algorithm, pem: pem.to_owned() }
}

fn issuer(name: &str, algorithm: Algorithm, material: KeyMaterial) -> IssuerOptions {
    let keys = vec![IssuerKey { kid: None, material }];
    IssuerOptions { algorithms: vec![algorithm], keys, ..IssuerOptions::named(name, "shop") }
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let world = World::new().await;
    let claims = world.good("42");
    for alg in ["none", "None", "NONE", "", "HS512", "HS384"] {
        let header = json!({"alg": alg, "typ": "JWT"});
        assert_eq!(
            world.refusal(&unsigned(&header, &claims)).await,
            "its algorithm is not accepted",
            "{alg}"
        );
    }
    assert_eq!(world.refusal(&unsigned(&json!({}), &claims)).await, "its algorithm is not accepted");
    let header = json!({"alg": "HS256"});
    assert_eq!(world.refusal(&unsigned(&header, &claims)).await, "no accepted issuer has signed it");
    let stripped = hs256(&claims);
    let stripped = &stripped[..=stripped.rfind('.').unwrap()];
    assert_eq!(world.refusal(stripped).await, "no accepted issuer has signed it");
    for garbage in ["", ".", "..", "...", "a.b", "a.b.c", "e30.e30.", "W10.W10.x"] {
        world.resolve(garbage).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let world = world(vec![issuer("rsa", Algorithm::Rs256, pem(Algorithm::Rs256, RSA_PUBLIC))]).await;
    let claims = world.good("42");
    let right = EncodingKey::from_rsa_pem(RSA).unwrap();
    world.resolve(&signed(&json!({"alg": "RS256"}), &claims, &right, Algorithm::Rs256)).await.unwrap();

    let confused = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    for alg in ["HS256", "RS256"] {
        let token = signed(&json!({"alg": alg}), &claims, &confused, Algorithm::Hs256);
        assert_eq!(world.refusal(&token).await, "no accepted issuer has signed it", "{alg}");
    }
    // And nobody can configure it by accident.
    let secret = KeyMaterial::Secret(RSA_PUBLIC.as_bytes().to_vec());
    let options = issuer("rsa", Algorithm::Hs256, secret);
    let problem = super::super::issuer::Issuer::new(options, &world.clock).unwrap_err();
    assert_eq!(problem, "issuer rsa: a PEM key is given as a secret");
}

#[tokio::test]
async fn a_token_brings_no_key_of_its_own() {
    let world = World::new().await;
    let claims = world.good("42");
    let key = EncodingKey::from_secret(SECRET);
    for name in ["jku", "jwk", "x5u", "x5c", "crit"] {
        let mut header = json!({"alg": "HS256"});
        header[name] = json!("https://attacker.example/keys");
        let token = signed(&header, &claims, &key, Algorithm::Hs256);
        assert_eq!(world.refusal(&token).await, format!("header {name} is not accepted"));
    }
}

#[tokio::test]
async fn every_accepted_algorithm_verifies_with_its_own_key_only() {
    let signing = SigningKey::from_bytes(&[9; 32]);
    let ed_public = signing.verifying_key().to_public_key_pem(Default::default()).unwrap();
    let ed_der = ed25519_dalek::pkcs8::EncodePrivateKey::to_pkcs8_der(&signing).unwrap();
    let world = world(vec![
        issuer("rsa", Algorithm::Rs256, pem(Algorithm::Rs256, RSA_PUBLIC)),
        issuer("ec", Algorithm::Es256, pem(Algorithm::Es256, EC_PUBLIC)),
        issuer("ed", Algorithm::EdDsa, pem(Algorithm::EdDsa, &ed_public)),
    ])
    .await;
    let claims = world.good("42");
    let cases = [
        ("rsa", "RS256", EncodingKey::from_rsa_pem(RSA).unwrap(), Algorithm::Rs256),
        ("ec", "ES256", EncodingKey::from_ec_pem(EC).unwrap(), Algorithm::Es256),
        ("ed", "EdDSA", EncodingKey::from_ed_der(ed_der.as_bytes()), Algorithm::EdDsa),
    ];
    for (name, alg, key, algorithm) in cases {
        let principal = world.resolve(&signed(&json!({"alg": alg}), &claims, &key, algorithm)).await.unwrap();
        assert_eq!(principal.proof.issuer, name);
        let told = json!({"alg": "HS256"});
        world.resolve(&signed(&told, &claims, &key, algorithm)).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_token_is_good_until_its_leeway_is_over() {
    let world = World::new().await;
    let strict = super::fixture::world(vec![IssuerOptions { leeway: Duration::ZERO, ..legacy() }]).await;
    let ended = |world: &World, ago: i64| {
        hs256(&json!({"sub": "42", "iat": world.now_seconds() - 100, "exp": world.now_seconds() - ago}))
    };
    world.resolve(&ended(&world, 3)).await.unwrap();
    assert_eq!(world.resolve(&ended(&world, 6)).await.unwrap_err(), Error::CredentialExpired);
    assert_eq!(strict.resolve(&ended(&strict, 0)).await.unwrap_err(), Error::CredentialExpired);

    // What is cached ends too.
    let token = hs256(&world.good("42"));
    world.resolve(&token).await.unwrap();
    world.clock.advance(Duration::from_secs(3600 + 5));
    assert_eq!(world.resolve(&token).await.unwrap_err(), Error::CredentialExpired);
}

#[tokio::test]
async fn times_are_required_honoured_and_numbers() {
    let world = World::new().await;
    let now = world.now_seconds();
    let cases: [(Value, &str); 7] = [
        (json!({"sub": "42"}), "it has no exp"),
        (json!({"sub": "42", "exp": "2100-01-01"}), "exp is not a number"),
        (json!({"sub": "42", "exp": null}), "exp is not a number"),
        (json!({"sub": "42", "exp": now + 60, "nbf": now + 30}), "it is not good yet"),
        (json!({"sub": "42", "exp": now + 60, "nbf": "soon"}), "nbf is not a number"),
        (json!({"sub": "42", "exp": now + 9000, "iat": now + 3600}), "it was issued in the future"),
        (json!({"exp": now + 60}), "it names no subject"),
    ];
    for (claims, problem) in cases {
        assert_eq!(world.refusal(&hs256(&claims)).await, problem, "{claims}");
    }
    let within = json!({"sub": "42", "exp": (now + 60) as f64 + 0.5, "nbf": now + 3});
    world.resolve(&hs256(&within)).await.unwrap();
}

#[tokio::test]
async fn issuer_and_audience_are_checked_where_they_are_expected() {
    let options = IssuerOptions {
        expected_issuer: Some("https://id.example".to_owned()),
        expected_audience: Some("chat".to_owned()),
        ..legacy()
    };
    let world = world(vec![options]).await;
    let with = |iss: Value, aud: Value| {
        let mut claims = world.good("42");
        claims["iss"] = iss;
        claims["aud"] = aud;
        hs256(&claims)
    };
    let right = json!("https://id.example");
    for aud in [json!("chat"), json!(["shop", "chat"])] {
        world.resolve(&with(right.clone(), aud)).await.unwrap();
    }
    for aud in [json!("shop"), json!(["shop"]), json!([]), Value::Null, json!("chatter")] {
        assert_eq!(world.refusal(&with(right.clone(), aud)).await, "aud is another");
    }
    for iss in [json!("https://id.example/"), Value::Null, json!(["https://id.example"])] {
        assert_eq!(world.refusal(&with(iss, json!("chat"))).await, "iss is another");
    }
}

#[tokio::test]
async fn an_empty_user_is_nobody_and_a_nested_one_is_read() {
    let world = World::new().await;
    let hour = world.now_seconds() + 3600;
    let problem = world.refusal(&hs256(&json!({"user": {}, "exp": hour}))).await;
    assert_eq!(problem, "it names no subject");
    for user in [Value::Null, json!([]), json!("x"), json!({"id": null}), json!({"id": {}})] {
        world.resolve(&hs256(&json!({"user": user, "exp": hour}))).await.unwrap_err();
    }
    let token = hs256(&json!({"user": {"id": 42, "username": "ann", "role": "staff"}, "exp": hour}));
    let principal = world.resolve(&token).await.unwrap();
    assert_eq!((principal.proof.subject.as_str(), principal.roles), ("42", Roles::STAFF));
    let user = principal.user().unwrap();
    assert_eq!(
        (user.username.as_deref(), user.roles),
        (Some("ann"), Roles::CUSTOMER),
        "a token's role is not stored"
    );
}

#[tokio::test]
async fn the_longest_token_is_read_and_one_longer_is_not() {
    let world = World::new().await;
    let padded = |pad: usize| {
        let mut claims = world.good("42");
        claims["pad"] = json!("p".repeat(pad));
        hs256(&claims)
    };
    let room = MAX_TOKEN_BYTES - padded(0).len();
    let longest =
        (room / 4 * 3..).map(padded).take_while(|token| token.len() <= MAX_TOKEN_BYTES).last().unwrap();
    assert!(longest.len() > MAX_TOKEN_BYTES - 4);
    world.resolve(&longest).await.unwrap();
    assert_eq!(world.refusal(&padded(room / 4 * 3 + 8)).await, "it is too long");
}

#[tokio::test]
async fn a_token_opens_its_own_tenant_through_mounts_that_accept_its_issuer() {
    let world = World::new().await;
    let token = hs256(&world.good("42"));
    let through = async |tenant: Option<&str>, issuers: &[&str]| {
        let issuers = issuers.iter().map(|name| (*name).to_owned()).collect();
        let context = Context { tenant: tenant.map(str::to_owned), issuers, ..Context::default() };
        world.core.auth().resolve(&RawCredential::Bearer(token.clone()), &context).await
    };
    // Twice: the second time it is cached.
    for _ in 0..2 {
        through(None, &[]).await.unwrap();
        through(Some("shop"), &["another", "legacy"]).await.unwrap();
        through(Some("other"), &[]).await.unwrap_err();
        through(None, &["another"]).await.unwrap_err();
    }
    let guest = async |tenant: Option<&str>, guests: bool| {
        let context = Context { tenant: tenant.map(str::to_owned), guests, ..Context::default() };
        world.core.auth().resolve(&RawCredential::Guest, &context).await
    };
    assert_eq!(guest(Some("shop"), true).await.unwrap().roles, Roles::CUSTOMER);
    assert_eq!(guest(Some("shop"), false).await.unwrap_err(), Error::CredentialMissing);
    assert_eq!(guest(None, true).await.unwrap_err(), Error::CredentialMissing);
}

#[tokio::test]
async fn our_own_tokens_need_our_own_key() {
    let world = World::new().await;
    let (user, good) = world.somebody("shop", parlor_api::v1::Role::Customer).await;
    let header: Value = {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(good.split('.').next().unwrap());
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    };
    let claims = json!({
        "iss": "parlor", "tenant": "shop", "sub": user.id, "roles": ["admin"], "jti": "1",
        "iat": world.now_seconds(), "exp": world.now_seconds() + 60,
    });
    let sign = |seed: [u8; 32], header: &Value, claims: &Value| {
        let der =
            ed25519_dalek::pkcs8::EncodePrivateKey::to_pkcs8_der(&SigningKey::from_bytes(&seed)).unwrap();
        signed(header, claims, &EncodingKey::from_ed_der(der.as_bytes()), Algorithm::EdDsa)
    };
    let principal = world.resolve(&sign(SEED, &header, &claims)).await.unwrap();
    assert!(principal.roles.is_empty(), "a role our records do not have is not granted");
    assert_eq!(world.refusal(&sign([8; 32], &header, &claims)).await, "its signature is wrong");
    // Signed by an issuer, it is that issuer's word about one of its own people, whatever it calls itself.
    let outside = world.resolve(&hs256(&claims)).await.unwrap();
    assert_eq!(outside.proof.issuer, "legacy");
    assert_ne!(outside.user_id().unwrap().to_string(), user.id);
}
