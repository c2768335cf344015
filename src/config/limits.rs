//! `[limits]`: rate limits of providers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;

/// Rates by provider or provider app, then by bucket.
type Overrides = BTreeMap<String, BTreeMap<String, RateOverride>>;
/// A rate for one bucket of one provider or provider app.
pub type OverrideEntry<T> = ((T, String), RateOverride);

/// Settings of rate limits.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Seconds that a request waits for permits.
    pub max_wait_s: f64,
    /// Factor on the rate of every provider limit.
    pub time_scale: f64,
    /// Maximum difference of two calls' transit times to the provider, in milliseconds.
    pub arrival_spread_ms: u64,
    /// The store of bucket state.
    pub backend: LimitBackend,
    /// Redis URL. A secret: it may contain a password.
    pub redis_url: String,
    /// File with the URL.
    pub redis_url_file: PathBuf,
    /// Minimum number of gateways that share the rates while Redis is unavailable.
    pub min_gateways: u32,
    /// Rates that replace a provider's: by provider, then by method.
    pub overrides: Overrides,
    /// Rates of one provider app: by its id, then by method.
    pub app_overrides: Overrides,
}

/// The store of bucket state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitBackend {
    /// The process's memory, for a single gateway.
    Local,
    /// Redis, for several gateways.
    Redis,
}

/// A rate from the settings.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateOverride {
    /// Calls per minute.
    pub per_minute: f64,
    /// Calls in a burst.
    pub burst: u32,
}

impl std::fmt::Debug for LimitSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits")
            .field("max_wait_s", &self.max_wait_s)
            .field("time_scale", &self.time_scale)
            .field("arrival_spread_ms", &self.arrival_spread_ms)
            .field("backend", &self.backend)
            .field("min_gateways", &self.min_gateways)
            .finish_non_exhaustive()
    }
}

impl LimitSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if !(0.0..=3600.0).contains(&self.max_wait_s) {
            errors.push("limits.max_wait_s: must be between 0 and 3600".to_owned());
        }
        if !(0.001..=1_000_000.0).contains(&self.time_scale) {
            errors.push(
                "limits.time_scale: must be between 0.001 and 1000000; 1 is the provider's rate"
                    .to_owned(),
            );
        }
        if self.arrival_spread_ms > 60_000 {
            errors.push("limits.arrival_spread_ms: must be between 0 and 60000".to_owned());
        }
        if !(1..=10_000).contains(&self.min_gateways) {
            errors.push("limits.min_gateways: must be between 1 and 10000".to_owned());
        }
        if self.backend == LimitBackend::Redis {
            match self.redis_url() {
                Err(error) => errors.push(error),
                Ok(url) if url.is_empty() => errors.push(
                    "limits.redis_url: is empty; set redis://HOST:PORT/0, or set limits.backend to \
                     \"local\""
                        .to_owned(),
                ),
                Ok(_) => {}
            }
        }
        errors.extend(self.provider_overrides().err());
        errors.extend(self.app_overrides().err());
        for (section, overrides) in
            [("overrides", &self.overrides), ("app_overrides", &self.app_overrides)]
        {
            for (whose, budget, pace) in flatten(overrides) {
                if !(pace.per_minute > 0.0 && pace.per_minute <= 1e6 && pace.burst >= 1) {
                    errors.push(format!(
                        "limits.{section}.{whose}.\"{budget}\": per_minute must be above 0 and at most \
                         1000000, burst at least 1"
                    ));
                }
            }
        }
    }

    /// Returns the Redis URL.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix, if its file is unreadable.
    pub fn redis_url(&self) -> Result<Zeroizing<String>, String> {
        super::secret::read("limits.redis_url", &self.redis_url, &self.redis_url_file)
    }

    /// Returns the maximum time to wait for permits.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        Duration::try_from_secs_f64(self.max_wait_s).unwrap_or_default()
    }

    /// Returns the maximum difference of two calls' transit times.
    #[must_use]
    pub fn arrival_spread(&self) -> Duration {
        Duration::from_millis(self.arrival_spread_ms)
    }

    /// Returns the rates that replace those of a provider.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix, if a provider is unknown.
    pub fn provider_overrides(&self) -> Result<Vec<OverrideEntry<Provider>>, String> {
        let rows = flatten(&self.overrides).map(|(provider, budget, pace)| {
            let provider = provider
                .parse()
                .map_err(|error| format!("limits.overrides.{provider}: {error}"))?;
            Ok(((provider, budget.to_owned()), pace))
        });
        rows.collect()
    }

    /// Returns the rates of provider apps, which take precedence over those of providers.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix, if an id is invalid.
    pub fn app_overrides(&self) -> Result<Vec<OverrideEntry<ProviderAppId>>, String> {
        let rows = flatten(&self.app_overrides).map(|(app, budget, pace)| {
            let app =
                app.parse().map_err(|error| format!("limits.app_overrides.{app}: {error}"))?;
            Ok(((app, budget.to_owned()), pace))
        });
        rows.collect()
    }
}

