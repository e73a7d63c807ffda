//! Byte for byte what the vendors' packages make, with the time and the salt at which they were made. `tests/it/rtc.rs`
//! holds the file of vectors against the packages themselves.

#![allow(clippy::unwrap_used, reason = "a panic with its place is what a test wants")]

use parlor_rtc::{App, Role, agora006, agora007, livekit, turn};
use serde_json::Value;

/// The packages draw this when chance stands still at a quarter.
const SALT_006: u32 = 1_073_741_823;
const SALT_007: u32 = 25_000_000;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vendor.json")).unwrap()
}

fn each(mut held: impl FnMut(&Value, &Value, Role)) {
    let vectors = vectors();
    let made = vectors["made"].as_array().unwrap();
    assert_eq!(made.len(), 6);
    for one in made {
        let role = if one["publishes"] == true { Role::Publisher } else { Role::Subscriber };
        held(&vectors, one, role);
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

fn app(vectors: &Value) -> App<'_> {
    App { id: text(vectors, "app"), certificate: text(vectors, "certificate") }
}

fn now(vectors: &Value) -> u32 {
    u32::try_from(vectors["now"].as_u64().unwrap()).unwrap()
}

#[test]
fn agora_006_is_what_agora_access_token_makes() {
    each(|vectors, one, role| {
        let pass = agora006::Pass {
            channel: text(one, "channel"),
            uid: text(one, "uid"),
            role,
            salt: SALT_006,
            ends: now(vectors) + agora006::LIFE_SECONDS,
            privileges_end: now(vectors) + 3600,
        };
        assert_eq!(agora006::mint(app(vectors), &pass).unwrap(), text(one, "agora006"));
    });
}

#[test]
fn agora_007_is_what_agora_token_makes() {
    each(|vectors, one, role| {
        let pass = agora007::Pass {
            channel: text(one, "channel"),
            uid: text(one, "uid"),
            role,
            issued: now(vectors),
            salt: SALT_007,
            lives: 600,
            privileges_live: 0,
            rtm_user: None,
        };
        assert_eq!(agora007::mint(app(vectors), &pass).unwrap(), text(one, "agora007"));
        let ending = agora007::Pass { privileges_live: 300, ..pass };
        assert_eq!(agora007::mint(app(vectors), &ending).unwrap(), text(one, "agora007_ending"));
        if !pass.uid.is_empty() {
            let with_rtm = agora007::Pass { rtm_user: Some(pass.uid), ..ending };
            assert_eq!(agora007::mint(app(vectors), &with_rtm).unwrap(), text(one, "agora007_rtm"));
        }
    });
}

#[test]
fn livekit_is_what_livekit_server_sdk_makes() {
    each(|vectors, one, role| {
        let key = livekit::Key { name: text(vectors, "key"), secret: text(vectors, "secret") };
        let begins = i64::from(now(vectors));
        let pass = livekit::Pass {
            room: text(one, "channel"),
            identity: text(one, "identity"),
            name: if role == Role::Publisher { "Jane \"J\" Döe" } else { "" },
            role,
            begins,
            ends: begins + 600,
        };
        assert_eq!(livekit::mint(key, &pass).unwrap(), text(one, "livekit"));
    });
}

/// HMAC-SHA1 by OpenSSL: `printf 1433895918:ninefingers | openssl dgst -sha1 -hmac north -binary | base64`.
#[test]
fn turn_is_what_openssl_makes() {
    let pair = turn::mint("north", "ninefingers", 1_433_895_918).unwrap();
    assert_eq!(pair.username, "1433895918:ninefingers");
    assert_eq!(pair.password, "jy8hTxmOO7UtEKXqSkSlvakPVYA=");
}
