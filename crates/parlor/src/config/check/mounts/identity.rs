//! What a mount believes: a cookie only of its own pages, and a claim only where somebody says so aloud.

use crate::config::{Identity, Mount, check::Findings};

/// The dialects whose clients show no token, so that a cookie or a claim can stand for one.
const DIALECTS_WITHOUT_TOKENS: [&str; 1] = ["support"];

pub(super) fn check(mount: &Mount, index: usize, findings: &mut Findings) {
    let key = |name: &str| format!("mount[{index}].{name}");
    if mount.identity != Identity::Token && !DIALECTS_WITHOUT_TOKENS.contains(&mount.dialect.as_str()) {
        let known = DIALECTS_WITHOUT_TOKENS.join(", ");
        findings.refuse(key("identity"), format!("must be \"token\" here; others are for: {known}"));
    }
    for origin in mount.origins.iter().filter(|origin| !is_origin(origin)) {
        findings.refuse(
            key("origins"),
            format!("\"{origin}\" is no origin; give one such as \"https://shop.example\", without a path"),
        );
    }
    if mount.identity == Identity::Cookie {
        check_cookie(mount, &key, findings);
    }
}

/// A browser sends a cookie for every page that opens a socket, so whose pages may do so must be said.
fn check_cookie(mount: &Mount, key: &dyn Fn(&str) -> String, findings: &mut Findings) {
    if mount.origins.is_empty() {
        findings.refuse(
            key("origins"),
            "is empty, so any web page could use its visitors' cookies; name the origins of the shop's own pages",
        );
    }
    // RFC 6265, section 4.1.1: a token of RFC 2616.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if mount.cookie_name.is_empty() || !mount.cookie_name.bytes().all(allowed) {
        findings.refuse(key("cookie_name"), "is no cookie's name; give letters, digits, '-' and '_'");
    }
    let prefixed = mount.cookie_name.starts_with("__Secure-") || mount.cookie_name.starts_with("__Host-");
    if prefixed && !mount.cookie_secure {
        findings.refuse(
            key("cookie_name"),
            "has a prefix that browsers take over TLS only; leave the prefix out, or set cookie_secure",
        );
    }
}

/// As browsers write it: scheme, host and, unless it is the usual one, port.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_web = ["http", "https"].contains(&scheme);
    let parsed = text.parse::<http::Uri>().ok();
    let has_host = parsed.and_then(|uri| uri.host().map(|host| !host.is_empty())).unwrap_or(false);
    is_web && has_host && !rest.contains(['/', '?', '#', '@', '*'])
}
