//! The gauges, set when the metrics are scraped.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::labels::Labels;
use crate::domain::account::AccountStatus;
use crate::domain::event::EventOrigin;
use crate::telemetry::names;

type FloatGauge = Gauge<f64, AtomicU64>;

/// Values from the database at the time of a scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatabaseStats {
    /// The number of accounts by status; statuses without accounts are left out.
    pub accounts: Vec<(AccountStatus, i64)>,
    /// The age of the access token that expires next, and the time until it expires, in seconds.
    pub next_token: Option<(f64, f64)>,
    /// The number of jobs that are due, and of those that a worker has.
    pub jobs: (i64, i64),
    /// The number of held runs of the directory sync.
    pub held_syncs: i64,
    /// The number of objects that were reported as changed and wait to be read again.
    pub pending_rechecks: i64,
    /// The age of the last event of each origin, in seconds; origins without events are left out.
    pub last_events: Vec<(EventOrigin, f64)>,
    /// The deliveries to webhooks.
    pub webhooks: WebhookStats,
}

/// The state of the deliveries to webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WebhookStats {
    /// The age of the oldest event that an active webhook has not received, in seconds; 0 without one.
    pub oldest_event_age_s: f64,
    /// The number of deliveries that wait for their next attempt.
    pub pending: i64,
    /// The number of webhooks that were disabled because their endpoint failed.
    pub disabled: i64,
}

/// Values from the gateway at the time of a scrape.
#[derive(Debug, Clone, Default)]
pub struct GatewayStats {
    /// Requests in flight.
    pub requests_in_flight: usize,
    /// Background tasks.
    pub tasks: usize,
    /// Calls that wait for a permit.
    pub waiting: usize,
    /// Rate-limit buckets in memory.
    pub buckets: usize,
    /// Buckets blocked until a provider's pause is over.
    pub blocked_buckets: usize,
    /// Whether the buckets are shared through Redis; `None` with the local backend.
    pub redis_connected: Option<bool>,
    /// Connections to the database: in use, idle, maximum.
    pub connections: (usize, usize, usize),
    /// The caches.
    pub caches: Vec<CacheStats>,
    /// Audit rows that wait to be written.
    pub audit_waiting: usize,
    /// The resident memory of the process in bytes, where the system reports it.
    pub resident_bytes: Option<u64>,
}

/// The statistics of one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    /// Its name.
    pub name: &'static str,
    /// The number of rows.
    pub rows: usize,
    /// Hits and misses since the start.
    pub lookups: (u64, u64),
}

/// A guard that counts a connection of a caller until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The gauges.
#[derive(Default)]
pub(super) struct Gauges {
    accounts: Family<Labels<1>, Gauge>,
    jobs: Family<Labels<1>, Gauge>,
    held_syncs: Gauge,
    pending_rechecks: Gauge,
    last_event_age: Family<Labels<1>, FloatGauge>,
    webhook_oldest_event: FloatGauge,
    webhook_pending: Gauge,
    webhooks_disabled: Gauge,
    token_age: FloatGauge,
    next_token_expiry: FloatGauge,
    requests_in_flight: Gauge,
    http_connections: Gauge,
    tasks: Gauge,
    waiting: Gauge,
    buckets: Gauge,
    blocked_buckets: Gauge,
    redis_connected: FloatGauge,
    connections: Family<Labels<1>, Gauge>,
    max_connections: Gauge,
    cache_rows: Family<Labels<1>, Gauge>,
    cache_lookups: Family<Labels<2>, Counter>,
    audit_waiting: Gauge,
    resident: Gauge,
    /// Serializes updates: counters are set to values that were counted elsewhere.
    update_lock: Mutex<()>,
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register(names::BUILD, "Version of the program", version);
        registry.register(names::ACCOUNTS, "Integrated accounts", self.accounts.clone());
        registry.register(names::JOBS, "Background jobs", self.jobs.clone());
        registry.register(
            names::LAST_EVENT_AGE,
            "Age of the last event of the feed, by origin",
            self.last_event_age.clone(),
        );
        for (name, help, gauge) in [
            (names::TOKEN_AGE, "Age of the access token that expires next", &self.token_age),
            (
                names::NEXT_TOKEN_EXPIRY,
                "Time until the next access token expires",
                &self.next_token_expiry,
            ),
            (
                names::WEBHOOK_OLDEST_EVENT,
                "Age of the oldest event that an active webhook has not received",
                &self.webhook_oldest_event,
            ),
            (
                names::LIMITER_SHARED,
                "Whether buckets are shared through Redis; NaN with the local backend",
                &self.redis_connected,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, gauge) in [
            (names::HTTP_IN_FLIGHT, "Requests in flight", &self.requests_in_flight),
            (names::HTTP_CONNECTIONS, "Open connections of callers", &self.http_connections),
            (names::TASKS, "Background tasks", &self.tasks),
            (names::LIMITER_WAITING, "Calls that wait for a permit", &self.waiting),
            (names::LIMITER_BUDGETS, "Rate-limit buckets in memory", &self.buckets),
            (names::LIMITER_BLOCKED, "Buckets blocked by a provider", &self.blocked_buckets),
            (
                names::DATABASE_MAX_CONNECTIONS,
                "Maximum connections to the database",
                &self.max_connections,
            ),
            (names::HELD_SYNCS, "Runs of the directory sync that are held", &self.held_syncs),
            (
                names::PENDING_RECHECKS,
                "Objects reported as changed that wait to be read again",
                &self.pending_rechecks,
            ),
            (
                names::WEBHOOK_PENDING,
                "Deliveries to webhooks that wait for their next attempt",
                &self.webhook_pending,
            ),
            (names::WEBHOOKS_DISABLED, "Webhooks disabled by failures", &self.webhooks_disabled),
            (names::AUDIT_WAITING, "Audit rows that wait to be written", &self.audit_waiting),
            (names::RESIDENT_MEMORY, "Resident memory of the process", &self.resident),
        ] {
            registry.register(name, help, gauge.clone());
        }
        let connections = self.connections.clone();
        registry.register(names::DATABASE_CONNECTIONS, "Connections to the database", connections);
        registry.register(names::CACHE_ROWS, "Cached rows", self.cache_rows.clone());
        let lookups = self.cache_lookups.clone();
        registry.register(names::CACHE_LOOKUPS, "Cache lookups", lookups);
    }

