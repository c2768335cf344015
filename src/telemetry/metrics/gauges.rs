//! What is looked at when somebody asks for the metrics: how things stand.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::labels::Labels;
use crate::domain::account::AccountStatus;
use crate::telemetry::names;

type Number = Gauge<f64, AtomicU64>;

/// What the database knows, at the moment it is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Accounts of each status that there are.
    pub accounts: Vec<(AccountStatus, i64)>,
    /// Seconds since the access token that ends next was got, and until it ends.
    pub next_token: Option<(f64, f64)>,
}

/// How a gateway stands, at the moment it is asked.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Requests that are being answered.
    pub requests_inside: usize,
    /// Work that goes on without a caller.
    pub tasks: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Budgets that are remembered.
    pub budgets: usize,
    /// Budgets of which nothing is given until the provider's pause is over.
    pub blocked: usize,
    /// Whether the budgets are shared through Redis; `None` when they are not meant to be.
    pub shared: Option<bool>,
    /// Connections to the database: in use, idle, the most there may be.
    pub connections: (usize, usize, usize),
    /// What is kept in memory.
    pub caches: Vec<CacheFigures>,
    /// Rows that wait to get into the audit log.
    pub audit_waiting: usize,
    /// What the process has of the machine's memory, in bytes, where the system tells.
    pub resident_bytes: Option<u64>,
}

/// One kind of rows that is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheFigures {
    /// What is kept.
    pub name: &'static str,
    /// How many.
    pub rows: usize,
    /// How often something was there since the start, and how often not.
    pub looked: (u64, u64),
}

/// A caller's connection; it is counted until this is dropped.
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
    token_age: Number,
    token_next_end: Number,
    requests_inside: Gauge,
    http_connections: Gauge,
    tasks: Gauge,
    waiting: Gauge,
    budgets: Gauge,
    blocked: Gauge,
    shared: Number,
    connections: Family<Labels<1>, Gauge>,
    most_connections: Gauge,
    cache_rows: Family<Labels<1>, Gauge>,
    cache_lookups: Family<Labels<2>, Counter>,
    audit_waiting: Gauge,
    resident: Gauge,
    /// One takes over at a time: counters are set to what was counted elsewhere.
    alone: Mutex<()>,
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register(names::BUILD, "The program", version);
        registry.register(names::ACCOUNTS, "Integrated accounts", self.accounts.clone());
        for (name, help, gauge) in [
            (
                names::TOKEN_AGE,
                "How long ago the access token that ends next was got",
                &self.token_age,
            ),
            (
                names::TOKEN_NEXT_END,
                "How long until the next access token ends",
                &self.token_next_end,
            ),
            (
                names::LIMITER_SHARED,
                "Whether budgets are shared through Redis; NaN when they are not meant to be",
                &self.shared,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, gauge) in [
            (names::HTTP_INSIDE, "Requests that are being answered", &self.requests_inside),
            (names::HTTP_CONNECTIONS, "Connections of callers", &self.http_connections),
            (names::TASKS, "Work that goes on without a caller", &self.tasks),
            (names::LIMITER_WAITING, "Calls that wait for their turn", &self.waiting),
            (names::LIMITER_BUDGETS, "Budgets that are remembered", &self.budgets),
            (names::LIMITER_BLOCKED, "Budgets in a pause of the provider", &self.blocked),
            (names::DATABASE_MOST, "The most connections to the database", &self.most_connections),
            (names::AUDIT_WAITING, "Rows that wait to be in the audit log", &self.audit_waiting),
            (names::RESIDENT_MEMORY, "Resident memory of the process", &self.resident),
        ] {
            registry.register(name, help, gauge.clone());
        }
        let connections = self.connections.clone();
        registry.register(names::DATABASE_CONNECTIONS, "Connections to the database", connections);
        registry.register(names::CACHE_ROWS, "What is kept in memory", self.cache_rows.clone());
        let lookups = self.cache_lookups.clone();
        registry.register(names::CACHE_LOOKUPS, "Looks at what is kept", lookups);
    }

    pub(super) fn set_figures(&self, figures: &Figures) {
        for status in AccountStatus::ALL {
            let count = figures.accounts.iter().find(|(one, _)| *one == status);
            let labels = [("status", status.name().into())];
            self.accounts.get_or_create(&labels).set(count.map_or(0, |(_, count)| *count));
        }
        let (age, end) = figures.next_token.unwrap_or((f64::NAN, f64::NAN));
        self.token_age.set(age);
        self.token_next_end.set(end);
    }

    pub(super) fn set_standing(&self, standing: &Standing) {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let (busy, idle, most) = standing.connections;
        for (gauge, count) in [
            (&self.requests_inside, standing.requests_inside),
            (&self.tasks, standing.tasks),
            (&self.waiting, standing.waiting),
            (&self.budgets, standing.budgets),
            (&self.blocked, standing.blocked),
            (&self.most_connections, most),
            (&self.audit_waiting, standing.audit_waiting),
        ] {
            gauge.set(number(count));
        }
        self.shared.set(standing.shared.map_or(f64::NAN, |shared| f64::from(u8::from(shared))));
        for (state, count) in [("busy", busy), ("idle", idle)] {
            self.connections.get_or_create(&[("state", state.into())]).set(number(count));
        }
        for CacheFigures { name, rows, looked: (hits, misses) } in &standing.caches {
            self.cache_rows.get_or_create(&[("cache", (*name).into())]).set(number(*rows));
            for (outcome, count) in [("hit", *hits), ("miss", *misses)] {
                let labels = [("cache", (*name).into()), ("outcome", outcome.into())];
                let counter = self.cache_lookups.get_or_create(&labels);
                counter.inc_by(count.saturating_sub(counter.get()));
            }
        }
        if let Some(bytes) = standing.resident_bytes {
            self.resident.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn open_connection(&self) -> OpenConnection {
        self.http_connections.inc();
        OpenConnection(self.http_connections.clone())
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
