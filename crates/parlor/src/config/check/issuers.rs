//! Issuers: keys that fit their algorithms, and secrets that cannot be guessed.

use std::collections::HashSet;

use parlor_core::auth::{OWN_ISSUER, jwt::Algorithm, shape_of};

use super::{Config, Findings, check_secret};
use crate::config::{Issuer, Key, MintIds, Mount};

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let mut names = HashSet::new();
    for (index, issuer) in config.issuer.iter().enumerate() {
        let key = |name: &str| format!("issuer[{index}].{name}");
        let is_ours = issuer.name == OWN_ISSUER || shape_of(&issuer.name) != issuer.name;
        if issuer.name.is_empty() || is_ours || !names.insert(issuer.name.as_str()) {
            findings.refuse(
                key("name"),
                "is empty, \"parlor\", begins with \"parlor:\", or is taken by another issuer; give each its own",
            );
        }
        if issuer.tenant.is_empty() {
            findings.refuse(key("tenant"), "is empty; give the slug of the tenant this issuer speaks for");
        }
        if issuer.claims.subject.is_empty() {
            findings
                .refuse(key("claims.subject"), "is empty, so nobody could be named; give at least [\"sub\"]");
        }
        findings.range(key("leeway_seconds"), issuer.leeway_seconds, 0, 60);
        if issuer.longest_life_seconds > 0 {
            let year = 365 * 24 * 60 * 60;
            findings.range(key("longest_life_seconds"), issuer.longest_life_seconds, 60, year);
        }
        findings.range(key("mint_ttl_seconds"), issuer.mint_ttl_seconds, 60, 30 * 24 * 60 * 60);
        check_mint_secret(config, issuer, index, findings);
        check_algorithms(issuer, index, findings);
        check_keys(issuer, index, config.dev, findings);
    }
}

/// People who are called by numbers from here need a secret that the issuer's own backend does not know.
fn check_mint_secret(config: &Config, issuer: &Issuer, index: usize, findings: &mut Findings) {
    let (key, secret) = (format!("issuer[{index}].mint_secret"), &issuer.mint_secret);
    if secret.is_empty() {
        let signs_up = |mount: &Mount| mount.allow_signup && mount.login_issuer == issuer.name;
        if let Some(mount) = config.mount.iter().position(signs_up)
            && issuer.mint_ids == MintIds::Number
        {
            findings.refuse(
                key,
                format!(
                    "is missing, but people may make accounts (mount[{mount}].allow_signup) and are called by numbers \
                     (mint_ids): signed with the issuer's own secret, their tokens would open what the shop's own \
                     database has under the same number; give a secret that the shop does not know, made with: openssl \
                     rand -base64 32"
                ),
            );
        }
        return;
    }
    if !issuer.mint {
        findings.refuse(key.clone(), "has no meaning without mint = true; set that, or leave it out");
    }
    check_secret(findings, &key, secret, true);
    let is_shared = config.issuer.iter().enumerate().any(|(other, issuer)| {
        let as_key = issuer.key.iter().any(|entry| entry.secret == *secret);
        as_key || other != index && issuer.mint_secret == *secret
    });
    if is_shared {
        findings.refuse(
            key,
            "is the secret of an issuer's key, or of another issuer's mint_secret, so it would tell nobody apart; give \
             another, made with: openssl rand -base64 32",
        );
    }
}

fn check_algorithms(issuer: &Issuer, index: usize, findings: &mut Findings) {
    let key = format!("issuer[{index}].algorithms");
    let shared = issuer.algorithms.contains(&Algorithm::Hs256);
    if issuer.algorithms.is_empty() {
        findings.refuse(key, "is empty, so no token could be accepted; name those the issuer uses");
    } else if shared && issuer.algorithms.len() > 1 {
        findings.refuse(
            key,
            "mixes a shared secret with public keys, by which a public key could pass for the secret; make two issuers",
        );
    } else if shared && !issuer.jwks_url.is_empty() {
        findings.refuse(
            format!("issuer[{index}].jwks_url"),
            "publishes keys, which a shared secret must not be; use RS256, ES256 or EdDSA, or leave it empty",
        );
    } else if issuer.mint && !shared {
        findings.refuse(
            format!("issuer[{index}].mint"),
            "needs the key that signs, which only HS256 gives; set mint = false or algorithms = [\"HS256\"]",
        );
    }
    if issuer.session_cookies && !shared {
        findings.refuse(
            format!("issuer[{index}].session_cookies"),
            "needs the site's secret, which only HS256 has a key for; set it to false or algorithms = [\"HS256\"]",
        );
    }
    if issuer.key.is_empty() && issuer.jwks_url.is_empty() {
        findings.refuse(format!("issuer[{index}].key"), "is missing; add an [[issuer.key]] or a jwks_url");
    }
}

fn check_keys(issuer: &Issuer, index: usize, dev: bool, findings: &mut Findings) {
    let shared = issuer.algorithms.contains(&Algorithm::Hs256);
    let mut kids = HashSet::new();
    for (number, entry) in issuer.key.iter().enumerate() {
        let key = |name: &str| format!("issuer[{index}].key[{number}].{name}");
        if !entry.kid.is_empty() && !kids.insert(entry.kid.as_str()) {
            findings.refuse(key("kid"), "is taken by another key of this issuer; give each its own");
        }
        if shared {
            check_shared(entry, &key, dev, findings);
        } else if entry.pem.is_empty() || !entry.secret.is_empty() {
            findings.refuse(
                key("pem"),
                "is what these algorithms need, and no secret; give the public key as PEM",
            );
        }
    }
}

fn check_shared(entry: &Key, key: &dyn Fn(&str) -> String, dev: bool, findings: &mut Findings) {
    if !entry.pem.is_empty() {
        findings.refuse(key("pem"), "has no meaning with HS256; give a secret, or change the algorithms");
    }
    let weak_is_allowed = dev && !entry.secret.is_empty();
    if !weak_is_allowed {
        check_secret(findings, &key("secret"), &entry.secret, true);
    }
}
