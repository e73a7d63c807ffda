//! The manual is complete and true, and each refusal names its key.

use std::collections::BTreeSet;

use parlor_core::auth::{claims::ClaimPaths, jwt::Algorithm};

use super::*;
use crate::config::load::{Flags, load};

/// A private key that is used nowhere.
const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----";

/// The manual with its commented-out settings switched on: lines that begin with '#' and no space.
fn manual_with_everything() -> String {
    let switched_on = |line: &'static str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        Some(_) | None => line,
    };
    DEFAULT_TOML.lines().map(switched_on).collect::<Vec<_>>().join("\n")
}

/// Every key below `value`, lists looked into by their first element.
fn keys(value: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(table) => {
            for (key, below) in table {
                let path = format!("{path}.{key}");
                keys(below, &path, found);
                found.insert(path);
            }
        }
        serde_json::Value::Array(list) => list.iter().take(1).for_each(|below| keys(below, path, found)),
        _ => {}
    }
}

fn keys_of(value: &impl Serialize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys(&serde_json::to_value(value).unwrap(), "", &mut found);
    found
}

/// A configuration that is accepted.
fn good() -> Config {
    let issuer = Issuer {
        name: "shop".into(),
        tenant: "shop".into(),
        mint: true,
        key: vec![Key { secret: "0123456789abcdef".into(), ..Key::default() }],
        ..Issuer::default()
    };
    let mount = Mount {
        dialect: "staff".into(),
        prefix: "/staff".into(),
        tenant: "shop".into(),
        issuers: vec!["shop".into()],
        login_issuer: "shop".into(),
        ..Mount::default()
    };
    let secrets = Secrets {
        edge_key: "an edge key of its own".into(),
        operator_key: "an operator key of its own".into(),
        handle_key: "a handle key of its own".into(),
        position_key: "a position key of its own".into(),
        signing_key: SIGNING_KEY.into(),
        ..Secrets::default()
    };
    Config { secrets, mount: vec![mount], issuer: vec![issuer], ..Config::default() }
}

/// The keys that are refused after a change of the good one.
fn refused(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut config = good();
    change(&mut config);
    match config.check() {
        Ok(()) => Vec::new(),
        Err(Refused(refusals)) => refusals.into_iter().map(|refusal| refusal.key).collect(),
    }
}

#[test]
fn the_listener_of_the_manual_is_what_a_listener_is_by_default() {
    assert_eq!(Config::default().listener, [Listener::default()]);
}

#[test]
fn the_manual_names_every_key_and_shows_usable_values() {
    let text = manual_with_everything();
    let written: toml::Value = toml::from_str(&text).unwrap();
    let issuer = Issuer { key: vec![Key::default()], ..Issuer::default() };
    let full = Config { mount: vec![Mount::default()], issuer: vec![issuer], ..Config::default() };
    assert_eq!(keys_of(&full), keys_of(&written));

    let mut config: Config = toml::from_str(&text).unwrap();
    config.secrets = good().secrets;
    config.check().unwrap();
    let expected = Mount { name: "staff".into(), ..config.mount[0].clone() };
    assert_eq!(config.mount, [expected]);
    assert_eq!(config.issuer[0].claims, ClaimPaths::default());
    assert_eq!(config.issuer[0].roles, Issuer::default().roles);
    assert_eq!(config.mount[0].linger_ms, Mount::default().linger_ms);
}

#[test]
fn a_good_configuration_is_accepted() {
    assert_eq!(good().check(), Ok(()));
    assert_eq!(refused(|config| config.dev = true), [""; 0]);
}

#[test]
fn roles_need_what_they_connect_to() {
    assert_eq!(refused(|config| config.role = Role::Core), ["core.listen"]);
    assert_eq!(refused(|config| config.role = Role::Gateway), ["gateway.core_url"]);
    assert_eq!(refused(|config| config.gateway.core_url = "http://core:8081".into()), ["gateway.core_url"]);
    assert_eq!(refused(|config| config.core.listen = "8081".into()), ["core.listen"]);
    assert_eq!(refused(|config| config.listener.clear()), ["listener"]);
    let gateway = |config: &mut Config| {
        config.role = Role::Gateway;
        config.gateway.core_url = "http://core:8081".into();
        config.secrets = Secrets { edge_key: config.secrets.edge_key.clone(), ..Secrets::default() };
    };
    assert_eq!(refused(gateway), [""; 0], "a gateway needs the edge key only");
}

