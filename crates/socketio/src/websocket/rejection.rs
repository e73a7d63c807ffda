//! Why a request opens no WebSocket.

use http::{HeaderValue, Response, StatusCode, header};

/// The version of the protocol (RFC 6455 section 4.1).
pub(super) const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Why a request opens no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("a WebSocket is opened with GET")]
    Method,
    #[error("a WebSocket is opened over HTTP/1.1")]
    Version,
    #[error("the request asks for no upgrade to a WebSocket")]
    NoUpgrade,
    #[error("only version 13 of the WebSocket protocol is spoken")]
    ProtocolVersion,
    #[error("the key of the WebSocket is missing or malformed")]
    Key,
    #[error("the subprotocols of the WebSocket are no list of different names")]
    Subprotocol,
    #[error("the connection cannot be upgraded")]
    NotUpgradable,
}

impl Rejection {
    /// The answer to such a request.
    #[must_use]
    pub fn response<B: From<&'static str>>(self) -> Response<B> {
        let (status, text) = match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "a websocket is opened with GET\n"),
            Self::Version => {
                (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "a websocket is opened over HTTP/1.1\n")
            }
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "a websocket is expected here\n"),
            Self::ProtocolVersion => (StatusCode::UPGRADE_REQUIRED, "websocket version 13 is expected\n"),
            Self::Key => (StatusCode::BAD_REQUEST, "the websocket key is missing or malformed\n"),
            Self::Subprotocol => (StatusCode::BAD_REQUEST, "the websocket subprotocols are malformed\n"),
            Self::NotUpgradable => (StatusCode::INTERNAL_SERVER_ERROR, "the connection cannot be upgraded\n"),
        };
        let mut response = Response::new(B::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::NoUpgrade | Self::ProtocolVersion => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
            }
            Self::Version | Self::Key | Self::Subprotocol | Self::NotUpgradable => {}
        }
        response
    }
}
