//! The metrics: counted where things happen, written in the text format of `OpenMetrics`, which
//! Prometheus reads. There is no global state: the gateway makes one [`Metrics`] and passes it on.
//!
//! What is counted is here; what is looked at when somebody asks is in `gauges`.

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
pub use self::gauges::{CacheFigures, Figures, OpenConnection, Standing};
use self::labels::Labels;
use self::outcomes::OTHER;
pub use self::outcomes::{Called, Renewed};
use super::names;
use super::per_name::PerName;
use crate::domain::provider::Provider;
use crate::domain::quota::Quota;

/// The borders of the durations, in seconds.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// The methods of requests that are told apart: anybody may send a made-up one.
const METHODS: [&str; 8] = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", OTHER];
/// The classes of HTTP statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The figures of the database are read anew when they are older.
const FIGURES_LAST: Duration = Duration::from_secs(5);

type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

/// The metrics of a gateway. Clones share everything.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    http_requests: Counters<3>,
    http_duration: Histograms<2>,
    /// Of each of [`METHODS`].
    routes: [PerName<RouteHandles>; 8],
    provider_calls: Counters<3>,
    provider_duration: Histograms<2>,
    limiter_refusals: Counters<2>,
    limiter_waits: Histograms<2>,
    /// Of each provider.
    methods: Vec<(Provider, PerName<MethodHandles>)>,
    known_methods: HashSet<String>,
    refreshes: Counters<1>,
    refresh_duration: Histogram,
    links: Counters<1>,
    quota_refusals: Counters<1>,
    audit_lost: Counter,
    gauges: Gauges,
    looked_at: Mutex<Option<Instant>>,
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
    /// Nothing counted yet. Only the provider methods among `known_methods` get a label of their own.
    #[must_use]
    pub fn new(known_methods: HashSet<String>) -> Self {
        let histograms = || Histogram::new(SECONDS);
        let mut inner = Inner {
            registry: Registry::default(),
            http_requests: Family::default(),
            http_duration: Family::new_with_constructor(histograms),
            routes: Default::default(),
            provider_calls: Family::default(),
            provider_duration: Family::new_with_constructor(histograms),
            limiter_refusals: Family::default(),
            limiter_waits: Family::new_with_constructor(histograms),
            methods: Provider::ALL.iter().map(|one| (*one, PerName::default())).collect(),
            known_methods,
            refreshes: Family::default(),
            refresh_duration: histograms(),
            links: Family::default(),
            quota_refusals: Family::default(),
            audit_lost: Counter::default(),
            gauges: Gauges::default(),
            looked_at: Mutex::default(),
        };
        inner.register();
        for (_, outcome) in Renewed::ALL {
            // From the start, so that a first failure is seen as a rise.
            drop(inner.refreshes.get_or_create(&[("outcome", outcome.into())]));
        }
        let rows = Quota::ALL.map(Quota::name);
        for quota in ["requests", "waiting_calls"].into_iter().chain(rows) {
            drop(inner.quota_refusals.get_or_create(&[("quota", quota.into())]));
        }
        Self(Arc::new(inner))
    }

    /// A request was answered. `route` is its template, never its path.
    pub fn request(&self, method: &http::Method, route: &str, status: u16, took: Duration) {
        let known = METHODS.iter().position(|one| *one == method.as_str());
        let known = known.unwrap_or(METHODS.len() - 1);
        let (Some(method), Some(routes)) = (METHODS.get(known), self.0.routes.get(known)) else {
            return;
        };
        let handles = routes.get(route, || RouteHandles {
            classes: CLASSES.map(|class| {
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
        handles.duration.observe(took.as_secs_f64());
    }

    /// A call was sent to a provider after it had `waited` for its turn, and this came of it.
    pub fn call(
        &self,
        provider: Provider,
        name: &str,
        outcome: Called,
        (waited, took): (Duration, Duration),
    ) {
        let Some(handles) = self.method(provider, name) else { return };
        let place = Called::ALL.iter().position(|(one, _)| *one == outcome);
        if let Some(counter) = place.and_then(|place| handles.outcomes.get(place)) {
            counter.inc();
        }
        handles.duration.observe(took.as_secs_f64());
        handles.waits.observe(waited.as_secs_f64());
    }

    /// A call was not sent, because its turn would have come too late.
    pub fn limited(&self, provider: Provider, name: &str) {
        if let Some(handles) = self.method(provider, name) {
            handles.refusals.inc();
        }
    }

    /// A provider was asked for new tokens.
    pub fn refresh(&self, outcome: Renewed, took: Duration) {
        let name = Renewed::ALL.iter().find(|(one, _)| *one == outcome).map_or(OTHER, |one| one.1);
        self.0.refreshes.get_or_create(&[("outcome", name.into())]).inc();
        self.0.refresh_duration.observe(took.as_secs_f64());
    }

    /// A link came to an end: `linked`, or the code of its failure.
    pub fn link(&self, outcome: &'static str) {
        self.0.links.get_or_create(&[("outcome", outcome.into())]).inc();
    }

    /// A request was refused because its environment used all of a quota.
    pub fn over_quota(&self, quota: &'static str) {
        self.0.quota_refusals.get_or_create(&[("quota", quota.into())]).inc();
    }

    /// A use of a credential did not get into the audit log.
    pub fn audit_lost(&self) {
        self.0.audit_lost.inc();
    }

    /// Whether the figures of the database are to be read anew. Whoever hears so reads them.
    #[must_use]
    pub fn are_figures_due(&self) -> bool {
        let mut looked_at = self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked_at.is_none_or(|at| at.elapsed() > FIGURES_LAST);
        if is_due {
            *looked_at = Some(Instant::now());
        }
        is_due
    }

    /// Takes over the figures of the database.
    pub fn set_figures(&self, figures: &Figures) {
        self.0.gauges.set_figures(figures);
    }

    /// Takes over how the gateway stands.
    pub fn set_standing(&self, standing: &Standing) {
        self.0.gauges.set_standing(standing);
    }

    /// A caller's connection was opened; it is counted until the answer is dropped.
    #[must_use]
    pub fn open_connection(&self) -> OpenConnection {
        self.0.gauges.open_connection()
    }

    /// All of it as text.
    ///
    /// # Errors
    ///
    /// Never in practice: a text takes whatever is written.
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
                outcomes: Called::ALL.map(|(_, outcome)| {
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
        registry.register(names::HTTP_REQUESTS, "Requests answered", self.http_requests.clone());
        registry.register(
            names::HTTP_DURATION,
            "How long requests took",
            self.http_duration.clone(),
        );
        registry.register(names::PROVIDER_CALLS, "Calls to providers", self.provider_calls.clone());
        registry.register(
            names::PROVIDER_DURATION,
            "How long providers took to answer",
            self.provider_duration.clone(),
        );
        registry.register(
            names::LIMITER_REFUSALS,
            "Calls not sent because their turn would have come too late",
            self.limiter_refusals.clone(),
        );
        registry.register(
            names::LIMITER_WAITS,
            "How long calls waited for their turn",
            self.limiter_waits.clone(),
        );
        registry.register(
            names::TOKEN_REFRESHES,
            "Attempts to renew a pair of tokens",
            self.refreshes.clone(),
        );
        registry.register(
            names::TOKEN_REFRESH_DURATION,
            "How long providers took to answer an attempt to renew",
            self.refresh_duration.clone(),
        );
        registry.register(
            names::QUOTA_REFUSALS,
            "Requests refused because the environment used all of a quota",
            self.quota_refusals.clone(),
        );
        registry.register(names::LINKS, "Links that came to an end", self.links.clone());
        registry.register(
            names::AUDIT_LOST,
            "Uses of credentials that are not in the audit log",
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
    fn what_callers_make_up_is_no_label() {
        let metrics = Metrics::new(HashSet::from_iter(["users.info".to_owned()]));
        let second = Duration::from_secs(1);
        for name in ["users.info", "U0123", "mallory@example.com"] {
            metrics.call(Provider::SlackEnterprise, name, Called::Answered, (second, second));
        }
        metrics.request(&"MALLORY".parse().unwrap(), "unmatched", 404, second);
        let text = metrics.encode().unwrap();
        assert!(text.contains("method=\"users.info\""), "{text}");
        assert!(!text.contains("U0123") && !text.contains("mallory@"), "{text}");
        assert!(!text.contains("MALLORY"), "{text}");
        assert!(text.contains("method=\"other\",outcome=\"answered\"} 2"), "{text}");
    }
}
