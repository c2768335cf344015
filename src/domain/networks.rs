//! Lists of IP networks in CIDR notation: allowed callers, and trusted proxies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Maximum number of networks in a list.
const MAX_NETWORKS: usize = 100;
/// Number of bits before the IPv4 address in an IPv4-mapped IPv6 address (`::ffff:203.0.113.7`).
const MAPPED_PREFIX_BITS: u8 = 96;

/// An IP network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address such as 203.0.113.7, or a network such as 203.0.113.0/24 or 2001:db8::/32, \
         without bits behind its prefix"
)]
pub struct InvalidNetwork;

impl Network {
    fn new(first: IpAddr, prefix: u8) -> Result<Self, InvalidNetwork> {
        let network = Self { address: first, prefix };
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let is_whole = prefix <= longest && network.masked(first) == Some(bits(first));
        if is_whole { Ok(network) } else { Err(InvalidNetwork) }
    }

    /// Returns the network bits of an address of the same IP version.
    fn masked(&self, address: IpAddr) -> Option<u128> {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        (address.is_ipv4() == self.address.is_ipv4()).then_some(bits(address) & mask)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.masked(address) == Some(bits(self.address))
    }
}

/// Returns the bits of an address, left-aligned.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.map_or(Ok(longest), str::parse).map_err(|_| InvalidNetwork)?;
        match (address.to_canonical(), prefix.checked_sub(MAPPED_PREFIX_BITS)) {
            // Callers' addresses are compared as IPv4, so an IPv4-mapped network is converted as well.
            (mapped @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => {
                Self::new(mapped, prefix)
            }
            _ => Self::new(address, prefix),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A list of networks. IPv4-mapped IPv6 addresses count as IPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Networks(Vec<Network>);

/// An invalid list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetworks {
    /// The list is empty or too long.
    #[error("must have 1 to {MAX_NETWORKS} entries")]
    Count,
    /// An entry is not a network.
    #[error("{text:?} {error}")]
    Entry {
        /// The entry.
        text: String,
        /// The error.
        error: InvalidNetwork,
    },
}

impl Networks {
    /// Returns the number of entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Parses a list of networks.
    ///
    /// # Errors
    ///
    /// `Count` for an empty or too long list, `Entry` for an entry that is not a network.
    pub fn new<T: AsRef<str>>(texts: &[T]) -> Result<Self, InvalidNetworks> {
        if !(1..=MAX_NETWORKS).contains(&texts.len()) {
            return Err(InvalidNetworks::Count);
        }
        let read = |text: &T| {
            let text = text.as_ref();
            text.parse().map_err(|error| InvalidNetworks::Entry { text: text.to_owned(), error })
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Returns each network in CIDR notation.
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether an address is in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether every address of `other` is in one of these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_inside = |theirs: &Network| {
            self.0.iter().any(|ours| ours.prefix <= theirs.prefix && ours.contains(theirs.address))
        };
        other.0.iter().all(is_inside)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[&str]) -> Networks {
        Networks::new(texts).unwrap()
    }

    #[test]
    fn contains_only_addresses_of_its_networks() {
        let networks = of(&["10.0.0.0/8", "203.0.113.7", "2001:db8::/32"]);
        for inside in
            ["10.0.0.0", "10.255.255.255", "203.0.113.7", "::ffff:10.1.2.3", "2001:db8::1"]
        {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "203.0.113.8", "2001:db9::", "::1"] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(of(&["0.0.0.0/0"]).contains([198, 51, 100, 1].into()));
        assert!(!of(&["0.0.0.0/0"]).contains("2001:db8::1".parse().unwrap()));
        assert!(!of(&["::/0"]).contains([198, 51, 100, 1].into()));
    }

    #[test]
    fn mapped_ipv4_networks_are_ipv4_networks() {
        for (mapped, plain) in [
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::FFFF:7f00:1", "127.0.0.1/32"),
            ("::ffff:127.0.0.1/128", "127.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(mapped.parse::<Network>().unwrap().to_string(), plain, "{mapped}");
        }
        let networks = of(&["::ffff:10.0.0.0/104"]);
        for inside in ["10.1.2.3", "::ffff:10.1.2.3"] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        assert!(of(&["10.0.0.0/8"]).covers(&networks) && networks.covers(&of(&["10.0.0.0/8"])));
        for wrong in
            ["::ffff:10.0.0.1/104", "::ffff:10.0.0.0/8", "::ffff:0:0/95", "::ffff:1.2.3.4/129"]
        {
            assert_eq!(wrong.parse::<Network>(), Err(InvalidNetwork), "{wrong}");
        }
    }

    #[test]
    fn rejects_invalid_networks() {
        for text in
            ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0/8", "::/129", "home", "1.2.3.4:80"]
        {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
        assert_eq!(Networks::new::<&str>(&[]), Err(InvalidNetworks::Count));
    }

    #[test]
    fn a_list_covers_narrower_lists() {
        let networks = of(&["10.0.0.0/8", "2001:db8::/32"]);
        assert!(networks.covers(&of(&["10.1.0.0/16", "2001:db8:1::/48"])));
        assert!(networks.covers(&networks));
        for wider in ["0.0.0.0/0", "11.0.0.0/8", "::/0"] {
            assert!(!networks.covers(&of(&["10.0.0.1", wider])), "{wider}");
        }
    }

    proptest! {
        #[test]
        fn a_network_reads_back_and_has_its_first_address(address: u32, prefix in 0_u8..=32) {
            let first = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0) & address;
            let text = format!("{}/{prefix}", std::net::Ipv4Addr::from(first));
            let network: Network = text.parse().unwrap();
            prop_assert_eq!(network.to_string(), text);
            prop_assert!(network.contains(std::net::Ipv4Addr::from(address).into()));
        }
    }
}
