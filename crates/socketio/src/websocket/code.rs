//! The codes of a close frame (RFC 6455 section 7.4.1).

/// The purpose is fulfilled.
pub const NORMAL: u16 = 1000;
/// The server goes down, or the page is left.
pub const GOING_AWAY: u16 = 1001;
pub const PROTOCOL_ERROR: u16 = 1002;
/// A close that had no code; never on the wire.
pub const NO_CODE: u16 = 1005;
/// The connection broke without a close; never on the wire.
pub const ABNORMAL: u16 = 1006;
pub const NOT_UTF8: u16 = 1007;
pub const POLICY: u16 = 1008;
pub const TOO_BIG: u16 = 1009;
pub const TRY_AGAIN_LATER: u16 = 1013;