#[test]
fn weak_secrets_are_refused_by_name() {
    let longest_refused = "x".repeat(check::secret::BYTES_MIN - 1);
    for weak in ["", "secret", "Secret", &longest_refused] {
        assert_eq!(refused(|config| config.secrets.edge_key = weak.into()), ["secrets.edge_key"]);
        assert_eq!(refused(|config| config.secrets.operator_key = weak.into()), ["secrets.operator_key"]);
        assert_eq!(refused(|config| config.secrets.handle_key = weak.into()), ["secrets.handle_key"]);
        assert_eq!(refused(|config| config.secrets.position_key = weak.into()), ["secrets.position_key"]);
        assert_eq!(refused(|config| config.secrets.signing_key = weak.into()), ["secrets.signing_key"]);
        assert_eq!(
            refused(|config| config.issuer[0].key[0].secret = weak.into()),
            ["issuer[0].key[0].secret"]
        );
    }
    let shortest = "x".repeat(check::secret::BYTES_MIN);
    assert_eq!(refused(|config| config.secrets.edge_key = shortest.as_str().into()), [""; 0]);
    let legacy = |config: &mut Config| {
        config.dev = true;
        config.issuer[0].key[0].secret = "secret".into();
    };
    assert_eq!(refused(legacy), [""; 0], "a legacy secret may be tried in --dev");
}

#[test]
fn listeners_are_told_apart_and_stay_at_home_in_dev() {
    assert_eq!(
        refused(|config| config.listener.push(Listener::default())),
        ["listener[1].name", "listener[1].address", "mount[0].prefix"]
    );
    let outside = |config: &mut Config| {
        config.dev = true;
        config.listener[0].address = "0.0.0.0:8080".parse().unwrap();
    };
    assert_eq!(refused(outside), ["listener[0].address"]);
    assert_eq!(
        refused(|config| config.listener[0].tls_key_file = "key.pem".into()),
        ["listener[0].tls_key_file"]
    );
}

#[test]
fn mounts_name_only_what_is_there() {
    assert_eq!(refused(|config| config.mount[0].dialect = "klingon".into()), ["mount[0].dialect"]);
    assert_eq!(refused(|config| config.mount[0].listener = "private".into()), ["mount[0].listener"]);
    assert_eq!(refused(|config| config.mount[0].issuers.push("bank".into())), ["mount[0].issuers"]);
    assert_eq!(refused(|config| config.mount[0].login_issuer = "bank".into()), ["mount[0].login_issuer"]);
    let numbers = |from: u64| {
        move |config: &mut Config| {
            config.mount[0].allow_signup = true;
            config.issuer[0].mint_ids = MintIds::Number;
            config.issuer[0].mint_ids_from = from;
            config.issuer[0].mint_secret = "a secret of Parlor's own".into();
        }
    };
    assert_eq!(refused(numbers(0)), ["mount[0].allow_signup"]);
    assert_eq!(refused(numbers(1_000_000)), [""; 0]);
    let with_secret = |secret: &str, change: &dyn Fn(&mut Config)| {
        refused(|config| {
            numbers(1_000_000)(config);
            config.issuer[0].mint_secret = secret.into();
            change(config);
        })
    };
    let shops = |config: &mut Config| {
        config.issuer[0].mint_secret = config.issuer[0].key[0].secret.clone();
    };
    // What the shop's own backend signs with opens the shop's account of the same number.
    assert_eq!(with_secret("", &|_| {}), ["issuer[0].mint_secret"]);
    assert_eq!(with_secret("", &shops), ["issuer[0].mint_secret"]);
    assert_eq!(with_secret("too short", &|_| {}), ["issuer[0].mint_secret"]);
    assert_eq!(with_secret("", &|config| config.issuer[0].mint_ids = MintIds::Hex), [""; 0]);
    assert_eq!(with_secret("", &|config| config.mount[0].allow_signup = false), [""; 0]);
    let unmade = |config: &mut Config| config.issuer[0].mint = false;
    assert_eq!(
        with_secret("a secret of Parlor's own", &unmade),
        ["issuer[0].mint_secret", "mount[0].login_issuer"]
    );
    assert_eq!(refused(|config| config.issuer[0].mint = false), ["mount[0].login_issuer"]);
    assert_eq!(refused(|config| config.mount[0].tenant.clear())[0], "mount[0].tenant");
    assert_eq!(
        refused(|config| config.issuer[0].tenant = "bank".into()),
        ["mount[0].issuers", "mount[0].login_issuer"]
    );
    let signup = |config: &mut Config| {
        config.mount[0].allow_signup = true;
        config.mount[0].login_issuer.clear();
    };
    assert_eq!(refused(signup), ["mount[0].allow_signup"]);
}

