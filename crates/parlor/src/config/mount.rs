//! A `[[mount]]`: a dialect at a base URL, for a tenant.

use serde::{Deserialize, Serialize};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mount {
    pub name: String,
    pub dialect: String,
    pub prefix: String,
    pub listener: String,
    pub tenant: String,
    pub issuers: Vec<String>,
    pub origins: Vec<String>,
    pub login_issuer: String,
    pub allow_signup: bool,
    pub linger_ms: u64,
}

impl Default for Mount {
    fn default() -> Self {
        Self {
            name: String::new(),
            dialect: String::new(),
            prefix: String::new(),
            listener: String::new(),
            tenant: String::new(),
            issuers: Vec::new(),
            origins: Vec::new(),
            login_issuer: String::new(),
            allow_signup: false,
            linger_ms: 5_000,
        }
    }
}

impl Mount {
    /// What it is called in logs and metrics.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.name.is_empty() { &self.dialect } else { &self.name }
    }
}
