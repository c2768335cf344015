//! `[quotas]`: maximum usage of the gateway per environment.

use serde::Deserialize;

use crate::domain::quota::{QuotaKind, QuotaLimits};

/// Settings of quotas per environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSettings {
    /// Share of `server.max_requests` for requests, above 0 and at most 1.
    pub request_share: f64,
    /// Share of `server.max_requests` for waiting calls, above 0 and at most 1.
    pub waiting_share: f64,
    /// Environments created by the keys of one environment, and by the keys of those.
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
    /// Webhooks.
    pub webhooks: u64,
    /// Policies.
    pub policies: u64,
    /// Rule sets.
    pub rule_sets: u64,
    /// Responses stored for idempotency keys.
    pub stored_responses: u64,
    /// Bytes of these responses.
    pub stored_response_bytes: u64,
}

impl QuotaSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        for (name, share) in
            [("request_share", self.request_share), ("waiting_share", self.waiting_share)]
        {
            if !(share > 0.0 && share <= 1.0) {
                errors.push(format!("quotas.{name}: must be above 0 and at most 1"));
            }
        }
        for quota in QuotaKind::ALL.into_iter().filter(|quota| self.limit_of(*quota) == 0) {
            errors.push(format!("quotas.{}: must be at least 1", quota.name()));
        }
    }

    /// Returns the maximum rows of one environment.
    #[must_use]
    pub fn rows(&self) -> QuotaLimits {
        QuotaLimits::new(|quota| self.limit_of(quota))
    }

    fn limit_of(&self, quota: QuotaKind) -> u64 {
        match quota {
            QuotaKind::Environments => self.environments,
            QuotaKind::ProviderApps => self.provider_apps,
            QuotaKind::IntegratedAccounts => self.integrated_accounts,
            QuotaKind::AccountTokens => self.account_tokens,
            QuotaKind::LinkTokens => self.link_tokens,
            QuotaKind::ApiKeys => self.api_keys,
            QuotaKind::Mappings => self.mappings,
            QuotaKind::Webhooks => self.webhooks,
            QuotaKind::Policies => self.policies,
            QuotaKind::RuleSets => self.rule_sets,
            QuotaKind::StoredResponses => self.stored_responses,
            QuotaKind::StoredResponseBytes => self.stored_response_bytes,
        }
    }

    /// Returns the maximum concurrent requests of one environment, of `max_requests` in total.
    #[must_use]
    pub fn requests(&self, max_requests: usize) -> usize {
        share_of(max_requests, self.request_share)
    }

    /// Returns the maximum concurrently waiting calls of one environment, of `max_requests` in total.
    #[must_use]
    pub fn waiting_calls(&self, max_requests: usize) -> usize {
        share_of(max_requests, self.waiting_share)
    }
}

/// Returns a share of a count, at least 1.
fn share_of(count: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a count that fits; casts saturate"
    )]
    let part = (count as f64 * share) as usize;
    part.max(1)
}