/// The good configuration with a mount of the support dialect that trusts a cookie.
fn with_cookies(change: impl FnOnce(&mut Mount)) -> Vec<String> {
    refused(|config| {
        let mount = &mut config.mount[0];
        mount.dialect = "support".into();
        mount.identity = Identity::Cookie;
        mount.origins = vec!["http://localhost:3000".into()];
        change(mount);
    })
}

#[test]
fn cookies_are_trusted_only_of_named_origins_whoever_sets_them() {
    assert_eq!(with_cookies(|_| {}), [""; 0]);
    assert_eq!(with_cookies(|mount| mount.origins.clear()), ["mount[0].origins"]);
    let set_by_the_shop = |mount: &mut Mount| {
        mount.login_issuer.clear();
        mount.allow_signup = false;
    };
    assert_eq!(with_cookies(set_by_the_shop), [""; 0]);
    for bad in ["", "a b", "a;b", "a=b", "__Host-a"] {
        assert_eq!(with_cookies(|mount| mount.cookie_name = bad.into()), ["mount[0].cookie_name"], "{bad:?}");
    }
    for bad in ["*", "shop.example", "https://shop.example/", "https://*.shop.example", "ftp://x", "https://"]
    {
        assert_eq!(with_cookies(|mount| mount.origins = vec![bad.into()]), ["mount[0].origins"], "{bad:?}");
    }
    for good in ["https://shop.example", "http://localhost:5173", "http://[::1]:80"] {
        assert_eq!(with_cookies(|mount| mount.origins = vec![good.into()]), [""; 0], "{good:?}");
    }
}

#[test]
fn only_a_dialect_without_tokens_takes_cookies_or_claims() {
    assert_eq!(refused(|config| config.mount[0].identity = Identity::Claims), ["mount[0].identity"]);
    let claims = |mount: &mut Mount| {
        mount.identity = Identity::Claims;
        mount.origins.clear();
    };
    assert_eq!(with_cookies(claims), [""; 0]);
}

#[test]
fn a_rate_is_two_numbers_within_their_limits() {
    let rate = |burst, per_second| {
        refused(|config| {
            config.mount[0].rate_burst = burst;
            config.mount[0].rate_per_second = per_second;
        })
    };
    assert_eq!(rate(1, 10_000), [""; 0]);
    assert_eq!(rate(5, 0), ["mount[0].rate_per_second"]);
    assert_eq!(rate(0, 5), ["mount[0].rate_per_second"]);
    assert_eq!(rate(10_001, 1), ["mount[0].rate_burst"]);
}

#[test]
fn prefixes_are_well_formed_and_unique() {
    for bad in ["staff", "/staff/", "/st ff", "/healthz", "/metrics/x", "/parlor.v1.ChatService", ""] {
        assert_eq!(refused(|config| config.mount[0].prefix = bad.into()), ["mount[0].prefix"], "{bad:?}");
    }
    let twice = |config: &mut Config| {
        let again = Mount { name: "again".into(), listener: "public".into(), ..config.mount[0].clone() };
        config.mount.push(again);
    };
    assert_eq!(refused(twice), ["mount[1].prefix"]);
    let root = |config: &mut Config| {
        config.mount[0].prefix.clear();
        config.mount[0].listener = "public".into();
    };
    assert_eq!(refused(root), [""; 0]);
}

#[test]
fn issuers_have_keys_that_fit() {
    assert_eq!(refused(|config| config.issuer[0].key.clear()), ["issuer[0].key"]);
    assert_eq!(
        refused(|config| config.issuer[0].algorithms.push(Algorithm::Rs256)),
        ["issuer[0].algorithms"]
    );
    assert_eq!(refused(|config| config.issuer[0].algorithms.clear())[0], "issuer[0].algorithms");
    assert_eq!(
        refused(|config| config.issuer[0].jwks_url = "https://shop/jwks".into()),
        ["issuer[0].jwks_url"]
    );
    assert_eq!(
        refused(|config| config.issuer[0].algorithms = vec![Algorithm::Rs256]),
        ["issuer[0].mint", "issuer[0].key[0].pem"]
    );
    assert_eq!(refused(|config| config.issuer[0].leeway_seconds = 61), ["issuer[0].leeway_seconds"]);
    assert_eq!(refused(|config| config.issuer[0].leeway_seconds = 60), [""; 0]);
}

