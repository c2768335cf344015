//! Quotas: how many rows of a kind one environment may have.

/// What has a quota of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quota {
    /// Environments that were made, directly or not, by keys of one environment.
    Environments,
    /// OAuth clients at providers.
    ProviderApps,
    /// Integrated accounts, disconnected ones too.
    IntegratedAccounts,
    /// Account tokens, ended ones too until they are deleted.
    AccountTokens,
    /// Link tokens, used and ended ones too until they are deleted.
    LinkTokens,
    /// API keys, ended ones too until they are deleted.
    ApiKeys,
    /// Mappings of custom fields.
    Mappings,
    /// Responses that are stored for idempotency keys.
    StoredResponses,
    /// Their bytes.
    StoredResponseBytes,
}

impl Quota {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Environments,
        Self::ProviderApps,
        Self::IntegratedAccounts,
        Self::AccountTokens,
        Self::LinkTokens,
        Self::ApiKeys,
        Self::Mappings,
        Self::StoredResponses,
        Self::StoredResponseBytes,
    ];

    /// Its name: in `[quotas]`, in metrics, in problems.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Environments => "environments",
            Self::ProviderApps => "provider_apps",
            Self::IntegratedAccounts => "integrated_accounts",
            Self::AccountTokens => "account_tokens",
            Self::LinkTokens => "link_tokens",
            Self::ApiKeys => "api_keys",
            Self::Mappings => "mappings",
            Self::StoredResponses => "stored_responses",
            Self::StoredResponseBytes => "stored_response_bytes",
        }
    }
}

/// The most of each.
#[derive(Debug, Clone, Copy)]
pub struct QuotaLimits([i64; Quota::ALL.len()]);

impl QuotaLimits {
    /// The limits that `of` gives.
    #[must_use]
    pub fn new(of: impl Fn(Quota) -> u64) -> Self {
        Self(Quota::ALL.map(|quota| i64::try_from(of(quota)).unwrap_or(i64::MAX)))
    }

    /// No limits: for whoever operates the gateway.
    #[must_use]
    pub fn none() -> Self {
        Self([i64::MAX; Quota::ALL.len()])
    }

    /// The most of one; `None` when there is no limit.
    #[must_use]
    pub fn of(&self, quota: Quota) -> Option<i64> {
        let place = Quota::ALL.iter().position(|one| *one == quota)?;
        self.0.get(place).copied().filter(|most| *most < i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_its_own_limit() {
        let limits = QuotaLimits::new(|quota| quota.name().len() as u64);
        for quota in Quota::ALL {
            assert_eq!(limits.of(quota), i64::try_from(quota.name().len()).ok());
            assert_eq!(QuotaLimits::none().of(quota), None);
        }
    }
}
