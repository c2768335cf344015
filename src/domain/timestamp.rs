//! Validated external times, from RFC 3339 text or Unix seconds. Each is converted to UTC and checked against the range
//! of this program and of PostgreSQL, so that no later conversion overflows.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};

/// The earliest accepted time.
pub const EARLIEST: OffsetDateTime = datetime!(0001-01-01 00:00:00 UTC);
/// The latest accepted time: RFC 3339 has four digits for a year.
pub const LATEST: OffsetDateTime = datetime!(9999-12-31 23:59:59.999999999 UTC);

/// A validated external time, in UTC and between [`EARLIEST`] and [`LATEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

/// Why a text or a number is not a valid [`Timestamp`]. Each message continues "the value …" and names the fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text is not RFC 3339.
    #[error("must be a time in RFC 3339, such as 2026-01-31T00:00:00Z")]
    Malformed,
    /// The time is out of range.
    #[error("must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, in UTC")]
    OutOfRange,
}

impl Timestamp {
    /// Returns the time, in UTC.
    #[must_use]
    pub fn utc(self) -> OffsetDateTime {
        self.0
    }

    /// Checks a time with any offset.
    ///
    /// # Errors
    ///
    /// When it is out of range in UTC.
    pub fn new(at: OffsetDateTime) -> Result<Self, TimestampError> {
        let utc = at.checked_to_offset(UtcOffset::UTC).ok_or(TimestampError::OutOfRange)?;
        (EARLIEST..=LATEST).contains(&utc).then_some(Self(utc)).ok_or(TimestampError::OutOfRange)
    }

    /// Reads Unix seconds.
    ///
    /// # Errors
    ///
    /// When the time is out of range.
    pub fn from_unix(seconds: i64) -> Result<Self, TimestampError> {
        let at = OffsetDateTime::from_unix_timestamp(seconds);
        at.map_err(|_| TimestampError::OutOfRange).and_then(Self::new)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError::Malformed)?;
        Self::new(at)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_times_to_utc_or_rejects_them() {
        let read =
            |text: &str| text.parse::<Timestamp>().map(|at| at.utc().format(&Rfc3339).unwrap());
        let (malformed, out_of_range) =
            (Err(TimestampError::Malformed), Err(TimestampError::OutOfRange));
        for (text, expected) in [
            ("2026-01-31T12:00:00+02:00", Ok("2026-01-31T10:00:00Z".to_owned())),
            ("0001-01-01T00:00:00Z", Ok("0001-01-01T00:00:00Z".to_owned())),
            ("9999-12-31T23:59:59Z", Ok("9999-12-31T23:59:59Z".to_owned())),
            ("9999-12-31T23:59:59+23:59", Ok("9999-12-31T00:00:59Z".to_owned())),
            ("9999-12-31T23:59:59-00:01", out_of_range.clone()),
            ("9999-12-31T23:59:60-23:59", malformed.clone()),
            ("0001-01-01T00:00:00+00:01", out_of_range.clone()),
            ("0000-01-01T00:00:00Z", out_of_range.clone()),
            ("0000-01-01T00:00:00+23:59", out_of_range),
            ("10000-01-01T00:00:00Z", malformed.clone()),
            ("-0001-01-01T00:00:00Z", malformed.clone()),
            ("2026-01-31T00:00:00+24:00", malformed.clone()),
            ("2026-02-30T00:00:00Z", malformed.clone()),
            ("2026-01-31", malformed.clone()),
            ("", malformed),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn unix_seconds_are_checked() {
        for seconds in [i64::MIN, -62_135_596_801, 253_402_300_800, i64::MAX] {
            assert_eq!(Timestamp::from_unix(seconds), Err(TimestampError::OutOfRange), "{seconds}");
        }
        for seconds in [-62_135_596_800, 0, 253_402_300_799] {
            assert_eq!(Timestamp::from_unix(seconds).unwrap().utc().unix_timestamp(), seconds);
        }
    }
}