#[test]
fn secrets_that_nobody_drew_are_refused_or_doubted() {
    let with = |secret: &str| {
        let mut config = good();
        config.secrets.edge_key = secret.into();
        config.issuer[0].key[0].secret = secret.into();
        config
    };
    let both = ["secrets.edge_key", "issuer[0].key[0].secret"];
    let blank = with(&" ".repeat(16)).check().unwrap_err();
    assert_eq!(blank.0.iter().map(|refusal| refusal.key.as_str()).collect::<Vec<_>>(), both);
    assert!(blank.0[0].problem.starts_with("is blank"), "{blank}");
    let doubted = |secret: &str| {
        let config = with(secret);
        assert_eq!(config.check(), Ok(()), "{secret}");
        config.doubts().into_iter().map(|doubt| doubt.key).collect::<Vec<_>>()
    };
    assert_eq!(doubted("aaaaaaaaaaaaaaaa"), both);
    assert_eq!(doubted("abcdabcdabcdabcd"), both);
    assert_eq!(doubted("abcdeabcdeabcdea"), [""; 0]);
}

#[test]
fn numbers_are_held_at_their_limits() {
    assert_eq!(refused(|config| config.database.read_connections = 128), [""; 0]);
    assert_eq!(refused(|config| config.database.read_connections = 129), ["database.read_connections"]);
    assert_eq!(refused(|config| config.gateway.outbox_bytes = 4_096), [""; 0]);
    assert_eq!(refused(|config| config.gateway.outbox_bytes = 4_095), ["gateway.outbox_bytes"]);
    assert_eq!(refused(|config| config.mount[0].linger_ms = 60_000), [""; 0]);
    assert_eq!(refused(|config| config.mount[0].linger_ms = 60_001), ["mount[0].linger_ms"]);
    assert_eq!(refused(|config| config.node = "n".repeat(64)), [""; 0]);
    assert_eq!(refused(|config| config.node = "n".repeat(65)), ["node"]);
}

#[test]
fn unknown_keys_are_named_with_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("parlor.toml");
    std::fs::write(&file, "[database]\nulr = \"sqlite://x\"\n").unwrap();
    let error = load(&Flags { file: Some(file), ..Flags::default() }).unwrap_err().to_string();
    assert!(error.contains("database.ulr: there is no such key"), "{error}");
    assert!(error.contains("parlor.toml"), "{error}");
}

#[test]
fn what_is_no_toml_is_named_by_line_and_not_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("parlor.toml");
    std::fs::write(&file, "[secrets]\nedge_key = \"my precious\n").unwrap();
    let error = load(&Flags { file: Some(file), ..Flags::default() }).unwrap_err();
    assert!(error.is::<Refused>(), "{error:#}");
    let text = format!("{error:#}");
    assert!(text.contains("parlor.toml, line 2: is not TOML") && !text.contains("precious"), "{text}");
}

#[test]
fn what_is_of_another_type_is_told_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("parlor.toml");
    let told = |text: &str| {
        std::fs::write(&file, text).unwrap();
        load(&Flags { file: Some(file.clone()), ..Flags::default() }).unwrap_err().to_string()
    };
    let error = told("[gateway]\noutbox_bytes = -1\n");
    assert!(error.contains("gateway.outbox_bytes: is") && error.contains("give a whole number"), "{error}");
    let error = told("role = \"both\"\n");
    assert!(
        error.contains("role: is \"both\"") && error.contains("give one of: all, core, gateway"),
        "{error}"
    );
}

#[test]
fn what_is_kept_is_kept_for_days_and_not_for_more_than_a_century() {
    assert_eq!(Config::default().retention.messages_days, 0, "for ever");
    assert_eq!(refused(|config| config.retention.messages_days = 36_500), [""; 0]);
    assert_eq!(refused(|config| config.retention.visits_days = 36_500), [""; 0]);
    assert_eq!(refused(|config| config.retention.visits_days = 36_501), ["retention.visits_days"]);
    assert_eq!(refused(|config| config.retention.messages_days = 36_501), ["retention.messages_days"]);
    assert_eq!(
        refused_in_file("[secrets]\ngenerate = true\n[retention]\nmessages_days = -1\n"),
        ["retention.messages_days"]
    );
}

