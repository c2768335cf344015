//! `[quotas]`: how much of the gateway one environment may use.

use serde::Deserialize;

/// How much of the gateway one environment may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Share of `server.max_requests`, above 0 and at most 1.
    pub request_share: f64,
}

impl Quotas {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(self.request_share > 0.0 && self.request_share <= 1.0) {
            mistakes.push("quotas.request_share: must be above 0 and at most 1".to_owned());
        }
    }

    /// The most requests of one environment at the same time, of `max_requests` in all.
    #[must_use]
    pub fn requests(&self, max_requests: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a count that fits; casts saturate"
        )]
        let share = (max_requests as f64 * self.request_share) as usize;
        share.max(1)
    }
}
