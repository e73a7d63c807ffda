//! An issuer's published keys: fetched when needed, kept, and never fetched because a stranger invents key names.
//!
//! One fetch runs at a time, at most one in a cool-down. When a fetch fails, the keys from before serve on until they
//! are too old to trust.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::jwt::{Algorithm, VerifyingKey};
use crate::{clock::Clock, locked::lock};

/// Key sets are a few KiB; more is not one.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// More keys than any rotation needs would make every token without a `kid` expensive.
const MAX_KEYS: usize = 32;
/// A caller waits for this at most.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Keys are looked up anew after this.
const FRESH_MS: i64 = 10 * 60 * 1000;
/// Between two fetches, whatever is asked for.
const COOL_DOWN_MS: i64 = 30 * 1000;
/// Keys that could not be confirmed for so long are no longer trusted.
const STALE_MS: i64 = 24 * 3600 * 1000;

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// One key set.
#[derive(Debug)]
pub struct Jwks {
    url: http::Uri,
    client: HttpClient,
    clock: Clock,
    known: Mutex<Known>,
    fetching: Semaphore,
}

#[derive(Clone, Debug, Default)]
struct Known {
    keys: Arc<Vec<VerifyingKey>>,
    /// Told when they came, and not again while they stay.
    unusable: Arc<Vec<Unusable>>,
    fetched_at: Option<i64>,
    tried_at: Option<i64>,
    /// The last try brought nothing.
    failed: bool,
}

/// Keys that may have signed a token.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub keys: Vec<VerifyingKey>,
    /// There may be others, which cannot be fetched now; they are asked for again after so long.
    pub incomplete_for_ms: Option<u64>,
}

/// A set as it is published: each key is read by itself, so that one of a kind we have never heard of spoils no other.
#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

impl Jwks {
    /// Fetches nothing yet.
    pub fn new(url: &str, clock: Clock) -> Result<Self, String> {
        let uri: http::Uri = url.parse().map_err(|_| format!("jwks_url {url} is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(format!("jwks_url {url} is neither http nor https"));
        }
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url: uri, client, clock, known: Mutex::default(), fetching: Semaphore::new(1) })
    }

    /// The keys that may have signed a token with this key name and algorithm.
    pub(super) async fn keys_for(&self, kid: Option<&str>, algorithm: Algorithm) -> Found {
        let known = lock(&self.known).clone();
        let now = self.clock.now();
        let fresh = known.fetched_at.is_some_and(|at| now - at < FRESH_MS);
        let found = matching(&known, kid, algorithm);
        if fresh && (!found.is_empty() || kid.is_none()) {
            return Found { keys: found, incomplete_for_ms: None };
        }
        self.refresh().await;
        let (known, now) = (lock(&self.known).clone(), self.clock.now());
        let trusted = known.fetched_at.is_some_and(|at| now - at < STALE_MS);
        let keys = if trusted { matching(&known, kid, algorithm) } else { Vec::new() };
        // A key that is known by its name is the one; any other may have been published since.
        let incomplete = !trusted || known.failed && (kid.is_none() || keys.is_empty());
        let again_at = known.tried_at.unwrap_or(now).saturating_add(COOL_DOWN_MS);
        let wait_ms = again_at.saturating_sub(now).clamp(1, COOL_DOWN_MS).unsigned_abs();
        Found { keys, incomplete_for_ms: incomplete.then_some(wait_ms) }
    }

    async fn refresh(&self) {
        let seen = lock(&self.known).tried_at;
        let Ok(_turn) = self.fetching.acquire().await else { return };
        let now = self.clock.now();
        let known = lock(&self.known).clone();
        // Somebody fetched while this one waited, or a moment ago.
        if known.tried_at != seen || known.tried_at.is_some_and(|at| now - at < COOL_DOWN_MS) {
            return;
        }
        {
            // Failed until it has succeeded: whoever asked may leave before.
            let mut known = lock(&self.known);
            (known.tried_at, known.failed) = (Some(now), true);
        }
        match tokio::time::timeout(FETCH_TIMEOUT, self.fetch()).await {
            Ok(Ok(set)) => {
                let (keys, unusable) = read(&set);
                for (kid, alg) in unusable.iter().filter(|key| !known.unusable.contains(key)) {
                    tracing::warn!(url = %self.url, kid, alg, "a published key cannot be used here");
                }
                let mut known = lock(&self.known);
                known.keys = Arc::new(keys);
                known.unusable = Arc::new(unusable);
                (known.fetched_at, known.failed) = (Some(now), false);
            }
            Ok(Err(problem)) => tracing::warn!(url = %self.url, problem, "key set not fetched"),
            Err(_) => tracing::warn!(url = %self.url, "key set not fetched in time"),
        }
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let response = self.client.get(self.url.clone()).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }
}

fn matching(known: &Known, kid: Option<&str>, algorithm: Algorithm) -> Vec<VerifyingKey> {
    known
        .keys
        .iter()
        .filter(|key| key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid))
        .cloned()
        .collect()
}

/// A key of a set that cannot be used: its `kid` and `alg`, as it states them.
type Unusable = (String, String);

/// The keys of a set that may sign, and those that say so but are of no use here. A key for encryption is neither.
fn read(set: &JwkSet) -> (Vec<VerifyingKey>, Vec<Unusable>) {
    let (mut keys, mut unusable) = (Vec::new(), Vec::new());
    for key in set.keys.iter().filter(|key| key["use"] != "enc") {
        match Jwk::deserialize(key).ok().as_ref().and_then(verifying) {
            Some(key) if keys.len() < MAX_KEYS => keys.push(key),
            Some(_) => {}
            None => unusable.push((named(key, "kid"), named(key, "alg"))),
        }
    }
    (keys, unusable)
}

fn named(key: &Value, member: &str) -> String {
    key[member].as_str().unwrap_or_default().to_owned()
}

/// A public signing key of an algorithm we know. A shared secret has no place in a published set.
fn verifying(jwk: &Jwk) -> Option<VerifyingKey> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::Rs256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::Es256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDsa,
        _ => return None,
    };
    let stated = jwk.common.key_algorithm.map(|stated| stated.to_string());
    if stated.is_some_and(|stated| stated != algorithm.name()) {
        return None;
    }
    Some(VerifyingKey { kid: jwk.common.key_id.clone(), algorithm, key: DecodingKey::from_jwk(jwk).ok()? })
}