fn flatten(overrides: &Overrides) -> impl Iterator<Item = (&str, &str, RateOverride)> {
    overrides.iter().flat_map(|(whose, budgets)| {
        budgets.iter().map(move |(budget, pace)| (whose.as_str(), budget.as_str(), *pace))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn limits(text: &str) -> super::LimitSettings {
        Config::assemble(Some(("a file", text)), []).unwrap().limits
    }

    fn validation_errors(text: &str) -> String {
        let mut errors = Vec::new();
        limits(text).validate(&mut errors);
        errors.join("\n")
    }

    #[test]
    fn preserves_dots_and_capitals_of_method_names() {
        let limits = limits(
            "[limits.overrides.slack_enterprise]\n\
             \"admin.users.setAdmin\" = { per_minute = 50, burst = 5 }\n\
             [limits.app_overrides.app_01J8ZQ5V9Y3M7T2K4N6P8R0S1T.\"scim.read\"]\n\
             per_minute = 1.5\nburst = 1\n",
        );
        let of_providers = limits.provider_overrides().unwrap();
        assert_eq!(of_providers[0].0.1, "admin.users.setAdmin");
        assert_eq!(of_providers[0].1.burst, 5);
        let of_apps = limits.app_overrides().unwrap();
        assert_eq!(of_apps[0].0.0.to_string(), "app_01J8ZQ5V9Y3M7T2K4N6P8R0S1T");
        assert_eq!((of_apps[0].0.1.as_str(), of_apps[0].1.burst), ("scim.read", 1));
    }

    #[test]
    fn reports_invalid_limits_with_a_fix() {
        assert_eq!(validation_errors(""), "");
        for (text, words) in [
            ("[limits]\nbackend = \"redis\"\n", "limits.redis_url: is empty"),
            (
                "[limits.overrides.slak.\"a.b\"]\nper_minute = 1\nburst = 1\n",
                "limits.overrides.slak: unknown provider; the known ones are: slack_enterprise",
            ),
            (
                "[limits.app_overrides.mine.\"a.b\"]\nper_minute = 1\nburst = 1\n",
                "limits.app_overrides.mine: expected an id like app_",
            ),
            (
                "[limits.overrides.slack_enterprise.\"a.b\"]\nper_minute = 0\nburst = 1\n",
                "limits.overrides.slack_enterprise.\"a.b\": per_minute must be above 0",
            ),
            (
                "[limits.overrides.slack_enterprise.\"a.b\"]\nper_minute = 1\nburst = 0\n",
                "burst at least 1",
            ),
        ] {
            let report = validation_errors(text);
            assert!(report.contains(words), "{text}: {report:?}");
        }
    }

    #[test]
    fn does_not_log_the_redis_url() {
        let limits = limits("[limits]\nredis_url = \"redis://:hunter2@host/0\"\n");
        assert!(!format!("{limits:?}").contains("hunter2"));
    }
}
