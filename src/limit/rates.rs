//! The effective rate of each bucket: the provider's rate or the operator's override, the time scale, and a smaller
//! burst for the spread of arrival times.

use std::time::Duration;

use foldhash::HashMap;

use super::{BucketKey, Rate};
use crate::config;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;

/// The minimum burst after the arrival spread: one call is reserved for interactive calls, and a background job
/// that is woken late needs another one to catch up.
const MIN_BURST: u32 = 3;

/// The effective rates of buckets.
#[derive(Debug, Clone, Default)]
pub struct RateTable {
    time_scale: f64,
    arrival_spread: Duration,
    provider_overrides: HashMap<(Provider, String), Rate>,
    app_overrides: HashMap<(ProviderAppId, String), Rate>,
}

impl RateTable {
    /// Creates the table from the settings.
    ///
    /// # Errors
    ///
    /// A text that names the setting and the fix.
    pub fn new(limits: &config::LimitSettings) -> Result<Self, String> {
        let rate =
            |pace: config::RateOverride| Rate { per_minute: pace.per_minute, burst: pace.burst };
        let provider_overrides = limits.provider_overrides()?.into_iter();
        let app_overrides = limits.app_overrides()?.into_iter();
        Ok(Self {
            time_scale: limits.time_scale,
            arrival_spread: limits.arrival_spread(),
            provider_overrides: provider_overrides.map(|(key, pace)| (key, rate(pace))).collect(),
            app_overrides: app_overrides.map(|(key, pace)| (key, rate(pace))).collect(),
        })
    }

    /// Returns the effective rate of a bucket of `provider` for an app; `rate` is the provider's own.
    #[must_use]
    pub fn rate(
        &self,
        provider: Provider,
        app: Option<ProviderAppId>,
        key: &BucketKey,
        rate: Rate,
    ) -> Rate {
        let rate = self.overridden(provider, app, &key.bucket).unwrap_or(rate);
        let scaled = Rate { per_minute: rate.per_minute * self.time_scale, ..rate };
        with_arrival_spread(scaled, self.arrival_spread)
    }

    fn overridden(
        &self,
        provider: Provider,
        app: Option<ProviderAppId>,
        bucket: &str,
    ) -> Option<Rate> {
        if self.provider_overrides.is_empty() && self.app_overrides.is_empty() {
            return None;
        }
        let app_override = app.and_then(|app| self.app_overrides.get(&(app, bucket.to_owned())));
        app_override
            .or_else(|| self.provider_overrides.get(&(provider, bucket.to_owned())))
            .copied()
    }
}

/// Reduces the burst so that calls whose transit times differ by up to `by` still arrive within `rate`.
fn with_arrival_spread(rate: Rate, by: Duration) -> Rate {
    let late_calls = (by.as_secs_f64() / rate.period().as_secs_f64()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let late_calls = late_calls as u32;
    let burst = rate.burst.saturating_sub(late_calls).max(rate.burst.min(MIN_BURST));
    Rate { burst, ..rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrival_spread_reduces_the_burst() {
        for (per_minute, burst, ms, left) in [
            (180.0, 20, 0, 20),
            (180.0, 20, 100, 19),
            (180.0 * 60.0, 20, 50, 11),
            (180.0 * 60.0, 20, 5_000, 3),
            (20.0, 2, 100, 2),
            (1.0, 1, 100, 1),
        ] {
            let rate = Rate { per_minute, burst };
            let slower = with_arrival_spread(rate, Duration::from_millis(ms));
            assert_eq!(slower, Rate { per_minute, burst: left }, "{rate:?} spread over {ms} ms");
        }
    }
}