    pub(super) fn set_database_stats(&self, stats: &DatabaseStats) {
        for status in AccountStatus::ALL {
            let count = stats.accounts.iter().find(|(one, _)| *one == status);
            let labels = [("status", status.name().into())];
            self.accounts.get_or_create(&labels).set(count.map_or(0, |(_, count)| *count));
        }
        let (due, running) = stats.jobs;
        for (state, count) in [("due", due), ("running", running)] {
            self.jobs.get_or_create(&[("state", state.into())]).set(count);
        }
        self.held_syncs.set(stats.held_syncs);
        self.pending_rechecks.set(stats.pending_rechecks);
        for origin in EventOrigin::ALL {
            let age = stats.last_events.iter().find(|(one, _)| one == origin);
            let gauge = self.last_event_age.get_or_create(&[("origin", origin.name().into())]);
            gauge.set(age.map_or(f64::NAN, |(_, age)| *age));
        }
        self.webhook_oldest_event.set(stats.webhooks.oldest_event_age_s);
        self.webhook_pending.set(stats.webhooks.pending);
        self.webhooks_disabled.set(stats.webhooks.disabled);
        let (age, end) = stats.next_token.unwrap_or((f64::NAN, f64::NAN));
        self.token_age.set(age);
        self.next_token_expiry.set(end);
    }

    pub(super) fn set_gateway_stats(&self, stats: &GatewayStats) {
        let _alone = self.update_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (busy, idle, max) = stats.connections;
        for (gauge, count) in [
            (&self.requests_in_flight, stats.requests_in_flight),
            (&self.tasks, stats.tasks),
            (&self.waiting, stats.waiting),
            (&self.buckets, stats.buckets),
            (&self.blocked_buckets, stats.blocked_buckets),
            (&self.max_connections, max),
            (&self.audit_waiting, stats.audit_waiting),
        ] {
            gauge.set(gauge_value(count));
        }
        self.redis_connected
            .set(stats.redis_connected.map_or(f64::NAN, |shared| f64::from(u8::from(shared))));
        for (state, count) in [("busy", busy), ("idle", idle)] {
            self.connections.get_or_create(&[("state", state.into())]).set(gauge_value(count));
        }
        for CacheStats { name, rows, lookups: (hits, misses) } in &stats.caches {
            self.cache_rows.get_or_create(&[("cache", (*name).into())]).set(gauge_value(*rows));
            for (outcome, count) in [("hit", *hits), ("miss", *misses)] {
                let labels = [("cache", (*name).into()), ("outcome", outcome.into())];
                let counter = self.cache_lookups.get_or_create(&labels);
                counter.inc_by(count.saturating_sub(counter.get()));
            }
        }
        if let Some(bytes) = stats.resident_bytes {
            self.resident.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn open_connection(&self) -> OpenConnection {
        self.http_connections.inc();
        OpenConnection(self.http_connections.clone())
    }
}

fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
