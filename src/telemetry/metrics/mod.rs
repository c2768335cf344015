//! The metrics of a gateway in the `OpenMetrics` text format, for Prometheus. There is no global state: the gateway
//! creates one [`Metrics`] and passes it on.
//!
//! Counters and histograms are here; values read at a scrape are in `gauges`.

mod gauges;
mod labels;
mod outcomes;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use self::gauges::Gauges;
pub use self::gauges::{CacheStats, DatabaseStats, GatewayStats, OpenConnection, WebhookStats};
use self::labels::{HandleCache, Labels};
use self::outcomes::OTHER;
pub use self::outcomes::{CallOutcome, DeliveryOutcome, RefreshResult};
use super::names;
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;

/// The upper bounds of the histogram buckets, in seconds.
const DURATION_BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// The values of the label `method`: a caller may send any method, and others are `other`.
const METHODS: [&str; 8] = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", OTHER];
/// The classes of HTTP statuses.
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The maximum age of the values from the database.
const DATABASE_STATS_MAX_AGE: Duration = Duration::from_secs(5);

type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

/// The metrics of a gateway. Clones share everything.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    http_requests: Counters<3>,
    http_duration: Histograms<2>,
    /// By the index in [`METHODS`].
    routes: [HandleCache<RouteHandles>; 8],
    provider_calls: Counters<3>,
    provider_duration: Histograms<2>,
    limiter_refusals: Counters<2>,
    limiter_waits: Histograms<2>,
    /// By provider.
    methods: Vec<(Provider, HandleCache<MethodHandles>)>,
    known_methods: HashSet<String>,
    refreshes: Counters<1>,
    refresh_duration: Histogram,
    links: Counters<1>,
    quota_refusals: Counters<1>,
    webhook_deliveries: Counters<1>,
    policy_evaluations: Histograms<1>,
    audit_lost: Counter,
    gauges: Gauges,
    database_stats_read_at: Mutex<Option<Instant>>,
}

struct RouteHandles {
    classes: [Counter; 5],
    duration: Histogram,
}

struct MethodHandles {
    outcomes: [Counter; 8],
    duration: Histogram,
    waits: Histogram,
    refusals: Counter,
}

impl Metrics {
    /// Creates metrics without values. Provider methods outside of `known_methods` share the label `other`.
    #[must_use]
    pub fn new(known_methods: HashSet<String>) -> Self {
        let histograms = || Histogram::new(DURATION_BUCKETS);
        let mut inner = Inner {
            registry: Registry::default(),
            http_requests: Family::default(),
            http_duration: Family::new_with_constructor(histograms),
            routes: Default::default(),
            provider_calls: Family::default(),
            provider_duration: Family::new_with_constructor(histograms),
            limiter_refusals: Family::default(),
            limiter_waits: Family::new_with_constructor(histograms),
            methods: Provider::ALL.iter().map(|one| (*one, HandleCache::default())).collect(),
            known_methods,
            refreshes: Family::default(),
            refresh_duration: histograms(),
            links: Family::default(),
            quota_refusals: Family::default(),
            webhook_deliveries: Family::default(),
            policy_evaluations: Family::new_with_constructor(histograms),
            audit_lost: Counter::default(),
            gauges: Gauges::default(),
            database_stats_read_at: Mutex::default(),
        };
        inner.register();
        for (_, outcome) in RefreshResult::ALL {
            // Created at the start, so that the first failure is an increase.
            drop(inner.refreshes.get_or_create(&[("outcome", outcome.into())]));
        }
        for (_, outcome) in DeliveryOutcome::ALL {
            drop(inner.webhook_deliveries.get_or_create(&[("outcome", outcome.into())]));
        }
        for scope in ["everyone", "people"] {
            drop(inner.policy_evaluations.get_or_create(&[("scope", scope.into())]));
        }
        let rows = QuotaKind::ALL.map(QuotaKind::name);
        for quota in ["requests", "waiting_calls"].into_iter().chain(rows) {
            drop(inner.quota_refusals.get_or_create(&[("quota", quota.into())]));
        }
        Self(Arc::new(inner))
    }

