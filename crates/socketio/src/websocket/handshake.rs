//! The opening handshake (RFC 6455 section 4.2).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{self, HeaderName},
};
use sha1::{Digest as _, Sha1};

use super::{
    rejection::{Rejection, VERSION},
    subprotocol,
};

/// What is hashed with the client's key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// True if the request asks for a WebSocket, well or badly.
#[must_use]
pub fn is_upgrade<B>(request: &Request<B>) -> bool {
    names(request.headers(), &header::UPGRADE, "websocket")
}

/// The response that opens what the request asks for.
///
/// # Errors
/// If it asks for no WebSocket, or not as it should.
pub fn answer<B>(request: &Request<B>) -> Result<Response<()>, Rejection> {
    let headers = request.headers();
    if request.version() < Version::HTTP_11 || request.version() >= Version::HTTP_2 {
        return Err(Rejection::Version);
    }
    if request.method() != Method::GET {
        return Err(Rejection::Method);
    }
    if !is_upgrade(request) || !names(headers, &header::CONNECTION, "upgrade") {
        return Err(Rejection::NoUpgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(Rejection::ProtocolVersion);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Rejection::Key)?.as_bytes();
    if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
        return Err(Rejection::Key);
    }
    let subprotocol = subprotocol::first(headers)?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accepts(key));
    if let Some(subprotocol) = subprotocol {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    Ok(response)
}

fn accepts(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).expect("base64 is made of header characters")
}

/// True if one of the comma-separated words of a header is this one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let mut words =
        headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<()> {
        Request::get("/any")
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_it_says() {
        let response = answer(&request()).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers().len(), 3, "no subprotocol that nobody has asked for");
    }

    #[test]
    fn who_offers_subprotocols_gets_one() {
        let mut request = request();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("chat, superchat"));
        assert_eq!(answer(&request).unwrap().headers()["sec-websocket-protocol"], "chat");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("chat,,superchat"));
        assert_eq!(answer(&request).unwrap_err(), Rejection::Subprotocol);
        let refused = Rejection::Subprotocol.response::<&'static str>();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn what_is_wrong_has_its_answer() {
        let without = |name: &str| {
            let mut request = request();
            request.headers_mut().remove(name);
            answer(&request).unwrap_err()
        };
        assert_eq!(without("upgrade"), Rejection::NoUpgrade);
        assert_eq!(without("connection"), Rejection::NoUpgrade);
        assert_eq!(without("sec-websocket-version"), Rejection::ProtocolVersion);
        assert_eq!(without("sec-websocket-key"), Rejection::Key);
        let with = |change: fn(&mut Request<()>)| {
            let mut request = request();
            change(&mut request);
            answer(&request).unwrap_err()
        };
        assert_eq!(with(|request| *request.method_mut() = Method::POST), Rejection::Method);
        assert_eq!(with(|request| *request.version_mut() = Version::HTTP_10), Rejection::Version);
        assert_eq!(with(|request| *request.version_mut() = Version::HTTP_2), Rejection::Version);
        let short = |request: &mut Request<()>| {
            request.headers_mut().insert("sec-websocket-key", HeaderValue::from_static("c2hvcnQ="));
        };
        assert_eq!(with(short), Rejection::Key);
        let old = Rejection::ProtocolVersion.response::<&'static str>();
        assert_eq!(
            (old.status(), &old.headers()["sec-websocket-version"]),
            (StatusCode::UPGRADE_REQUIRED, &VERSION)
        );
    }
}
