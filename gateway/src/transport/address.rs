//! The client's address: the peer's, or what named proxies say of it.
//!
//! A header is believed only as far as each hop that wrote it is a proxy named in the configuration, from the nearest
//! one back. A proxy passes on the header it does not write, so where `Forwarded` and `X-Forwarded-For` disagree one of
//! them is the client's own invention, and the proxy's address is used.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The hops of a chain that are looked at; nobody has more proxies of their own.
const HOPS_MAX: usize = 16;

/// The client's address.
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_named(peer, proxies) {
        return peer;
    }
    let forwarded = chain(headers, &FORWARDED, for_parameter).map(|hops| first_foreign(peer, &hops, proxies));
    let x_forwarded = chain(headers, &X_FORWARDED_FOR, node).map(|hops| first_foreign(peer, &hops, proxies));
    match (forwarded, x_forwarded) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => peer,
    }
}

fn is_named(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// From the nearest hop back: the first that is no proxy of ours; an unreadable hop ends the chain.
fn first_foreign(peer: IpAddr, hops: &[Option<IpAddr>], proxies: &[IpNet]) -> IpAddr {
    let mut nearest = peer;
    for hop in hops.iter().rev().take(HOPS_MAX) {
        let Some(address) = hop else { return nearest };
        nearest = *address;
        if !is_named(nearest, proxies) {
            return nearest;
        }
    }
    nearest
}

/// The hops a header names, farthest first; `None` if it is absent.
fn chain(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    if values.is_empty() {
        return None;
    }
    let hops = values.iter().flat_map(|value| match value.to_str() {
        Ok(text) => text.split(',').map(|hop| read(hop.trim())).collect(),
        Err(_invisible) => vec![None],
    });
    Some(hops.collect())
}

/// The `for` of one element of `Forwarded` (RFC 7239 section 4).
fn for_parameter(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| node(value.trim().trim_matches('"')))?
    })
}

/// An address, with or without a port and brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .map(|found| found.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, headers: &[(&str, &str)], proxies: &[&str]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|network| network.parse().unwrap()).collect();
        client(peer.parse().unwrap(), &map, &proxies).to_string()
    }

    #[test]
    fn only_a_named_proxy_is_believed() {
        let said = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(from("198.51.100.1", &said, &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(from("10.1.2.3", &said, &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(from("::ffff:10.1.2.3", &said, &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn what_a_client_wrote_itself_is_not_believed() {
        let said = [("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.9.9.9")];
        assert_eq!(from("10.1.2.3", &said, &["10.0.0.0/8"]), "203.0.113.9");
        let said = [("x-forwarded-for", "1.1.1.1, unknown")];
        assert_eq!(from("10.1.2.3", &said, &["10.0.0.0/8"]), "10.1.2.3");
    }

    #[test]
    fn forwarded_is_read_with_ports_quotes_and_brackets() {
        let said = [("forwarded", "for=1.1.1.1;proto=http, For=\"[2001:db8::1]:4711\"")];
        assert_eq!(from("10.1.2.3", &said, &["10.0.0.0/8"]), "2001:db8::1");
        let said = [("forwarded", "proto=https;for=203.0.113.9:81"), ("forwarded", "for=10.0.0.7")];
        assert_eq!(from("10.1.2.3", &said, &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn headers_that_disagree_are_both_disbelieved() {
        let said = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(from("10.1.2.3", &said, &["10.0.0.0/8"]), "10.1.2.3");
    }
}
