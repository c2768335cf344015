//! `[refresh]`: renewing tokens ahead of their end.

use serde::Deserialize;

/// Renewing tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// How long before its end an access token is renewed, in seconds.
    pub ahead_s: u32,
    /// How often tokens that end soon are looked for, in seconds.
    pub check_every_s: u32,
}

impl Refresh {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(120..=6 * 3_600).contains(&self.ahead_s) {
            mistakes.push("refresh.ahead_s: must be between 120 and 21600".to_owned());
        }
        if !(1..=3_600).contains(&self.check_every_s) {
            mistakes.push("refresh.check_every_s: must be between 1 and 3600".to_owned());
        }
    }

    /// How long before its end an access token is renewed.
    #[must_use]
    pub fn ahead(&self) -> time::Duration {
        time::Duration::seconds(self.ahead_s.into())
    }

    /// How often tokens that end soon are looked for.
    #[must_use]
    pub fn check_every(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.check_every_s.into())
    }
}
