//! Quotas: the maximum number of stored rows of each kind per environment.

/// A kind of row with a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaKind {
    /// Environments created, directly or indirectly, by keys of one environment.
    Environments,
    /// OAuth clients at providers.
    ProviderApps,
    /// Integrated accounts, including disconnected ones.
    IntegratedAccounts,
    /// Account tokens, including expired ones until they are deleted.
    AccountTokens,
    /// Link tokens, including used and expired ones until they are deleted.
    LinkTokens,
    /// API keys, including expired ones until they are deleted.
    ApiKeys,
    /// Mappings of custom fields.
    Mappings,
    /// Endpoints that receive events.
    Webhooks,
    /// Policies.
    Policies,
    /// Rule sets.
    RuleSets,
    /// Responses stored for idempotency keys.
    StoredResponses,
    /// Bytes of the stored responses.
    StoredResponseBytes,
}

impl QuotaKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Environments,
        Self::ProviderApps,
        Self::IntegratedAccounts,
        Self::AccountTokens,
        Self::LinkTokens,
        Self::ApiKeys,
        Self::Mappings,
        Self::Webhooks,
        Self::Policies,
        Self::RuleSets,
        Self::StoredResponses,
        Self::StoredResponseBytes,
    ];

    /// Returns the name in `[quotas]`, metrics and problems.
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
            Self::Webhooks => "webhooks",
            Self::Policies => "policies",
            Self::RuleSets => "rule_sets",
            Self::StoredResponses => "stored_responses",
            Self::StoredResponseBytes => "stored_response_bytes",
        }
    }
}

/// The limit of each quota.
#[derive(Debug, Clone, Copy)]
pub struct QuotaLimits([i64; QuotaKind::ALL.len()]);

impl QuotaLimits {
    /// Returns the limits given by `of`.
    #[must_use]
    pub fn new(of: impl Fn(QuotaKind) -> u64) -> Self {
        Self(QuotaKind::ALL.map(|quota| i64::try_from(of(quota)).unwrap_or(i64::MAX)))
    }

    /// Returns no limits: for the operator.
    #[must_use]
    pub fn unlimited() -> Self {
        Self([i64::MAX; QuotaKind::ALL.len()])
    }

    /// Returns the limit of one quota; `None` when there is no limit.
    #[must_use]
    pub fn of(&self, quota: QuotaKind) -> Option<i64> {
        let place = QuotaKind::ALL.iter().position(|one| *one == quota)?;
        self.0.get(place).copied().filter(|most| *most < i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_its_own_limit() {
        let limits = QuotaLimits::new(|quota| quota.name().len() as u64);
        for quota in QuotaKind::ALL {
            assert_eq!(limits.of(quota), i64::try_from(quota.name().len()).ok());
            assert_eq!(QuotaLimits::unlimited().of(quota), None);
        }
    }
}
