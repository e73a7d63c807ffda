//! Mounts: what they name must be there, and no two may answer under one URL.

mod identity;

use std::collections::HashSet;

use parlor_api::limits;

use super::{Config, Findings};
use crate::config::{MintIds, Mount};

/// The dialects there are.
pub const DIALECTS: [&str; 3] = ["native", "staff", "support"];

/// Paths that belong to the program on every listener.
const OWN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let (mut names, mut places) = (HashSet::new(), HashSet::new());
    for (index, mount) in config.mount.iter().enumerate() {
        let key = |name: &str| format!("mount[{index}].{name}");
        if !DIALECTS.contains(&mount.dialect.as_str()) {
            let known = DIALECTS.join(", ");
            findings.refuse(key("dialect"), format!("\"{}\" is none; known: {known}", mount.dialect));
        }
        if !names.insert(mount.label()) {
            findings.refuse(
                key("name"),
                format!("\"{}\" is taken by another mount; give it its own", mount.label()),
            );
        }
        if mount.tenant.is_empty() {
            findings.refuse(
                key("tenant"),
                "is empty, but its customers show no credential; give the tenant's slug",
            );
        }
        findings.range(key("linger_ms"), mount.linger_ms, 0, limits::LINGER_MS);
        check_place(config, mount, index, findings);
        identity::check(mount, index, findings);
        check_rate(mount, index, findings);
        if mount.guests && mount.dialect != "native" {
            findings.refuse(
                key("guests"),
                "is for \"native\"; the other dialects have their own rule for guests",
            );
        }
        check_issuers(config, mount, index, findings);
        for listener in listeners_of(config, mount) {
            if !places.insert((listener, mount.prefix.as_str())) {
                findings
                    .refuse(key("prefix"), format!("\"{}\" is taken by another mount there", mount.prefix));
            }
        }
    }
}

/// A burst and a rate belong together.
fn check_rate(mount: &Mount, index: usize, findings: &mut Findings) {
    const RATE_MAX: u64 = 10_000;
    let key = |name: &str| format!("mount[{index}].{name}");
    if (mount.rate_burst == 0) != (mount.rate_per_second == 0) {
        findings.refuse(
            key("rate_per_second"),
            "goes with rate_burst; set both, or neither for the dialect's own rate",
        );
    }
    findings.range(key("rate_burst"), mount.rate_burst.into(), 0, RATE_MAX);
    findings.range(key("rate_per_second"), mount.rate_per_second.into(), 0, RATE_MAX);
}

fn listeners_of<'a>(config: &'a Config, mount: &'a Mount) -> Vec<&'a str> {
    if mount.listener.is_empty() {
        config.listener.iter().map(|listener| listener.name.as_str()).collect()
    } else {
        vec![mount.listener.as_str()]
    }
}

fn check_place(config: &Config, mount: &Mount, index: usize, findings: &mut Findings) {
    let key = |name: &str| format!("mount[{index}].{name}");
    let prefix = mount.prefix.as_str();
    if prefix.is_empty() && mount.listener.is_empty() {
        findings.refuse(
            key("prefix"),
            "is empty; give one such as \"/staff\", or name the listener whose root it is",
        );
    }
    let well_formed = prefix.is_empty()
        || prefix.starts_with('/')
            && !prefix.ends_with('/')
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if !well_formed {
        findings.refuse(
            key("prefix"),
            "must begin with '/' and not end with one, of letters, digits, '-', '_' and '.'",
        );
    }
    let is_own = OWN_PATHS.iter().any(|own| prefix == *own || prefix.starts_with(&format!("{own}/")));
    if is_own || prefix.starts_with("/parlor.") || prefix.starts_with("/grpc.") {
        findings.refuse(key("prefix"), "is one of the program's own paths; choose another");
    }
    let known = config.listener.iter().any(|listener| listener.name == mount.listener);
    if !mount.listener.is_empty() && !known {
        findings.refuse(
            key("listener"),
            format!(
                "names \"{}\", which is not there; add that [[listener]] or correct the name",
                mount.listener
            ),
        );
    }
}

fn check_issuers(config: &Config, mount: &Mount, index: usize, findings: &mut Findings) {
    let key = |name: &str| format!("mount[{index}].{name}");
    let find = |name: &str| config.issuer.iter().find(|issuer| issuer.name == name);
    let missing =
        |name: &str| format!("names \"{name}\", which is not there; add that [[issuer]] or correct the name");
    for name in &mount.issuers {
        match find(name) {
            None => findings.refuse(key("issuers"), missing(name)),
            Some(issuer) if issuer.tenant != mount.tenant => findings.refuse(
                key("issuers"),
                format!(
                    "\"{name}\" speaks for tenant \"{}\", not for \"{}\"; use one tenant",
                    issuer.tenant, mount.tenant
                ),
            ),
            Some(_) => {}
        }
    }
    let login = mount.login_issuer.as_str();
    if login.is_empty() {
        if mount.allow_signup {
            findings
                .refuse(key("allow_signup"), "needs a login_issuer to make tokens with; set one, or false");
        }
        return;
    }
    match find(login) {
        None => findings.refuse(key("login_issuer"), missing(login)),
        Some(issuer) if !issuer.mint => findings.refuse(
            key("login_issuer"),
            format!("\"{login}\" may not make tokens; set mint = true for that issuer"),
        ),
        Some(issuer) if issuer.tenant != mount.tenant => findings
            .refuse(key("login_issuer"), format!("\"{login}\" speaks for another tenant; use one tenant")),
        Some(issuer)
            if mount.allow_signup && issuer.mint_ids == MintIds::Number && issuer.mint_ids_from == 0 =>
        {
            findings.refuse(
                key("allow_signup"),
                format!(
                    "with mint_ids = \"number\" a stranger who signs up gets an id that the shop's own database may give to \
                     somebody else; set mint_ids_from of \"{login}\" above all of its ids, or let the shop sign people up"
                ),
            );
        }
        Some(_) if !mount.issuers.is_empty() && !mount.issuers.iter().any(|name| name == login) => findings
            .refuse(
                key("issuers"),
                format!("leaves out \"{login}\", so its logins would not be accepted; add it"),
            ),
        Some(_) => {}
    }
}
