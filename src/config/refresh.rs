//! `[refresh]`: refreshing tokens before they expire.

use serde::Deserialize;

/// Settings of the proactive token refresh.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshSettings {
    /// Seconds before expiry at which an access token is refreshed.
    pub ahead_s: u32,
    /// Seconds between searches for tokens that expire soon.
    pub check_every_s: u32,
}

impl RefreshSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if !(120..=6 * 3_600).contains(&self.ahead_s) {
            errors.push("refresh.ahead_s: must be between 120 and 21600".to_owned());
        }
        if !(1..=3_600).contains(&self.check_every_s) {
            errors.push("refresh.check_every_s: must be between 1 and 3600".to_owned());
        }
    }

    /// Returns the time before expiry at which an access token is refreshed.
    #[must_use]
    pub fn ahead(&self) -> time::Duration {
        time::Duration::seconds(self.ahead_s.into())
    }

    /// Returns the interval of searches for tokens that expire soon.
    #[must_use]
    pub fn check_every(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.check_every_s.into())
    }
}
