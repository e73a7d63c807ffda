//! Whether what was said can be meant. Every refusal names its key and says what to do; all are told at once.

mod issuers;
mod mounts;
pub(super) mod secret;

use std::collections::HashSet;

use self::secret::check as check_secret;
use super::{
    Config, Role,
    refusal::{Findings, Refusal, Refused},
};

/// A node's name is at most this long: it is part of rows and metrics.
const NODE_CHARACTERS_MAX: usize = 64;

/// Every access token may be tried against each of them.
const EARLIER_KEYS_MAX: u64 = 10;

impl Config {
    /// Refuses what cannot be meant. Secrets count as they are now, so those to be generated must be there already.
    pub fn check(&self) -> Result<(), Refused> {
        let mut findings = Findings::default();
        self.check_node(&mut findings);
        self.check_roles(&mut findings);
        self.check_ranges(&mut findings);
        self.check_secrets(&mut findings);
        self.check_listeners(&mut findings);
        issuers::check(self, &mut findings);
        mounts::check(self, &mut findings);
        if findings.0.is_empty() { Ok(()) } else { Err(Refused(findings.0)) }
    }

    /// What can be meant, but is better not.
    #[must_use]
    pub fn doubts(&self) -> Vec<Refusal> {
        let mut findings = Findings::default();
        secret::doubt(self, &mut findings);
        findings.0.extend(self.strays.iter().cloned());
        findings.0
    }