    /// Records a completed request. `route` is its template, never its path.
    pub fn record_request(
        &self,
        method: &http::Method,
        route: &str,
        status: u16,
        duration: Duration,
    ) {
        let index = METHODS.iter().position(|one| *one == method.as_str());
        let index = index.unwrap_or(METHODS.len() - 1);
        let (Some(method), Some(routes)) = (METHODS.get(index), self.0.routes.get(index)) else {
            return;
        };
        let handles = routes.get(route, || RouteHandles {
            classes: STATUS_CLASSES.map(|class| {
                let labels = [
                    ("route", route.to_owned().into()),
                    ("method", (*method).into()),
                    ("status", class.into()),
                ];
                self.0.http_requests.get_or_create_owned(&labels)
            }),
            duration: self.0.http_duration.get_or_create_owned(&[
                ("route", route.to_owned().into()),
                ("method", (*method).into()),
            ]),
        });
        if let Some(class) = handles.classes.get(usize::from(status / 100).saturating_sub(1)) {
            class.inc();
        }
        handles.duration.observe(duration.as_secs_f64());
    }

    /// Records a call sent to a provider, with its wait for the permit and its duration.
    pub fn record_call(
        &self,
        provider: Provider,
        name: &str,
        outcome: CallOutcome,
        (waited, duration): (Duration, Duration),
    ) {
        let Some(handles) = self.method(provider, name) else { return };
        let index = CallOutcome::ALL.iter().position(|(one, _)| *one == outcome);
        if let Some(counter) = index.and_then(|index| handles.outcomes.get(index)) {
            counter.inc();
        }
        handles.duration.observe(duration.as_secs_f64());
        handles.waits.observe(waited.as_secs_f64());
    }

    /// Records a call rejected by the rate limiter.
    pub fn record_rate_limited(&self, provider: Provider, name: &str) {
        if let Some(handles) = self.method(provider, name) {
            handles.refusals.inc();
        }
    }

    /// Records an attempt to refresh tokens.
    pub fn record_refresh(&self, outcome: RefreshResult, duration: Duration) {
        let name =
            RefreshResult::ALL.iter().find(|(one, _)| *one == outcome).map_or(OTHER, |one| one.1);
        self.0.refreshes.get_or_create(&[("outcome", name.into())]).inc();
        self.0.refresh_duration.observe(duration.as_secs_f64());
    }

    /// Records an evaluation of an account's policies over everybody, or over the people whom events concern.
    pub fn record_policy_evaluation(&self, is_everyone: bool, duration: Duration) {
        let scope = if is_everyone { "everyone" } else { "people" };
        let durations = self.0.policy_evaluations.get_or_create(&[("scope", scope.into())]);
        durations.observe(duration.as_secs_f64());
    }

    /// Records an attempt to deliver an event to a webhook.
    pub fn record_webhook_delivery(&self, outcome: DeliveryOutcome) {
        let all = DeliveryOutcome::ALL;
        let name = all.iter().find(|(one, _)| *one == outcome).map_or(OTHER, |one| one.1);
        self.0.webhook_deliveries.get_or_create(&[("outcome", name.into())]).inc();
    }

    /// Records a finished link: `linked`, or the code of its failure.
    pub fn record_link(&self, outcome: &'static str) {
        self.0.links.get_or_create(&[("outcome", outcome.into())]).inc();
    }

    /// Records a request rejected by a quota of its environment.
    pub fn record_quota_rejection(&self, quota: &'static str) {
        self.0.quota_refusals.get_or_create(&[("quota", quota.into())]).inc();
    }

    /// Records a credential use that is lost for the audit log.
    pub fn record_lost_audit_row(&self) {
        self.0.audit_lost.inc();
    }

    /// Returns whether the values from the database are due; the caller that gets `true` reads them.
    #[must_use]
    pub fn are_database_stats_due(&self) -> bool {
        let mut looked_at =
            self.0.database_stats_read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked_at.is_none_or(|at| at.elapsed() > DATABASE_STATS_MAX_AGE);
        if is_due {
            *looked_at = Some(Instant::now());
        }
        is_due
    }

