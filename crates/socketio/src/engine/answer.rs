//! HTTP answers: the reference's errors word by word, payloads, and the headers for pages of other origins.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{self, CONTENT_TYPE},
};
use http_body_util::Full;

use crate::config::Cors;

/// The body of every answer.
pub type Body = Full<Bytes>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
/// Not plain text: some browsers offer that as a download.
const HTML: HeaderValue = HeaderValue::from_static("text/html");
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a request is refused. The numbers and words are the reference's; the last two are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    BadRequest,
    UnsupportedVersion,
    OtherNode,
    TooManyConnections,
}

impl Refusal {
    const fn parts(self) -> (StatusCode, u8, &'static str) {
        match self {
            Self::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::UnknownSid => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::BadHandshakeMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::UnsupportedVersion => (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version"),
            Self::OtherNode => (StatusCode::MISDIRECTED_REQUEST, 6, "Session belongs to another node"),
            Self::TooManyConnections => (StatusCode::TOO_MANY_REQUESTS, 7, "Too many connections"),
        }
    }

    pub fn response(self) -> Response<Body> {
        let (status, code, message) = self.parts();
        with(status, JSON, format!("{{\"code\":{code},\"message\":\"{message}\"}}").into())
    }
}

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Payload {
        bytes: Bytes,
        binary: bool,
    },
    /// A POST was taken.
    Taken,
    /// The session is gone.
    Unknown,
    /// The request does not fit the state of its session.
    Bad,
    TooBig,
}

impl Answer {
    pub fn response(self) -> Response<Body> {
        match self {
            Self::Payload { bytes, binary } => {
                with(StatusCode::OK, if binary { BINARY } else { TEXT }, bytes)
            }
            Self::Taken => with(StatusCode::OK, HTML, Bytes::from_static(b"ok")),
            Self::Unknown => Refusal::UnknownSid.response(),
            Self::Bad => Refusal::BadRequest.response(),
            Self::TooBig => with(StatusCode::PAYLOAD_TOO_LARGE, TEXT, Bytes::new()),
        }
    }
}

fn with(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Lets a page of an allowed origin read the answer, with its cookies.
pub(super) fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    if *cors == Cors::None {
        return;
    }
    response.insert(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.get(header::ORIGIN) else { return };
    let allowed = match cors {
        Cors::None => false,
        Cors::Any => true,
        Cors::Origins(origins) => origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()),
    };
    if allowed {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// What a browser asks before it sends what it may not send unasked.
pub(super) fn preflight(cors: &Cors, method: &Method, request: &HeaderMap) -> Option<Response<Body>> {
    if *cors == Cors::None || method != Method::OPTIONS {
        return None;
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow_origin(cors, request, headers);
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
        set(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST"));
        if let Some(wanted) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            set(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn only_an_allowed_origin_is_echoed() {
        let cors = Cors::Origins(vec!["http://a.test".into()]);
        let mut headers = HeaderMap::new();
        allow_origin(&cors, &request("http://a.test"), &mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://a.test");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        let mut headers = HeaderMap::new();
        allow_origin(&cors, &request("http://a.test.evil"), &mut headers);
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(headers[header::VARY], "Origin");
    }

    #[test]
    fn a_preflight_is_answered_where_there_is_something_to_allow() {
        assert!(preflight(&Cors::None, &Method::OPTIONS, &request("http://a.test")).is_none());
        assert!(preflight(&Cors::Any, &Method::GET, &request("http://a.test")).is_none());
        let response = preflight(&Cors::Any, &Method::OPTIONS, &request("http://a.test")).unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
    }
}
