//! The subprotocol of a WebSocket (RFC 6455 section 11.3.4). Nothing here depends on it, but a client that offers some
//! gives up if none is chosen: the first is, as the reference does.

use http::{HeaderMap, HeaderValue, header};

use super::Rejection;

/// No client offers more, and each is compared with all before it.
const OFFERED_MAX: usize = 100;

/// The first subprotocol that a request offers, if it offers any.
///
/// # Errors
/// If what it offers is no list of different names.
pub(super) fn first(headers: &HeaderMap) -> Result<Option<HeaderValue>, Rejection> {
    let mut offered: Vec<&[u8]> = Vec::new();
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for name in value.as_bytes().split(|&byte| byte == b',') {
            let name = name.trim_ascii();
            let well_formed = !name.is_empty() && name.iter().all(|&byte| is_token(byte));
            if !well_formed || offered.contains(&name) || offered.len() == OFFERED_MAX {
                return Err(Rejection::Subprotocol);
            }
            offered.push(name);
        }
    }
    let first = offered.first().map(|name| HeaderValue::from_bytes(name));
    first.transpose().map_err(|_no_header| Rejection::Subprotocol)
}

/// What a name may be made of (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(values: &[&'static str]) -> Result<Option<String>, Rejection> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value));
        }
        Ok(first(&headers)?.map(|name| name.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_first_is_chosen() {
        assert_eq!(offered(&[]), Ok(None));
        for values in [&["a"][..], &["a,b"], &["a , b\t,c"], &["a", "b"]] {
            assert_eq!(offered(values), Ok(Some("a".into())), "{values:?}");
        }
        assert_eq!(offered(&["v1.x!#$%&'*+-.^_`|~"]), Ok(Some("v1.x!#$%&'*+-.^_`|~".into())));
    }

    #[test]
    fn what_is_no_list_of_different_names_is_refused() {
        for values in
            [&[""][..], &["a,,b"], &["a,"], &[",a"], &["a,a"], &["a", "a"], &["a b"], &["a;b"], &["\"a\""]]
        {
            assert_eq!(offered(values), Err(Rejection::Subprotocol), "{values:?}");
        }
    }

    #[test]
    fn so_many_may_be_offered_and_not_one_more() {
        let names: Vec<_> = (0..=OFFERED_MAX).map(|number| format!("p{number}")).collect();
        let mut headers = HeaderMap::new();
        for (count, name) in names.iter().enumerate() {
            assert!(first(&headers).is_ok(), "{count}");
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, name.parse().unwrap());
        }
        assert_eq!(first(&headers), Err(Rejection::Subprotocol));
    }
}
