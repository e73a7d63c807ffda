//! What configuration says of one mount.

use std::time::Duration;

/// A listener or prefix bound to a dialect.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Names it in logs and metrics.
    pub name: String,
    /// The dialect's name.
    pub dialect: String,
    /// The path it answers under, such as "/staff"; empty at the root of a listener.
    pub prefix: String,
    /// The listener it is on, by name; every listener if `None`.
    pub listener: Option<String>,
    /// The tenant's slug; `None` if the credential decides.
    pub tenant: Option<String>,
    /// The issuers it accepts; all of the tenant's if empty.
    pub issuers: Vec<String>,
    /// The origins that may open a socket; every origin if empty.
    pub origins: Vec<String>,
    /// The issuer whose shape the tokens of a login have; no login is served without it.
    pub login_issuer: Option<String>,
    /// People may make accounts.
    pub allow_signup: bool,
    /// Whoever shows no credential is let in as a guest, where the dialect asks for one.
    pub guests: bool,
    /// What proves who somebody is.
    pub identity: Identity,
    /// How fast a socket may send, where it is not what the dialect says.
    pub rate: Option<Rate>,
    /// How long a person stays online after the last connection is gone.
    pub linger: Duration,
}

/// What proves who somebody is where clients show no token of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Nothing does: a token must be shown.
    #[default]
    Token,
    /// A token, or the cookie that the login of this mount has set. Only pages of the mount's origins are believed by it.
    Cookie(Cookie),
    /// A token, or nothing at all: who somebody claims to be is believed. Not secure.
    Claims,
}

/// The cookie of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    pub name: String,
    /// Browsers return it over TLS only.
    pub secure: bool,
}

/// How fast a socket may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: u32,
    pub per_second: u32,
}

impl Mount {
    /// True for a request of a page that may act for its visitor here. What is no browser sends no origin, and could send
    /// any.
    #[must_use]
    pub fn admits(&self, headers: &http::HeaderMap) -> bool {
        let Some(origin) = headers.get(http::header::ORIGIN) else { return true };
        self.origins.is_empty()
            || self.origins.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes()))
    }
}
