//! Configuration in the words of the parts: plain options, without files, environment or serde.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use parlor_core::{
    auth::{self, IssuerKey, IssuerOptions, KeyMaterial, claims::RoleMap, jwt::Algorithm},
    chat::guesses,
    clock::Clock,
    edge, retention,
    share::Pace,
    stack,
};
use parlor_gateway::{
    Limits, Metrics, gateway, listener,
    mount::{Cookie, Identity, Mount, Rate},
};
use parlor_store::Roles;

use super::metrics;
use crate::config::{self, Config};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The core's part, of a server that is at home in a data directory.
pub fn core(config: &Config, home: String) -> Result<parlor_core::Options> {
    let milliseconds = Duration::from_millis;
    Ok(parlor_core::Options {
        node: config.node.clone(),
        home,
        auth: auth_options(config)?,
        stack: stack::Options {
            edge_keys: vec![config.secrets.edge_key.expose().to_owned()],
            default_deadline: milliseconds(config.core.default_deadline_ms),
            longest_deadline: milliseconds(config.core.longest_deadline_ms),
            calls_in_flight: config.core.calls_in_flight,
            share: stack::Share {
                calls_burst: config.core.caller_calls_burst,
                calls_per_second: config.core.caller_calls_per_second,
                streams: config.core.caller_streams,
            },
            ..stack::Options::default()
        },
        edge: edge::Options {
            lease: milliseconds(config.core.link_lease_ms),
            queue_bytes: config.core.link_queue_bytes,
            ..edge::Options::new(config.node.clone())
        },
        unknown_keys: guesses::Options {
            burst: config.core.unknown_keys_burst,
            refill: milliseconds(config.core.unknown_keys_refill_ms),
        },
        messages: Pace {
            burst: config.core.caller_messages_burst,
            per_second: config.core.caller_messages_per_second,
        },
        new_conversations: guesses::Options {
            burst: config.core.new_conversations_burst,
            refill: milliseconds(config.core.new_conversations_refill_ms),
        },
        position_key: config.secrets.position_key.expose().as_bytes().to_vec(),
        restart_linger: Some(milliseconds(config.core.restart_linger_ms)),
        retention: retention(config),
    })
}

fn retention(config: &Config) -> retention::Options {
    let days = |days: u32| (days > 0).then(|| DAY * days);
    retention::Options {
        messages: days(config.retention.messages_days),
        visits: days(config.retention.visits_days),
    }
}

fn auth_options(config: &Config) -> Result<auth::Options> {
    let secrets = &config.secrets;
    let earlier =
        (0..secrets.earlier_signing_keys.len()).filter_map(|index| secrets.earlier_signing_key(index));
    Ok(auth::Options {
        issuers: config.issuer.iter().map(issuer).collect(),
        operator_key: Some(secrets.operator_key.expose().to_owned()),
        handle_key: secrets.handle_key.expose().as_bytes().to_vec(),
        signing_seed: secrets
            .signing_seed()
            .context("secrets.signing_key is not an Ed25519 private key as PEM")?,
        earlier_signing_keys: earlier.collect(),
    })
}

fn issuer(issuer: &config::Issuer) -> IssuerOptions {
    let roles = issuer.roles.iter().map(|(name, role)| (name.clone(), role_of(*role)));
    IssuerOptions {
        name: issuer.name.clone(),
        tenant: issuer.tenant.clone(),
        keys: issuer.key.iter().flat_map(|key| keys(key, &issuer.algorithms)).collect(),
        algorithms: issuer.algorithms.clone(),
        jwks_url: given(&issuer.jwks_url),
        expected_issuer: given(&issuer.issuer),
        expected_audience: given(&issuer.audience),
        authorized_parties: issuer.authorized_parties.clone(),
        session_cookies: issuer.session_cookies,
        roles_of_records: issuer.roles_from == config::RolesFrom::Records,
        claims: issuer.claims.clone(),
        roles: RoleMap(roles.collect()),
        leeway: Duration::from_secs(issuer.leeway_seconds),
        longest_life: (issuer.longest_life_seconds > 0)
            .then(|| Duration::from_secs(issuer.longest_life_seconds)),
        provision: issuer.provision,
        mint: issuer.mint,
        mint_ttl: Duration::from_secs(issuer.mint_ttl_seconds),
        mint_numbers: (issuer.mint_ids == config::MintIds::Number)
            .then(|| i64::try_from(issuer.mint_ids_from).unwrap_or(i64::MAX)),
        mint_secret: given(issuer.mint_secret.expose()).map(String::into_bytes),
    }
}

