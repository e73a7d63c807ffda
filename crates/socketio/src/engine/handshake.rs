//! Who asked for a connection.

use std::net::IpAddr;

/// Who asked for the connection.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub method: http::Method,
    pub uri: http::Uri,
    pub headers: http::HeaderMap,
    pub peer: Option<IpAddr>,
}
