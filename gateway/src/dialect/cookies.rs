//! Cookies of a request (RFC 6265, section 5.4), also those that a site had to cut into pieces.

use std::borrow::Cow;

use http::{HeaderMap, header};

/// Pieces of one cookie: browsers keep 4 KiB in each, and no token that is taken is longer than 16.
const MAX_PIECES: usize = 8;

/// The value of a cookie. One that is too long for a browser comes in pieces, `NAME.0`, `NAME.1` and on, in whichever order;
/// where one of them is missing, so are those behind it.
pub(super) fn named<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    if let Some(value) = pairs(headers).find_map(|(own, value)| (own == name).then_some(value)) {
        return Some(Cow::Borrowed(value));
    }
    let mut pieces: [Option<&str>; MAX_PIECES] = [None; MAX_PIECES];
    for (own, value) in pairs(headers) {
        let number = own.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        // A digit: there are fewer than ten.
        if let Some([digit @ b'0'..=b'9']) = number.map(str::as_bytes)
            && let Some(piece) = pieces.get_mut(usize::from(digit - b'0'))
        {
            piece.get_or_insert(value);
        }
    }
    let whole: String = pieces.iter().map_while(|piece| *piece).collect();
    Some(whole).filter(|whole| !whole.is_empty()).map(Cow::Owned)
}

/// Names and values, but for empty ones.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(_, value)| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(cookies: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        named(&headers, "site.token").map(Cow::into_owned)
    }

    #[test]
    fn a_whole_cookie_counts_before_pieces() {
        assert_eq!(found(&["a=b; site.token=whole; site.token.0=no"]).as_deref(), Some("whole"));
        assert_eq!(found(&["site.token.0=no", "site.token=whole"]).as_deref(), Some("whole"));
        assert_eq!(found(&["site.token=; site.tokens=no"]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn pieces_are_put_together_by_their_numbers() {
        assert_eq!(found(&["site.token.1=b; site.token.0=a; site.token.2=c"]).as_deref(), Some("abc"));
        assert_eq!(found(&["site.token.1=b", "x=y; site.token.0=a"]).as_deref(), Some("ab"));
        assert_eq!(found(&["site.token.0=a; site.token.0=other"]).as_deref(), Some("a"));
    }

    #[test]
    fn behind_a_missing_piece_there_is_nothing() {
        assert_eq!(found(&["site.token.1=b; site.token.2=c"]), None);
        assert_eq!(found(&["site.token.0=a; site.token.2=c"]).as_deref(), Some("a"));
        assert_eq!(found(&["site.token.=a; site.token.x=b; site.token.00=c; site.token.-1=d"]), None);
    }

    #[test]
    fn there_are_so_many_pieces_and_no_more() {
        let all: Vec<String> = (0..10).map(|number| format!("site.token.{number}={number}")).collect();
        assert_eq!(found(&[&all.join("; ")]).as_deref(), Some("01234567"));
    }
}