/// A key as the core takes it. A PEM counts once for each algorithm the issuer may use, and is dropped where it does not fit.
fn keys(key: &config::Key, algorithms: &[Algorithm]) -> Vec<IssuerKey> {
    let kid = given(&key.kid);
    if !key.secret.is_empty() {
        let secret = key.secret.expose().as_bytes().to_vec();
        return vec![IssuerKey { kid, material: KeyMaterial::Secret(secret) }];
    }
    let material = |&algorithm: &Algorithm| KeyMaterial::Pem { algorithm, pem: key.pem.clone() };
    algorithms.iter().map(|algorithm| IssuerKey { kid: kid.clone(), material: material(algorithm) }).collect()
}

const fn role_of(role: config::RoleName) -> Roles {
    match role {
        config::RoleName::Customer => Roles::CUSTOMER,
        config::RoleName::Staff => Roles::STAFF,
        config::RoleName::Admin => Roles::ADMIN,
        config::RoleName::Provider => Roles::PROVIDER,
    }
}

/// The gateway's part.
pub fn gateway(config: &Config, clock: &Clock) -> gateway::Options {
    let milliseconds = Duration::from_millis;
    let clock = clock.clone();
    gateway::Options {
        name: config.node.clone(),
        edge_key: config.secrets.edge_key.expose().to_owned(),
        mounts: config.mount.iter().map(|mount| self::mount(mount, config)).collect(),
        limits: Limits {
            outbox_bytes: config.gateway.outbox_bytes,
            write_timeout: milliseconds(config.gateway.write_timeout_ms),
            reply_hold: milliseconds(config.gateway.reply_hold_ms),
            call_deadline: milliseconds(config.gateway.call_deadline_ms),
            join_timeout: milliseconds(config.gateway.join_timeout_ms),
            message_timeout: milliseconds(config.gateway.message_timeout_ms),
            sessions_per_address: config.gateway.sessions_per_address,
            calls_per_address: config.gateway.calls_per_address,
            rest_requests: config.gateway.rest_limit_requests,
            rest_window: Duration::from_secs(config.gateway.rest_limit_window_seconds),
            ping_interval: milliseconds(config.gateway.ping_interval_ms),
            ping_timeout: milliseconds(config.gateway.ping_timeout_ms),
            ..Limits::default()
        },
        now: Arc::new(move || jiff::Timestamp::from_millisecond(clock.now()).unwrap_or_default()),
        metrics: config.probes.are_public().then(|| Arc::new(metrics::render) as Metrics),
        reflection: config.gateway.reflection,
    }
}

fn mount(mount: &config::Mount, config: &Config) -> Mount {
    Mount {
        name: mount.label().to_owned(),
        dialect: mount.dialect.clone(),
        prefix: mount.prefix.clone(),
        listener: given(&mount.listener),
        tenant: given(&mount.tenant),
        issuers: mount.issuers.clone(),
        origins: mount.origins.clone(),
        login_issuer: given(&mount.login_issuer),
        allow_signup: mount.allow_signup,
        guests: mount.guests,
        identity: match mount.identity {
            config::Identity::Token => Identity::Token,
            config::Identity::Cookie => Identity::Cookie(Cookie {
                name: mount.cookie_name.clone(),
                secure: mount.cookie_secure || is_over_tls(mount, config),
            }),
            config::Identity::Claims => Identity::Claims,
        },
        rate: (mount.rate_burst > 0)
            .then_some(Rate { burst: mount.rate_burst, per_second: mount.rate_per_second }),
        linger: Duration::from_millis(mount.linger_ms),
    }
}

/// True if a mount answers over TLS wherever it is.
fn is_over_tls(mount: &config::Mount, config: &Config) -> bool {
    let here = |listener: &&config::Listener| mount.listener.is_empty() || mount.listener == listener.name;
    let mut listeners = config.listener.iter().filter(here).peekable();
    listeners.peek().is_some() && listeners.all(config::Listener::has_tls)
}

/// A public listener's part.
pub fn listener(listener: &config::Listener) -> listener::Options {
    listener::Options {
        tls: tls(listener),
        trusted_proxies: listener.trusted_proxies.clone(),
        header_timeout: Duration::from_millis(listener.header_timeout_ms),
        connections_max: listener.connections_max,
        connections_per_address: listener.connections_per_address,
        ..listener::Options::new(&listener.name, listener.address)
    }
}

/// The files a listener's TLS needs; `None` if it has none.
pub fn tls(listener: &config::Listener) -> Option<listener::Tls> {
    listener.has_tls().then(|| listener::Tls {
        certificate: listener.tls_certificate_file.clone(),
        key: listener.tls_key_file.clone(),
    })
}

/// What is empty was not given.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
