//! `[quotas]`: how much of the gateway one environment may use.

use serde::Deserialize;

use crate::domain::quota::{Quota, QuotaLimits};

/// How much of the gateway one environment may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Share of `server.max_requests`, above 0 and at most 1.
    pub request_share: f64,
    /// Share of `server.max_requests` that calls which wait may have, above 0 and at most 1.
    pub waiting_share: f64,
    /// Environments that the keys of one environment make, and the keys of those.
    pub environments: u64,
    /// Provider apps.
    pub provider_apps: u64,
    /// Integrated accounts.
    pub integrated_accounts: u64,
    /// Account tokens.
    pub account_tokens: u64,
    /// Link tokens.
    pub link_tokens: u64,
    /// API keys.
    pub api_keys: u64,
    /// Mappings.
    pub mappings: u64,
    /// Responses that are stored for idempotency keys.
    pub stored_responses: u64,
    /// Their bytes.
    pub stored_response_bytes: u64,
}

impl Quotas {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        for (name, share) in
            [("request_share", self.request_share), ("waiting_share", self.waiting_share)]
        {
            if !(share > 0.0 && share <= 1.0) {
                mistakes.push(format!("quotas.{name}: must be above 0 and at most 1"));
            }
        }
        for quota in Quota::ALL.into_iter().filter(|quota| self.of(*quota) == 0) {
            mistakes.push(format!("quotas.{}: must be at least 1", quota.name()));
        }
    }

    /// The most rows of one environment.
    #[must_use]
    pub fn rows(&self) -> QuotaLimits {
        QuotaLimits::new(|quota| self.of(quota))
    }

    fn of(&self, quota: Quota) -> u64 {
        match quota {
            Quota::Environments => self.environments,
            Quota::ProviderApps => self.provider_apps,
            Quota::IntegratedAccounts => self.integrated_accounts,
            Quota::AccountTokens => self.account_tokens,
            Quota::LinkTokens => self.link_tokens,
            Quota::ApiKeys => self.api_keys,
            Quota::Mappings => self.mappings,
            Quota::StoredResponses => self.stored_responses,
            Quota::StoredResponseBytes => self.stored_response_bytes,
        }
    }

    /// The most requests of one environment at the same time, of `max_requests` in all.
    #[must_use]
    pub fn requests(&self, max_requests: usize) -> usize {
        part_of(max_requests, self.request_share)
    }

    /// The most calls of one environment that wait at the same time, of `max_requests` in all.
    #[must_use]
    pub fn waiting_calls(&self, max_requests: usize) -> usize {
        part_of(max_requests, self.waiting_share)
    }
}

/// A share of a count, one at least.
fn part_of(count: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a count that fits; casts saturate"
    )]
    let part = (count as f64 * share) as usize;
    part.max(1)
}
