//! At which rate a budget is really used: the provider's own, what the operator says instead, the speed
//! of time, and how far calls may come together on their way.

use std::time::Duration;

use foldhash::HashMap;

use super::{LimitKey, Rate};
use crate::config;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;

/// A burst is not made smaller than this: one call of it is kept for people, and a bulk job that is
/// woken a moment too late needs a second one to make up for it.
const LEAST_BURST: u32 = 3;

/// At which rates budgets are used.
#[derive(Debug, Clone, Default)]
pub struct Pacing {
    time_scale: f64,
    arrival_spread: Duration,
    of_providers: HashMap<(Provider, String), Rate>,
    of_apps: HashMap<(ProviderAppId, String), Rate>,
}

impl Pacing {
    /// The rates as the settings have them.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix.
    pub fn new(limits: &config::Limits) -> Result<Self, String> {
        let rate = |pace: config::Pace| Rate { per_minute: pace.per_minute, burst: pace.burst };
        let of_providers = limits.provider_overrides()?.into_iter();
        let of_apps = limits.app_overrides()?.into_iter();
        Ok(Self {
            time_scale: limits.time_scale,
            arrival_spread: limits.arrival_spread(),
            of_providers: of_providers.map(|(whose, pace)| (whose, rate(pace))).collect(),
            of_apps: of_apps.map(|(whose, pace)| (whose, rate(pace))).collect(),
        })
    }

    /// The rate at which a budget of a provider is used by an app whose own rate is `rate`.
    #[must_use]
    pub fn rate(
        &self,
        provider: Provider,
        app: Option<ProviderAppId>,
        key: &LimitKey,
        rate: Rate,
    ) -> Rate {
        let rate = self.overridden(provider, app, &key.bucket).unwrap_or(rate);
        let scaled = Rate { per_minute: rate.per_minute * self.time_scale, ..rate };
        spread(scaled, self.arrival_spread)
    }

    fn overridden(
        &self,
        provider: Provider,
        app: Option<ProviderAppId>,
        bucket: &str,
    ) -> Option<Rate> {
        if self.of_providers.is_empty() && self.of_apps.is_empty() {
            return None;
        }
        let of_app = app.and_then(|app| self.of_apps.get(&(app, bucket.to_owned())));
        of_app.or_else(|| self.of_providers.get(&(provider, bucket.to_owned()))).copied()
    }
}

/// The rate whose calls, sent at its pace and each on its way for up to `by` longer than another, arrive
/// at `rate`: a smaller burst.
fn spread(rate: Rate, by: Duration) -> Rate {
    let late = (by.as_secs_f64() / rate.period().as_secs_f64()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let late = late as u32;
    let burst = rate.burst.saturating_sub(late).max(rate.burst.min(LEAST_BURST));
    Rate { burst, ..rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_may_come_together_on_their_way_make_a_burst_smaller() {
        for (per_minute, burst, ms, left) in [
            (180.0, 20, 0, 20),
            (180.0, 20, 100, 19),
            (180.0 * 60.0, 20, 50, 11),
            (180.0 * 60.0, 20, 5_000, 3),
            (20.0, 2, 100, 2),
            (1.0, 1, 100, 1),
        ] {
            let rate = Rate { per_minute, burst };
            let slower = spread(rate, Duration::from_millis(ms));
            assert_eq!(slower, Rate { per_minute, burst: left }, "{rate:?} spread over {ms} ms");
        }
    }
}
