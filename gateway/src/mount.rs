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
    /// How long a person stays online after the last connection is gone.
    pub linger: Duration,
}
