//! Protects against server-side request forgery (SSRF): addresses that customers provide lead to the public internet
//! only, not to this machine, its networks or the cloud's metadata service.
//!
//! A host name is checked by the addresses it resolves to when connecting, so DNS rebinding does not help. The
//! blocks are those of the IANA special-purpose registries:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

/// The policy for addresses that customers provide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Public addresses only, over TLS.
    PublicOnly,
    /// Any address: for a provider in the operator's network, and for tests.
    Any,
}

/// Where the address of a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSource {
    /// The settings: any address is allowed.
    Config,
    /// A customer: [`AddressPolicy`] applies.
    Customer,
}

/// Returns the public ones among the addresses of a name.
///
/// # Errors
///
/// When there is none.
pub(super) fn public_only(addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let public: Vec<_> = addresses.into_iter().filter(|address| is_public(address.ip())).collect();
    if public.is_empty() {
        return Err(io::Error::other("the name resolves to no public address"));
    }
    Ok(public)
}

/// Whether the host of a URI may be public: a name, or a public IP address. Other spellings of an IP address are
/// resolved like a name, and checked then.
pub(crate) fn may_be_public(uri: &Uri) -> bool {
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
    if let Some(inner) = embedded_v4(address) {
        return is_public_v4(inner);
    }
    // Only 2000::/3 is global unicast; some blocks of it have other uses.
    let [a, b, ..] = address.segments();
    let is_special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff;
    (0x2000..0x4000).contains(&a) && !is_special
}

/// Returns the IPv4 address inside an IPv6 address: mapped, translated (NAT64) or tunnelled (6to4).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| {
        let ([address, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(address, two, three, four)
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
    fn classifies_addresses_by_the_iana_registries() {
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
    async fn checks_other_spellings_of_an_address() {
        for host in ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]"] {
            assert!(!may_be_public(&format!("https://{host}/").parse().unwrap()), "{host}");
        }
        assert!(may_be_public(&Uri::from_static("https://scim.example.com/v2")));
        for host in ["2130706433", "0x7f.1", "0177.0.0.1", "localhost"] {
            // A resolver that does not know the spelling finds no address.
            if let Ok(addresses) = tokio::net::lookup_host((host, 0)).await {
                assert!(public_only(addresses.collect()).is_err(), "{host}");
            }
        }
    }
}
