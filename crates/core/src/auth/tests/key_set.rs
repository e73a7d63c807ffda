//! Published key sets, from a real HTTP server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use parlor_api::{failure, v1};

use super::fixture::{signed, world};
use crate::{
    Error,
    auth::{IssuerKey, IssuerOptions, KeyMaterial, jwt::Algorithm},
    testing::{SECRET, World},
};

const NOBODYS: &str = "no accepted issuer has signed it";

/// Serves whatever it holds, and counts how often it was asked.
struct KeyServer {
    url: String,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<(u16, String)>>,
    _tasks: JoinSet<()>,
}

impl KeyServer {
    async fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new((200, answer)));
        let mut tasks = JoinSet::new();
        let (count, held) = (asked.clone(), answer.clone());
        tasks.spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && socket.read_buf(&mut request).await.unwrap_or(0) > 0
                {
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = held.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { url, asked, answer, _tasks: tasks }
    }

    fn serve(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn published(keys: &[(&str, u8)]) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(kid, seed)| {
            let x = URL_SAFE_NO_PAD.encode(key(*seed).verifying_key().as_bytes());
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x})
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

fn token(world: &World, kid: Option<&str>, seed: u8) -> String {
    let mut header = json!({"alg": "EdDSA"});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    // Another each time, so that no cache answers.
    let mut claims = world.good("42");
    claims["jti"] = json!(uuid::Uuid::new_v4().to_string());
    let der = key(seed).to_pkcs8_der().unwrap();
    signed(&header, &claims, &EncodingKey::from_ed_der(der.as_bytes()), Algorithm::EdDsa)
}

