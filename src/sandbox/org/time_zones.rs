//! Time zones. An identity provider sends an IANA name; Slack's clients also show a label and an
//! offset, which this table has for common zones.

use std::borrow::Cow;

use super::Location;

/// Time zone of a person for whom none was sent.
pub(super) const DEFAULT_TIMEZONE: &str = "America/Los_Angeles";

/// Name, label, and seconds east of UTC in winter.
const ZONES: &[(&str, &str, i32)] = &[
    ("Etc/UTC", "Coordinated Universal Time", 0),
    ("America/Los_Angeles", "Pacific Standard Time", -28_800),
    ("America/Denver", "Mountain Standard Time", -25_200),
    ("America/Chicago", "Central Standard Time", -21_600),
    ("America/New_York", "Eastern Standard Time", -18_000),
    ("America/Toronto", "Eastern Standard Time", -18_000),
    ("America/Sao_Paulo", "Brasilia Standard Time", -10_800),
    ("Europe/London", "Greenwich Mean Time", 0),
    ("Europe/Dublin", "Greenwich Mean Time", 0),
    ("Europe/Amsterdam", "Central European Time", 3_600),
    ("Europe/Berlin", "Central European Time", 3_600),
    ("Europe/Madrid", "Central European Time", 3_600),
    ("Europe/Paris", "Central European Time", 3_600),
    ("Europe/Zurich", "Central European Time", 3_600),
    ("Europe/Athens", "Eastern European Time", 7_200),
    ("Asia/Kolkata", "India Standard Time", 19_800),
    ("Asia/Singapore", "Singapore Standard Time", 28_800),
    ("Asia/Shanghai", "China Standard Time", 28_800),
    ("Asia/Tokyo", "Japan Standard Time", 32_400),
    ("Australia/Sydney", "Australian Eastern Standard Time", 36_000),
];

impl Location {
    /// Changes the time zone. An unknown name becomes its own label, with offset 0.
    pub(super) fn set_timezone(&mut self, timezone: &str) {
        let known = ZONES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(timezone));
        let (name, label, offset) = match known {
            Some((name, label, offset)) => (Cow::Borrowed(*name), Cow::Borrowed(*label), *offset),
            None => (Cow::Owned(timezone.to_owned()), Cow::Owned(timezone.replace('_', " ")), 0),
        };
        self.timezone = name;
        self.timezone_label = label;
        self.offset = offset;
    }
}