    /// Sets the values from the database.
    pub fn set_database_stats(&self, stats: &DatabaseStats) {
        self.0.gauges.set_database_stats(stats);
    }

    /// Sets the values from the gateway.
    pub fn set_gateway_stats(&self, stats: &GatewayStats) {
        self.0.gauges.set_gateway_stats(stats);
    }

    /// Counts a connection of a caller until the returned guard is dropped.
    #[must_use]
    pub fn open_connection(&self) -> OpenConnection {
        self.0.gauges.open_connection()
    }

    /// Returns all metrics as text.
    ///
    /// # Errors
    ///
    /// Never in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    fn method(&self, provider: Provider, name: &str) -> Option<Arc<MethodHandles>> {
        let inner = &self.0;
        let method = if inner.known_methods.contains(name) { name } else { OTHER };
        let (_, methods) = inner.methods.iter().find(|(one, _)| *one == provider)?;
        let handles = methods.get(method, || {
            let labels =
                [("provider", provider.name().into()), ("method", method.to_owned().into())];
            let [provider_label, method_label] = labels.clone();
            MethodHandles {
                outcomes: CallOutcome::ALL.map(|(_, outcome)| {
                    let outcome = ("outcome", outcome.into());
                    let labels = [provider_label.clone(), method_label.clone(), outcome];
                    inner.provider_calls.get_or_create_owned(&labels)
                }),
                duration: inner.provider_duration.get_or_create_owned(&labels),
                waits: inner.limiter_waits.get_or_create_owned(&labels),
                refusals: inner.limiter_refusals.get_or_create_owned(&labels),
            }
        });
        Some(handles)
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(names::HTTP_REQUESTS, "Completed requests", self.http_requests.clone());
        registry.register(names::HTTP_DURATION, "Duration of requests", self.http_duration.clone());
        registry.register(names::PROVIDER_CALLS, "Calls to providers", self.provider_calls.clone());
        registry.register(
            names::PROVIDER_DURATION,
            "Duration of provider calls",
            self.provider_duration.clone(),
        );
        registry.register(
            names::LIMITER_REFUSALS,
            "Calls rejected by the rate limiter",
            self.limiter_refusals.clone(),
        );
        registry.register(
            names::LIMITER_WAITS,
            "Wait of calls for their permit",
            self.limiter_waits.clone(),
        );
        registry.register(
            names::TOKEN_REFRESHES,
            "Attempts to refresh a token pair",
            self.refreshes.clone(),
        );
        registry.register(
            names::TOKEN_REFRESH_DURATION,
            "Duration of attempts to refresh",
            self.refresh_duration.clone(),
        );
        registry.register(
            names::QUOTA_REFUSALS,
            "Requests rejected by a quota of their environment",
            self.quota_refusals.clone(),
        );
        registry.register(
            names::POLICY_EVALUATIONS,
            "Duration of evaluations of policies",
            self.policy_evaluations.clone(),
        );
        registry.register(
            names::WEBHOOK_DELIVERIES,
            "Attempts to deliver events to webhooks",
            self.webhook_deliveries.clone(),
        );
        registry.register(names::LINKS, "Finished links", self.links.clone());
        registry.register(
            names::AUDIT_LOST,
            "Credential uses lost for the audit log",
            self.audit_lost.clone(),
        );
        self.gauges.register(registry);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_hold_no_input_of_callers() {
        let metrics = Metrics::new(HashSet::from_iter(["users.info".to_owned()]));
        let second = Duration::from_secs(1);
        for name in ["users.info", "U0123", "mallory@example.com"] {
            metrics.record_call(
                Provider::SlackEnterprise,
                name,
                CallOutcome::Completed,
                (second, second),
            );
        }
        metrics.record_request(&"MALLORY".parse().unwrap(), "unmatched", 404, second);
        let text = metrics.encode().unwrap();
        assert!(text.contains("method=\"users.info\""), "{text}");
        assert!(!text.contains("U0123") && !text.contains("mallory@"), "{text}");
        assert!(!text.contains("MALLORY"), "{text}");
        assert!(text.contains("method=\"other\",outcome=\"completed\"} 2"), "{text}");
    }
}
