//! `[limits]`: waiting for turns at providers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;

/// Rates by the name of whose they are, then by the name of the budget.
type Overrides = BTreeMap<String, BTreeMap<String, Pace>>;
/// Whose budget of which name has which rate.
pub type Override<T> = ((T, String), Pace);

/// Waiting for turns.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How long a request waits for its turn, in seconds.
    pub max_wait_s: f64,
    /// Multiplies the pace of every provider limit.
    pub time_scale: f64,
    /// How far two calls may differ in the time they take to the provider, in milliseconds.
    pub arrival_spread_ms: u64,
    /// Who knows what is left of a budget.
    pub backend: LimitBackend,
    /// Where Redis is. A secret: it may hold a password.
    pub redis_url: String,
    /// A file that holds the same.
    pub redis_url_file: PathBuf,
    /// How many gateways share the rates at the least while Redis is away.
    pub min_gateways: u32,
    /// Other rates for a provider's budgets: by provider, then by method.
    pub overrides: Overrides,
    /// Other rates for one provider app: by its id, then by method.
    pub app_overrides: Overrides,
}

/// Who knows what is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitBackend {
    /// The process: for one process.
    Local,
    /// Redis: for several.
    Redis,
}

/// A rate that the operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Calls a minute.
    pub per_minute: f64,
    /// Calls that may come at once after a rest.
    pub burst: u32,
}

impl std::fmt::Debug for Limits {
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

impl Limits {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(0.0..=3600.0).contains(&self.max_wait_s) {
            mistakes.push("limits.max_wait_s: must be between 0 and 3600".to_owned());
        }
        if !(0.001..=1_000_000.0).contains(&self.time_scale) {
            mistakes
                .push("limits.time_scale: must be between 0.001 and 1000000; 1 is true".to_owned());
        }
        if self.arrival_spread_ms > 60_000 {
            mistakes.push("limits.arrival_spread_ms: must be between 0 and 60000".to_owned());
        }
        if !(1..=10_000).contains(&self.min_gateways) {
            mistakes.push("limits.min_gateways: must be between 1 and 10000".to_owned());
        }
        if self.backend == LimitBackend::Redis {
            match self.redis_url() {
                Err(mistake) => mistakes.push(mistake),
                Ok(url) if url.is_empty() => mistakes.push(
                    "limits.redis_url: is empty; write redis://HOST:PORT/0, or set limits.backend to \
                     \"local\""
                        .to_owned(),
                ),
                Ok(_) => {}
            }
        }
        mistakes.extend(self.provider_overrides().err());
        mistakes.extend(self.app_overrides().err());
        for (section, overrides) in
            [("overrides", &self.overrides), ("app_overrides", &self.app_overrides)]
        {
            for (whose, budget, pace) in flat(overrides) {
                if !(pace.per_minute > 0.0 && pace.per_minute <= 1e6 && pace.burst >= 1) {
                    mistakes.push(format!(
                        "limits.{section}.{whose}.\"{budget}\": per_minute must be above 0 and 1000000 \
                         at most, burst at least 1"
                    ));
                }
            }
        }
    }

    /// Where Redis is.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix, when its file can't be read.
    pub fn redis_url(&self) -> Result<Zeroizing<String>, String> {
        super::secret::read("limits.redis_url", &self.redis_url, &self.redis_url_file)
    }

    /// How long a request waits for its turn.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        Duration::try_from_secs_f64(self.max_wait_s).unwrap_or_default()
    }

    /// How far two calls may differ in the time they take to the provider.
    #[must_use]
    pub fn arrival_spread(&self) -> Duration {
        Duration::from_millis(self.arrival_spread_ms)
    }

    /// The rates that hold for a provider's budgets in place of its own.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix, when a provider is unknown.
    pub fn provider_overrides(&self) -> Result<Vec<Override<Provider>>, String> {
        let rows = flat(&self.overrides).map(|(provider, budget, pace)| {
            let provider = provider
                .parse()
                .map_err(|error| format!("limits.overrides.{provider}: {error}"))?;
            Ok(((provider, budget.to_owned()), pace))
        });
        rows.collect()
    }

    /// The rates that hold for one provider app, before those of the provider.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix, when an id is none.
    pub fn app_overrides(&self) -> Result<Vec<Override<ProviderAppId>>, String> {
        let rows = flat(&self.app_overrides).map(|(app, budget, pace)| {
            let app =
                app.parse().map_err(|error| format!("limits.app_overrides.{app}: {error}"))?;
            Ok(((app, budget.to_owned()), pace))
        });
        rows.collect()
    }
}

fn flat(overrides: &Overrides) -> impl Iterator<Item = (&str, &str, Pace)> {
    overrides.iter().flat_map(|(whose, budgets)| {
        budgets.iter().map(move |(budget, pace)| (whose.as_str(), budget.as_str(), *pace))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn limits(text: &str) -> super::Limits {
        Config::assemble(Some(("a file", text)), []).unwrap().limits
    }

    fn mistakes(text: &str) -> String {
        let mut mistakes = Vec::new();
        limits(text).validate(&mut mistakes);
        mistakes.join("\n")
    }

    #[test]
    fn methods_keep_their_dots_and_capitals() {
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
    fn what_can_not_be_is_told_with_its_fix() {
        assert_eq!(mistakes(""), "");
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
            let told = mistakes(text);
            assert!(told.contains(words), "{text} told {told:?}");
        }
    }

    #[test]
    fn the_address_of_redis_is_in_no_log() {
        let limits = limits("[limits]\nredis_url = \"redis://:hunter2@host/0\"\n");
        assert!(!format!("{limits:?}").contains("hunter2"));
    }
}
