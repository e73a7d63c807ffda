//! The metadata that crosses between a gateway and the core. Context travels nowhere else, so a call means the same in
//! one process and across two.
//!
//! A client on the public port may set [`REQUEST_ID`] and [`TENANT`] (a wish, checked against its credential); the
//! gateway removes every other name here from what it lets through.

/// Proves that a gateway calls. Without it the names below, but for the two above, are ignored.
pub const EDGE_KEY: &str = "parlor-edge-key";

/// The tenant's slug, for a credential that does not name its tenant.
pub const TENANT: &str = "parlor-tenant";

/// The issuers a mount accepts, separated by commas; all of the tenant's if absent.
pub const ISSUERS: &str = "parlor-issuers";

/// Stands for a principal that `Link` attached. Opaque; sealed by the core.
pub const HANDLE: &str = "parlor-handle";

/// The mount lets anybody in: a call without a credential is a guest's.
pub const GUEST: &str = "parlor-guest";

/// The mount lets people make accounts.
pub const SIGNUP: &str = "parlor-signup";

/// The call is in the words of a client: its gateway asks for no more than that client could on the public port.
pub const PUBLIC: &str = "parlor-public";

/// The connection a call is made for, as the gateway names it; events carry it back as `origin_connection`.
pub const CONNECTION: &str = "parlor-connection";

/// The client's address, as far as named proxies vouch for it.
pub const PEER: &str = "parlor-peer";

/// Names a call in logs, on both sides. Made by the first who sees the call.
pub const REQUEST_ID: &str = "parlor-request-id";

/// In an answer to a gateway: the tenant position of what the call stored, in decimal.
pub const POSITION: &str = "parlor-position";