/// The keys that are refused when this file is read.
fn refused_in_file(text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("parlor.toml");
    std::fs::write(&file, text).unwrap();
    let error = load(&Flags { file: Some(file), ..Flags::default() }).unwrap_err();
    let Refused(refusals) = error.downcast().unwrap();
    refusals.into_iter().map(|refusal| refusal.key).collect()
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    const SECRETS: &str = "[secrets]\ngenerate = true\n";
    let types = "role = \"al\"\n[log]\nformat = \"xml\"\n[gateway]\noutbox_bytes = 1\nping = 3\n";
    let refused = refused_in_file(&format!("{types}{SECRETS}"));
    for key in ["role", "log.format", "gateway.ping", "gateway.outbox_bytes"] {
        assert!(refused.iter().any(|refused| refused == key), "{key} in {refused:?}");
    }
    assert_eq!(refused.len(), 4, "{refused:?}");

    let files = "edge_key_file = \"nowhere\"\nhandle_key_file = \"no\"\n[log]\nfilter = \"=x=\"\n";
    let refused = refused_in_file(&format!("{SECRETS}{files}"));
    assert_eq!(refused, ["secrets.edge_key_file", "secrets.handle_key_file", "log.filter"]);
}

#[test]
fn what_was_not_read_is_not_held_against_the_rest() {
    let role = "role = \"gatway\"\n[gateway]\ncore_url = \"http://core:8081\"\n";
    assert_eq!(refused_in_file(role), ["role"]);
    let lists = "[secrets]\ngenerate = true\n\
                 [[mount]]\ndialect = 3\nprefix = \"/a\"\ntenant = \"shop\"\nissuers = [\"i\"]\n\
                 [[issuer]]\nname = \"i\"\ntenant = [1]\n[[listener]]\naddress = \"here\"\n";
    let mut refused = refused_in_file(lists);
    refused.sort();
    assert_eq!(refused, ["issuer[0].tenant", "listener[0].address", "mount[0].dialect"]);
}

#[test]
fn a_filter_and_a_core_url_are_what_they_must_be() {
    assert_eq!(refused(|config| config.log.filter = "info,=x=".into()), ["log.filter"]);
    for bad in ["https://core:8081", "core:8081", "http://"] {
        let gateway = |config: &mut Config| {
            config.role = Role::Gateway;
            config.gateway.core_url = bad.into();
        };
        assert_eq!(refused(gateway), ["gateway.core_url"], "{bad}");
    }
}

#[test]
fn flags_win_and_a_file_ends_development() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("parlor.toml");
    std::fs::write(&file, "role = \"core\"\ndata_dir = \"elsewhere\"\n").unwrap();
    let flags = Flags { file: Some(file), role: Some(Role::All), ..Flags::default() };
    let config = load(&flags).unwrap();
    assert_eq!((config.role, config.dev), (Role::All, false));
    assert_eq!(config.data_dir, PathBuf::from("elsewhere"));
    assert!(load(&Flags::default()).unwrap().dev);
}

#[test]
fn secrets_may_come_from_files_but_not_twice() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("edge");
    std::fs::write(&secret, "an edge key from a file\n").unwrap();
    let mut secrets = Secrets { edge_key_file: secret, ..Secrets::default() };
    assert_eq!(secrets.read_files(), []);
    assert_eq!(secrets.edge_key.expose(), "an edge key from a file");
    let twice = secrets.read_files();
    assert_eq!(twice[0].key, "secrets.edge_key_file");
    assert!(twice[0].problem.contains("secrets.edge_key is set too"), "{twice:?}");
}

#[test]
fn nothing_printed_holds_a_secret() {
    let mut config = good();
    config.database.url = "postgres://parlor:hunter2@db/parlor?password=hunter2".into();
    for text in [config.print().unwrap(), format!("{config:?}")] {
        assert!(!text.contains("of its own") && !text.contains("BEGIN PRIVATE"), "{text}");
        assert!(!text.contains("0123456789abcdef") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("db/parlor"), "{text}");
    }
}
