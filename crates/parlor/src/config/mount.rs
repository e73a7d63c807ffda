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
    pub guests: bool,
    pub identity: Identity,
    pub cookie_name: String,
    pub cookie_secure: bool,
    pub rate_burst: u32,
    pub rate_per_second: u32,
    pub linger_ms: u64,
}

/// What proves who somebody is where clients show no token of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// A token only.
    #[default]
    Token,
    /// A token, or the cookie of the mount's login.
    Cookie,
    /// A token, or nothing but the claim. Not secure.
    Claims,
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
            guests: false,
            identity: Identity::Token,
            cookie_name: "parlor_session".to_owned(),
            cookie_secure: false,
            rate_burst: 0,
            rate_per_second: 0,
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
