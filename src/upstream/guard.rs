//! Addresses that customers name themselves lead to the internet and nowhere else: not to this machine,
//! not to the networks around it, not to the cloud's metadata service.
//!
//! A host's name is judged by what it resolves to, at the moment of connecting, so that a name which
//! changes its mind changes nothing. The blocks are those of the IANA special-purpose registries:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

/// Where addresses that customers name may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the internet only, by TLS.
    Public,
    /// Anywhere: for a provider inside of one's own network, and for tests.
    Anywhere,
}

/// Who named the address of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The settings: it may lead anywhere.
    Operator,
    /// A customer: it may lead where [`Reach`] says.
    Customer,
}

/// Of the addresses of a name those that are public.
///
/// # Errors
///
/// When there is none.
pub(super) fn public_only(found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let public: Vec<_> = found.into_iter().filter(|one| is_public(one.ip())).collect();
    if public.is_empty() {
        return Err(io::Error::other("the name leads to no public address"));
    }
    Ok(public)
}

/// Whether an address names a host that may be public: a name, or a public address itself. Whatever is no
/// plain IP address is resolved like a name, and judged then.
pub(super) fn may_be_public(uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain.parse().map_or(true, is_public)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = inner_v4(address) {
        return is_public_v4(inner);
    }
    // Only 2000::/3 is given to the internet; of it, some blocks are for other uses.
    let [a, b, ..] = address.segments();
    let is_special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff;
    (0x2000..0x4000).contains(&a) && !is_special
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (NAT64) or tunnelled (6to4).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| {
        let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(one, two, three, four)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(pair(high, low))
        }
        [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let rows = [
            ("8.8.8.8", true),
            ("100.63.0.1", true),
            ("172.15.0.1", true),
            ("127.0.0.1", false),
            ("127.255.0.9", false),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("192.0.0.8", false),
            ("198.19.0.1", false),
            ("203.0.113.9", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("2001:4860:4860::8888", true),
            ("::1", false),
            ("::", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::a9fe:a9fe", false),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
            ("2001:0:1::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ];
        for (address, expected) in rows {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[tokio::test]
    async fn an_address_in_another_spelling_is_the_same_address() {
        for host in ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]"] {
            assert!(!may_be_public(&format!("https://{host}/").parse().unwrap()), "{host}");
        }
        assert!(may_be_public(&Uri::from_static("https://scim.example.com/v2")));
        for host in ["2130706433", "0x7f.1", "0177.0.0.1", "localhost"] {
            // Where the system's resolver doesn't know the spelling, it leads nowhere at all.
            if let Ok(found) = tokio::net::lookup_host((host, 0)).await {
                assert!(public_only(found.collect()).is_err(), "{host}");
            }
        }
    }
}
