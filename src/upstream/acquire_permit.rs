//! Computes the cost of a call and acquires its permit from the rate limiter.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::error::UpstreamError;
use super::request::{CallOptions, ProviderBucket};
use crate::domain::account::IntegratedAccount;
use crate::limit::{
    AcquireRequest, BucketKey, Cost, LimitExceeded, Limiter, Rate, RateTable, background_duration,
};

/// Acquires permits at the effective rates of the provider's buckets.
#[derive(Clone)]
pub(super) struct Throttle {
    limiter: Arc<dyn Limiter>,
    rates: Arc<RateTable>,
}

impl Throttle {
    /// Creates a throttle from a limiter and the effective rates.
    pub(super) fn new(limiter: Arc<dyn Limiter>, rates: RateTable) -> Self {
        Self { limiter, rates: Arc::new(rates) }
    }

    /// Returns the cost of an account's call that takes from these buckets of its provider. An address that a customer
    /// provides is not an organization: several accounts may have it, each with its own buckets.
    pub(super) fn cost(&self, account: &IntegratedAccount, buckets: &[ProviderBucket]) -> Cost {
        let own_organization: Option<Arc<str>> =
            account.base_url.as_ref().map(|_| account.id.to_string().into());
        let organization = own_organization.as_ref().unwrap_or(&account.organization.id);
        let app = account.provider_app_id;
        Cost::new(buckets.iter().map(|bucket| {
            let key = BucketKey {
                app: app.filter(|_| bucket.per_app),
                organization: Arc::clone(organization),
                bucket: bucket.name.clone(),
            };
            let rate = self.rates.rate(account.provider, app, &key, bucket.rate);
            (key, rate)
        }))
    }

    /// Returns how long background calls of an account take by the rates alone: each entry is the number of calls that
    /// take from these buckets.
    pub(super) fn duration<'b>(
        &self,
        account: &IntegratedAccount,
        calls: impl IntoIterator<Item = (&'b [ProviderBucket], u64)>,
    ) -> Duration {
        let mut totals: HashMap<BucketKey, (Rate, u64)> = HashMap::default();
        for (buckets, count) in calls {
            let cost = self.cost(account, buckets);
            for (key, rate) in cost.buckets() {
                totals.entry(key.clone()).or_insert((rate, 0)).1 += count;
            }
        }
        let longest = totals.into_values().map(|(rate, calls)| background_duration(rate, calls));
        longest.max().unwrap_or_default()
    }

    /// Returns the expected wait for the permit of a call between `asked` and `until`.
    ///
    /// # Errors
    ///
    /// `RateLimited` when it would come after `until`.
    pub(super) fn check(
        &self,
        account: &IntegratedAccount,
        cost: &Cost,
        options: CallOptions<'_>,
        (asked, until): (Instant, Instant),
    ) -> Result<Duration, UpstreamError> {
        let max_wait = until.saturating_duration_since(asked);
        let request =
            AcquireRequest { cost, account: account.id, priority: options.priority, max_wait };
        self.limiter.expected_wait(&request).map_err(|error| rate_limited(options, error))
    }

    /// Waits for the permit of a call between `asked` and `until`.
    ///
    /// # Errors
    ///
    /// `RateLimited` when it would come after `until`.
    pub(super) async fn acquire(
        &self,
        account: &IntegratedAccount,
        cost: &Cost,
        options: CallOptions<'_>,
        (asked, until): (Instant, Instant),
    ) -> Result<(), UpstreamError> {
        let max_wait = until.saturating_duration_since(asked);
        let request =
            AcquireRequest { cost, account: account.id, priority: options.priority, max_wait };
        let permit = match self.limiter.try_acquire(&request) {
            Some(statuses) => Ok(statuses),
            None => self.limiter.acquire(request).await,
        };
        let statuses = permit.map_err(|error| rate_limited(options, error))?;
        if let Some(report) = options.limit_report {
            report.record(statuses);
        }
        Ok(())
    }

    /// Blocks the bucket that a provider's 429 is about, for all callers.
    pub(super) fn block(&self, cost: &Cost, pause: Duration) {
        self.limiter.block(&cost.first(), pause);
    }
}

/// Records the status of the buckets for the caller's headers and returns the error.
fn rate_limited(
    options: CallOptions<'_>,
    LimitExceeded { retry_after, statuses }: LimitExceeded,
) -> UpstreamError {
    if let Some(report) = options.limit_report {
        report.record(statuses);
    }
    UpstreamError::RateLimited { retry_after }
}
