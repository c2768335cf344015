//! Typed ids of stored rows: a ULID behind a prefix that names the kind of row.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use ulid::{ULID_LEN, Ulid};

use super::clock::Clock;
use super::entropy::{Entropy, random_bytes};

/// A text that is not an id of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like {prefix}_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
pub struct InvalidId {
    /// The prefix of the expected type.
    pub prefix: &'static str,
}

/// Generates a ULID. It begins with the time, so that ids sort by age.
pub fn new_ulid(clock: &dyn Clock, entropy: &dyn Entropy) -> Ulid {
    ulid_of(clock.now(), u128::from_be_bytes(random_bytes(entropy)))
}

fn ulid_of(at: OffsetDateTime, chance: u128) -> Ulid {
    let ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Ulid::from_parts(ms, chance)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            /// The prefix, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Generates an id of the current time.
            pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(new_ulid(clock, entropy))
            }

            /// Generates an id of the time `at`.
            pub fn of(at: OffsetDateTime, entropy: &dyn Entropy) -> Self {
                Self(ulid_of(at, u128::from_be_bytes(random_bytes(entropy))))
            }

            /// Returns the id as text. Every call writes several: this is several times as fast as formatting.
            #[must_use]
            pub fn text(self) -> String {
                let mut text = String::with_capacity(concat!($prefix, "_").len() + ULID_LEN);
                text.push_str(concat!($prefix, "_"));
                text.push_str(self.0.array_to_str(&mut [0; ULID_LEN]));
                text
            }

            /// Returns the lower bound of all ids of the time `at` and later.
            #[must_use]
            pub fn first_of(at: OffsetDateTime) -> Self {
                Self(ulid_of(at, 0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.0.array_to_str(&mut [0; ULID_LEN]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse($prefix, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-9A-HJKMNP-TV-Z]{26}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// An environment: the isolation unit of one product (or stage), with its keys, provider apps and accounts.
    EnvironmentId = "env";
    /// An environment's OAuth client for a provider.
    ProviderAppId = "app";
    /// One tenant's connection to one provider.
    IntegratedAccountId = "acc";
    /// A one-time token to connect or reconnect one account on the hosted page.
    LinkTokenId = "lnk";
    /// An environment's secret key.
    ApiKeyId = "key";
    /// A short-lived or revocable key for one account.
    AccountTokenId = "atk";
    /// A custom mapping.
    MappingId = "map";
    /// An event.
    EventId = "evt";
    /// A run of the directory sync.
    SyncRunId = "syn";
    /// A background job.
    JobId = "job";
    /// An endpoint that receives events.
    WebhookId = "whk";
    /// A delivery of an event to an endpoint.
    DeliveryId = "dlv";
    /// A span of the feed that is delivered again.
    ReplayId = "rpl";
    /// A policy of an environment.
    PolicyId = "pol";
    /// A violation of a policy.
    ViolationId = "vio";
    /// A reconciliation of a directory with a desired state.
    ReconciliationId = "rec";
    /// A rule set that maps attributes of people to access.
    RuleSetId = "rls";
    /// A row of the audit log.
    AuditId = "aud";
    /// A session of the console.
    ConsoleSessionId = "ses";
    /// A link to the hosted directory view.
    PortalLinkId = "plk";
    /// A request, in logs, problems and headers.
    RequestId = "req";
}

fn parse(prefix: &'static str, text: &str) -> Result<Ulid, InvalidId> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|ulid| ulid.len() == ulid::ULID_LEN)
        .and_then(|ulid| ulid.parse().ok())
        .ok_or(InvalidId { prefix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::ManualClock;
    use crate::domain::entropy::SeededEntropy;

    #[test]
    fn parses_only_ids_of_its_type() {
        let clock = ManualClock::at(time::macros::datetime!(2026-01-02 03:04:05 UTC));
        let id = ApiKeyId::generate(&clock, &SeededEntropy::new(1));
        let text = id.to_string();
        assert!(text.starts_with("key_01"), "{text}");
        assert_eq!(id.text(), text);
        assert_eq!(text.parse(), Ok(id));
        for other in ["", "key_", &text[4..], &format!("env{}", &text[3..]), &format!("{text}0")] {
            assert_eq!(other.parse::<ApiKeyId>(), Err(InvalidId { prefix: "key" }), "{other}");
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let clock = ManualClock::at(time::macros::datetime!(2026-01-02 03:04:05 UTC));
        let entropy = SeededEntropy::new(1);
        let first = RequestId::generate(&clock, &entropy);
        clock.advance(time::Duration::milliseconds(1));
        assert!(RequestId::generate(&clock, &entropy).to_string() > first.to_string());
    }
}
