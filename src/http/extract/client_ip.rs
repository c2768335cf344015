//! Determines the client address: that of the connection, or the one that a trusted proxy forwards.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::header::FORWARDED;
use axum::http::{Extensions, HeaderMap, HeaderName};

use crate::domain::networks::Networks;

/// The header in which proxies list client addresses.
pub(in crate::http) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The headers with client addresses, read from trusted proxies only.
pub(in crate::http) const HEADERS: [HeaderName; 2] = [X_FORWARDED_FOR, FORWARDED];

/// Returns the connection of a request, for internal requests on its behalf.
pub(in crate::http) fn connection(extensions: &Extensions) -> Option<ConnectInfo<SocketAddr>> {
    extensions.get().copied()
}

/// Returns the client address, or `None` if a trusted proxy sent an unreadable one. Each proxy appends the address it
/// was called from, so entries are read from the end while trusted proxies wrote them; earlier entries may be forged.
pub(in crate::http) fn client_ip(
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    trusted: &Networks,
) -> Option<IpAddr> {
    let mut nearest = peer?.ip().to_canonical();
    let by_list = entries(headers, &X_FORWARDED_FOR);
    let by_pairs = entries(headers, &FORWARDED);
    let forwarded = match (by_list.is_empty(), by_pairs.is_empty()) {
        (_, true) => by_list.iter().map(|entry| parse_address(entry)).collect::<Vec<_>>(),
        (true, false) => {
            by_pairs.iter().map(|entry| parse_address(forwarded_for(entry)?)).collect()
        }
        // A proxy writes one of both headers; the client may have sent the other.
        (false, false) => vec![None],
    };
    for entry in forwarded.into_iter().rev() {
        if !trusted.contains(nearest) {
            break;
        }
        nearest = entry?;
    }
    Some(nearest)
}

/// Returns the entries of a list header, from all its lines.
fn entries<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim).collect()
}

/// Returns the `for=` value of a `Forwarded` entry: <https://www.rfc-editor.org/rfc/rfc7239>
fn forwarded_for(entry: &str) -> Option<&str> {
    let pairs = entry.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for"));
    values.next().map(|(_, value)| value.trim_matches('"'))
}

/// Parses an address with an optional port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, lines: &[(&HeaderName, &str)]) -> Option<IpAddr> {
        let trusted = Networks::new(&["10.0.0.0/8", "127.0.0.1"]).unwrap();
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, line.parse().unwrap());
        }
        client_ip(Some(peer), &headers, &trusted)
    }

    fn is(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn trusts_only_the_entries_of_trusted_proxies() {
        let list = &X_FORWARDED_FOR;
        assert_eq!(seen("203.0.113.1", &[]), Some(is("203.0.113.1")));
        assert_eq!(seen("203.0.113.1", &[(list, "198.51.100.1")]), Some(is("203.0.113.1")));
        assert_eq!(seen("10.0.0.1", &[(list, "198.51.100.1")]), Some(is("198.51.100.1")));
        assert_eq!(seen("::ffff:10.0.0.1", &[(list, "198.51.100.1")]), Some(is("198.51.100.1")));
        // The first entry is forged by the client.
        assert_eq!(seen("10.0.0.1", &[(list, "10.9.9.9, 198.51.100.1")]), Some(is("198.51.100.1")));
        assert_eq!(
            seen("10.0.0.1", &[(list, "192.0.2.1"), (list, "198.51.100.1, 10.0.0.2")]),
            Some(is("198.51.100.1"))
        );
        assert_eq!(seen("10.0.0.1", &[]), Some(is("10.0.0.1")));
        assert_eq!(seen("10.0.0.1", &[(list, "[2001:db8::1]:80")]), Some(is("2001:db8::1")));
        for unclear in ["unknown", "", "198.51.100.1, junk", "198.51.100.1,"] {
            assert_eq!(seen("10.0.0.1", &[(list, unclear)]), None, "{unclear}");
        }
    }

    #[test]
    fn reads_the_forwarded_header() {
        let pairs = &FORWARDED;
        for line in [
            "for=198.51.100.1",
            "proto=https;For=\"198.51.100.1:80\"; by=10.0.0.1",
            "for=10.9.9.9, for=198.51.100.1, for=10.0.0.2",
        ] {
            assert_eq!(seen("10.0.0.1", &[(pairs, line)]), Some(is("198.51.100.1")), "{line}");
        }
        assert_eq!(
            seen("10.0.0.1", &[(pairs, "for=\"[2001:db8::1]:9\"")]),
            Some(is("2001:db8::1"))
        );
        for unclear in ["for=_hidden", "by=10.0.0.1"] {
            assert_eq!(seen("10.0.0.1", &[(pairs, unclear)]), None, "{unclear}");
        }
        let both = [(pairs, "for=198.51.100.1"), (&X_FORWARDED_FOR, "192.0.2.1")];
        assert_eq!(seen("10.0.0.1", &both), None);
        assert_eq!(seen("203.0.113.1", &both), Some(is("203.0.113.1")));
    }

    #[test]
    fn has_no_address_without_a_connection() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, "198.51.100.1".parse().unwrap());
        assert_eq!(client_ip(None, &headers, &Networks::default()), None);
    }
}
