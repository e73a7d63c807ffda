//! A `[[listener]]`: a port that clients connect to.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    pub name: String,
    pub address: SocketAddr,
    pub tls_certificate_file: PathBuf,
    pub tls_key_file: PathBuf,
    pub trusted_proxies: Vec<IpNet>,
    pub header_timeout_ms: u64,
    pub connections_max: usize,
    /// 0 for no limit.
    pub connections_per_address: usize,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            name: "public".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            trusted_proxies: Vec::new(),
            header_timeout_ms: 10_000,
            connections_max: 10_000,
            connections_per_address: 1_000,
        }
    }
}

impl Listener {
    /// It speaks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        !self.tls_certificate_file.as_os_str().is_empty()
    }
}
