//! Secrets that can be guessed: the clearly so are refused, others doubted. None is ever quoted.

use std::collections::HashSet;

use super::{Config, Findings};
use crate::config::Secret;

/// Shorter secrets can be guessed by trying.
pub const BYTES_MIN: usize = 16;

/// What was drawn at random has more different characters in so many places.
const CHARACTERS_MIN: usize = 5;

/// Secrets that everybody tries first.
const KNOWN: [&str; 8] = [
    "secret",
    "changeme",
    "change-me",
    "password",
    "your-secret-key",
    "your_jwt_secret",
    "jwt_secret",
    "test",
];

const ADVICE: &str = "make one with: openssl rand -base64 32";

/// Refuses a secret that can be guessed. `legacy` secrets are those a front-end's backend already signs with.
pub(super) fn check(findings: &mut Findings, key: &str, secret: &Secret, legacy: bool) {
    let or_generate = if legacy { "" } else { " (or set secrets.generate = true)" };
    let text = secret.expose();
    if text.trim().is_empty() {
        let how = if text.is_empty() { "empty" } else { "blank" };
        findings.refuse(key, format!("is {how}; {ADVICE}{or_generate}"));
    } else if KNOWN.contains(&text.to_ascii_lowercase().as_str()) {
        findings.refuse(key, format!("is a secret everybody tries first; {ADVICE}"));
    } else if text.len() < BYTES_MIN {
        findings.refuse(key, format!("is shorter than {BYTES_MIN} bytes; {ADVICE}"));
    }
}

/// Names the secrets that are long enough, and still look as if nobody had drawn them.
pub(super) fn doubt(config: &Config, findings: &mut Findings) {
    let secrets = &config.secrets;
    let own = [
        ("secrets.edge_key", &secrets.edge_key),
        ("secrets.operator_key", &secrets.operator_key),
        ("secrets.handle_key", &secrets.handle_key),
        ("secrets.position_key", &secrets.position_key),
    ];
    let own = own.map(|(key, secret)| (key.to_owned(), secret));
    let shared = config.issuer.iter().enumerate().flat_map(|(index, issuer)| {
        let key = move |number| format!("issuer[{index}].key[{number}].secret");
        issuer.key.iter().enumerate().map(move |(number, entry)| (key(number), &entry.secret))
    });
    let minting = config.issuer.iter().enumerate();
    let minting =
        minting.map(|(index, issuer)| (format!("issuer[{index}].mint_secret"), &issuer.mint_secret));
    for (key, secret) in own.into_iter().chain(shared).chain(minting) {
        let different = secret.expose().chars().collect::<HashSet<_>>().len();
        if (1..CHARACTERS_MIN).contains(&different) {
            findings.refuse(key, format!("has fewer than {CHARACTERS_MIN} different characters; {ADVICE}"));
        }
    }
}