async fn trusting(server: &KeyServer) -> World {
    let options = IssuerOptions {
        algorithms: vec![Algorithm::EdDsa],
        jwks_url: Some(server.url.clone()),
        ..IssuerOptions::named("published", "shop")
    };
    world(vec![options]).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_a_new_one_is_found_after_the_cool_down() {
    let server = KeyServer::start(published(&[("one", 1)])).await;
    let world = trusting(&server).await;
    for _ in 0..3 {
        world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    }
    assert_eq!(server.asked(), 1);

    server.serve(200, &published(&[("one", 1), ("two", 2)]));
    for _ in 0..3 {
        world.resolve(&token(&world, Some("two"), 2)).await.unwrap_err();
    }
    assert_eq!(server.asked(), 1, "the cool-down holds");
    world.clock.advance(Duration::from_secs(30));
    world.resolve(&token(&world, Some("two"), 2)).await.unwrap();
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    world.resolve(&token(&world, None, 2)).await.unwrap();
    assert_eq!(server.asked(), 2);

    world.resolve(&token(&world, Some("two"), 1)).await.unwrap_err();
    for kid in ["a", "b", "c"] {
        world.resolve(&token(&world, Some(kid), 9)).await.unwrap_err();
    }
    assert_eq!(server.asked(), 2, "inventing names costs nothing within the cool-down");
    world.clock.advance(Duration::from_secs(30));
    for kid in ["a", "b", "c"] {
        world.resolve(&token(&world, Some(kid), 9)).await.unwrap_err();
    }
    assert_eq!(server.asked(), 3, "and one fetch after it");
}

#[tokio::test]
async fn known_keys_serve_on_while_the_server_is_down_but_not_for_ever() {
    let server = KeyServer::start(published(&[("one", 1)])).await;
    let world = trusting(&server).await;
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    for (status, body) in [(500, "broken"), (200, "not json"), (302, "")] {
        server.serve(status, body);
        world.clock.advance(Duration::from_secs(600));
        world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    }
    assert_eq!(server.asked(), 4);
    let oversized = format!(r#"{{"keys": [], "pad": "{}"}}"#, "p".repeat(256 * 1024));
    server.serve(200, &oversized);
    world.clock.advance(Duration::from_secs(600));
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    world.clock.advance(Duration::from_secs(24 * 3600));
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap_err();

    server.serve(200, &published(&[("one", 1)]));
    world.clock.advance(Duration::from_secs(30));
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten_when_the_set_is_fetched_anew() {
    let server = KeyServer::start(published(&[("one", 1), ("two", 2)])).await;
    let world = trusting(&server).await;
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    server.serve(200, &published(&[("two", 2)]));
    world.clock.advance(Duration::from_secs(600));
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap_err();
    world.resolve(&token(&world, Some("two"), 2)).await.unwrap();
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_no_proof_that_a_token_is_bad() {
    let server = KeyServer::start(String::new()).await;
    server.serve(500, "broken");
    let world = trusting(&server).await;
    let away = |found: Error| match found {
        Error::KeysAway { retry_after_ms } => retry_after_ms,
        other => panic!("{other:?}"),
    };
    for kid in [Some("one"), None] {
        let retry_after_ms = away(world.resolve(&token(&world, kid, 1)).await.unwrap_err());
        assert!((1..=30_000).contains(&retry_after_ms), "{retry_after_ms}");
    }
    assert_eq!(server.asked(), 1, "within the cool-down nobody waits for another fetch");
    let status = tonic::Status::from(world.resolve(&token(&world, None, 1)).await.unwrap_err());
    assert_eq!((status.code(), failure::reason(&status)), (tonic::Code::Unavailable, v1::Reason::TryAgain));
    assert!(failure::details(&status).contains_key("retry_after_ms"), "{status:?}");
    // What this issuer cannot have signed is refused as ever.
    assert_eq!(world.refusal(&super::fixture::hs256(&world.good("42"))).await, NOBODYS);

    server.serve(200, &published(&[("one", 1)]));
    world.clock.advance(Duration::from_secs(30));
    world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
    assert_eq!(world.refusal(&token(&world, Some("two"), 2)).await, NOBODYS, "the set is known, and new");
    // The set may have a new key, and cannot be read.
    server.serve(500, "broken");
    world.clock.advance(Duration::from_secs(30));
    away(world.resolve(&token(&world, Some("two"), 2)).await.unwrap_err());
    assert_eq!(world.refusal(&token(&world, Some("one"), 2)).await, NOBODYS, "the key of this name is known");
}

#[tokio::test]
async fn a_token_of_another_issuer_does_not_wait_for_keys() {
    let server = KeyServer::start(String::new()).await;
    server.serve(500, "broken");
    let options = IssuerOptions {
        algorithms: vec![Algorithm::EdDsa],
        jwks_url: Some(server.url.clone()),
        expected_issuer: Some("https://id.example".to_owned()),
        ..IssuerOptions::named("published", "shop")
    };
    let world = world(vec![options]).await;
    assert_eq!(world.refusal(&token(&world, None, 1)).await, NOBODYS, "its iss is another");
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_published_secret_is_no_key() {
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let set = json!({"keys": [{"kty": "oct", "kid": "one", "alg": "HS256", "k": secret}]}).to_string();
    let server = KeyServer::start(set).await;
    let options = IssuerOptions {
        algorithms: vec![Algorithm::Hs256],
        jwks_url: Some(server.url.clone()),
        ..IssuerOptions::named("published", "shop")
    };
    let world = world(vec![options]).await;
    world.resolve(&super::fixture::hs256(&world.good("42"))).await.unwrap_err();
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_key_of_an_unknown_algorithm_is_told_once_and_spoils_no_other() {
    let coordinate = URL_SAFE_NO_PAD.encode([1; 48]);
    let late = json!({
        "kty": "EC", "crv": "P-384", "alg": "ES384", "kid": "late", "x": coordinate, "y": coordinate,
    });
    let odd = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "odd", "pub": "AA"});
    let locked =
        json!({"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "locked", "n": "AQAB", "e": "AQAB"});
    let mut set: Value = serde_json::from_str(&published(&[("one", 1)])).unwrap();
    set["keys"].as_array_mut().unwrap().splice(0..0, [late, odd, locked]);
    let server = KeyServer::start(set.to_string()).await;
    let world = trusting(&server).await;
    let heard = Heard::default();
    let ear = heard.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || ear.clone()).finish();
    let _listening = tracing::subscriber::set_default(log);
    for _ in 0..2 {
        world.resolve(&token(&world, Some("one"), 1)).await.unwrap();
        world.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(server.asked(), 2);
    let told = heard.text();
    for (kid, alg) in [("late", "ES384"), ("odd", "ML-DSA-44")] {
        assert_eq!(told.matches(&format!(r#"kid="{kid}" alg="{alg}""#)).count(), 1, "{told}");
    }
    assert!(!told.contains("locked"), "a key for encryption is as it should be: {told}");
}

/// What was logged by this thread.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn static_keys_rotate_by_name() {
    let secret = |kid: Option<&str>, secret: &[u8]| IssuerKey {
        kid: kid.map(str::to_owned),
        material: KeyMaterial::Secret(secret.to_vec()),
    };
    let keys = vec![secret(Some("old"), b"the old secret of sixteen"), secret(Some("new"), SECRET)];
    let world = world(vec![IssuerOptions { keys, ..IssuerOptions::named("legacy", "shop") }]).await;
    let token = |kid: Option<&str>, secret: &[u8]| {
        let header = kid.map_or(json!({"alg": "HS256"}), |kid| json!({"alg": "HS256", "kid": kid}));
        signed(&header, &world.good("42"), &EncodingKey::from_secret(secret), Algorithm::Hs256)
    };
    world.resolve(&token(Some("new"), SECRET)).await.unwrap();
    world.resolve(&token(Some("old"), b"the old secret of sixteen")).await.unwrap();
    world.resolve(&token(None, b"the old secret of sixteen")).await.unwrap();
    world.resolve(&token(Some("new"), b"the old secret of sixteen")).await.unwrap_err();
    world.resolve(&token(Some("unknown"), SECRET)).await.unwrap_err();
}