    fn check_node(&self, findings: &mut Findings) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.node.is_empty() || self.node.len() > NODE_CHARACTERS_MAX || !self.node.chars().all(allowed) {
            findings.refuse("node", "is not a node's name; give 1 to 64 of a-z, 0-9 and '-'");
        }
        if let Err(error) = self.log.filter.parse::<tracing_subscriber::EnvFilter>() {
            let filter = &self.log.filter;
            findings.refuse(
                "log.filter",
                format!("\"{filter}\" is no filter ({error}); give one such as \"info\""),
            );
        }
        let url = self.database.url.as_str();
        let known = ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme));
        if !url.is_empty() && !known {
            findings.refuse(
                "database.url",
                "is neither sqlite://PATH nor postgres://…; correct it or leave it empty",
            );
        }
    }

    fn check_roles(&self, findings: &mut Findings) {
        let listen = self.core.listen.as_str();
        if !listen.is_empty() && self.internal_address().is_none() {
            findings.refuse("core.listen", "is not ADDRESS:PORT; give one such as \"127.0.0.1:8081\"");
        }
        if !self.probes.listen.is_empty() && self.probes.address().is_none() {
            findings.refuse("probes.listen", "is not ADDRESS:PORT; give one such as \"127.0.0.1:9090\"");
        }
        match self.role {
            Role::Core if listen.is_empty() => {
                findings.refuse(
                    "core.listen",
                    "is needed by role \"core\": gateways connect there; give ADDRESS:PORT",
                );
            }
            Role::Gateway if self.gateway.core_url.is_empty() => {
                findings.refuse(
                    "gateway.core_url",
                    "is needed by role \"gateway\"; give the core's http://HOST:PORT",
                );
            }
            Role::All if !self.gateway.core_url.is_empty() => {
                findings.refuse(
                    "gateway.core_url",
                    "is not used by role \"all\"; leave it empty or set role = \"gateway\"",
                );
            }
            Role::Gateway if !is_http(&self.gateway.core_url) => {
                findings.refuse(
                    "gateway.core_url",
                    "is no http:// URL, which is all that core.listen speaks; give the core's http://HOST:PORT",
                );
            }
            Role::All | Role::Core | Role::Gateway => {}
        }
        if self.role.has_gateway() && self.listener.is_empty() {
            findings.refuse(
                "listener",
                "is empty, so no client can connect; add a [[listener]] or set role = \"core\"",
            );
        }
    }

    fn check_ranges(&self, findings: &mut Findings) {
        const NO_MOST: u64 = u32::MAX as u64;
        let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        findings.range("database.read_connections", self.database.read_connections.into(), 1, 128);
        findings.range("core.link_lease_ms", self.core.link_lease_ms, 1_000, 300_000);
        findings.range("core.link_queue_bytes", bytes(self.core.link_queue_bytes), 65_536, NO_MOST);
        findings.range("core.restart_linger_ms", self.core.restart_linger_ms, 0, 600_000);
        findings.range(
            "core.default_deadline_ms",
            self.core.default_deadline_ms,
            100,
            self.core.longest_deadline_ms,
        );
        findings.range("core.longest_deadline_ms", self.core.longest_deadline_ms, 100, 600_000);
        findings.range("core.calls_in_flight", bytes(self.core.calls_in_flight), 1, 1_000_000);
        findings.range("core.caller_calls_burst", self.core.caller_calls_burst.into(), 0, 1_000_000);
        findings.range("core.caller_calls_per_second", self.core.caller_calls_per_second.into(), 1, 1_000);
        findings.range("core.caller_streams", bytes(self.core.caller_streams), 0, 1_000_000);
        findings.range("core.caller_messages_burst", self.core.caller_messages_burst.into(), 0, 1_000_000);
        findings.range(
            "core.caller_messages_per_second",
            self.core.caller_messages_per_second.into(),
            1,
            1_000,
        );
        findings.range("core.unknown_keys_burst", self.core.unknown_keys_burst.into(), 0, 1_000_000);
        findings.range("core.unknown_keys_refill_ms", self.core.unknown_keys_refill_ms, 1, 3_600_000);
        let (burst, refill_ms) = (self.core.new_conversations_burst, self.core.new_conversations_refill_ms);
        findings.range("core.new_conversations_burst", burst.into(), 0, 1_000_000);
        findings.range("core.new_conversations_refill_ms", refill_ms, 1, 3_600_000);
        findings.range("gateway.outbox_bytes", bytes(self.gateway.outbox_bytes), 4_096, NO_MOST);
        findings.range("gateway.write_timeout_ms", self.gateway.write_timeout_ms, 100, 120_000);
        findings.range("gateway.call_deadline_ms", self.gateway.call_deadline_ms, 100, 120_000);
        findings.range("gateway.ping_interval_ms", self.gateway.ping_interval_ms, 100, 600_000);
        findings.range("gateway.ping_timeout_ms", self.gateway.ping_timeout_ms, 100, 600_000);
        findings.range("gateway.reply_hold_ms", self.gateway.reply_hold_ms, 0, 10_000);
        findings.range(
            "gateway.rest_limit_window_seconds",
            self.gateway.rest_limit_window_seconds,
            1,
            86_400,
        );
        findings.range("gateway.join_timeout_ms", self.gateway.join_timeout_ms, 100, 120_000);
        findings.range("gateway.message_timeout_ms", self.gateway.message_timeout_ms, 100, 120_000);
        findings.range(
            "gateway.sessions_per_address",
            bytes(self.gateway.sessions_per_address),
            0,
            1_000_000,
        );
        findings.range("gateway.calls_per_address", bytes(self.gateway.calls_per_address), 0, 1_000_000);
        findings.range("retention.messages_days", self.retention.messages_days.into(), 0, 36_500);
        findings.range("retention.visits_days", self.retention.visits_days.into(), 0, 36_500);
        findings.range("shutdown.grace_ms", self.shutdown.grace_ms, 0, 600_000);
    }

    fn check_secrets(&self, findings: &mut Findings) {
        let secrets = &self.secrets;
        check_secret(findings, "secrets.edge_key", &secrets.edge_key, false);
        if !self.role.has_core() {
            return;
        }
        check_secret(findings, "secrets.operator_key", &secrets.operator_key, false);
        check_secret(findings, "secrets.handle_key", &secrets.handle_key, false);
        check_secret(findings, "secrets.position_key", &secrets.position_key, false);
        if secrets.signing_key.is_empty() {
            findings.refuse(
                "secrets.signing_key",
                "is empty; make one with: openssl genpkey -algorithm ed25519 (or set secrets.generate = true)",
            );
        } else if secrets.signing_seed().is_none() {
            findings.refuse(
                "secrets.signing_key",
                "is not an Ed25519 private key as PEM; make one with: openssl genpkey -algorithm ed25519",
            );
        }
        findings.range(
            "secrets.earlier_signing_keys",
            count(&secrets.earlier_signing_keys),
            0,
            EARLIER_KEYS_MAX,
        );
        for index in 0..secrets.earlier_signing_keys.len() {
            if secrets.earlier_signing_key(index).is_none() {
                findings.refuse(
                    format!("secrets.earlier_signing_keys[{index}]"),
                    "is not an Ed25519 public key as PEM; make it with: openssl pkey -in KEY.pem -pubout",
                );
            }
        }
    }

    fn check_listeners(&self, findings: &mut Findings) {
        let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
        for (index, listener) in self.listener.iter().enumerate() {
            let key = |name: &str| format!("listener[{index}].{name}");
            if listener.name.is_empty() || !names.insert(listener.name.as_str()) {
                findings.refuse(key("name"), "is empty or taken by another listener; give each its own");
            }
            let address = listener.address;
            if address.port() != 0 && !addresses.insert(address) {
                findings.refuse(
                    key("address"),
                    format!("{address} is taken by another listener; give each its own"),
                );
            }
            if self.dev && !address.ip().is_loopback() {
                findings.refuse(
                    key("address"),
                    format!(
                        "{address} can be reached from outside, which --dev does not allow: its people and \
                             passwords are known; use 127.0.0.1, or serve with --config"
                    ),
                );
            }
            if listener.has_tls() == listener.tls_key_file.as_os_str().is_empty() {
                findings.refuse(
                    key("tls_key_file"),
                    "certificate and key belong together; set both tls_certificate_file and tls_key_file, or neither",
                );
            }
            findings.range(key("header_timeout_ms"), listener.header_timeout_ms, 100, 120_000);
            let connections_max = u64::try_from(listener.connections_max).unwrap_or(u64::MAX);
            findings.range(key("connections_max"), connections_max, 1, 1_000_000);
            let per_address = u64::try_from(listener.connections_per_address).unwrap_or(u64::MAX);
            findings.range(key("connections_per_address"), per_address, 0, 1_000_000);
        }
    }
}

fn is_http(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|url| url.scheme_str() == Some("http") && url.host().is_some())
}

fn count<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}
