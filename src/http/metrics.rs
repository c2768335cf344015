//! `/metrics`: metrics in the `OpenMetrics` text format, for Prometheus.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::problem::Problem;
use super::state::{AppState, Services};
use crate::telemetry::GatewayStats;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the route `/metrics`.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/metrics", get(show_metrics))
}

/// Returns the router of a separate metrics listener.
pub fn metrics_router(state: AppState) -> Router {
    routes().with_state(state)
}

/// Serves the metrics. Statistics from the database are refreshed at intervals; while it is unavailable they retain
/// their last value.
pub(super) async fn show_metrics(State(state): State<AppState>) -> Response {
    if state.metrics.are_database_stats_due() {
        match state.store.account_stats(state.clock.now()).await {
            Ok(figures) => state.metrics.set_database_stats(&figures),
            Err(error) => tracing::warn!(%error, "reading account statistics failed"),
        }
    }
    state.metrics.set_gateway_stats(&gauges(&state));
    match state.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

/// Returns the gauges that are read when metrics are scraped.
fn gauges(services: &Services) -> GatewayStats {
    let limiter = services.limiter.stats();
    GatewayStats {
        requests_in_flight: services.in_flight.load(Ordering::Relaxed),
        tasks: services.tasks.len(),
        waiting: limiter.waiting,
        buckets: limiter.buckets,
        blocked_buckets: limiter.blocked_buckets,
        redis_connected: limiter.redis_connected,
        connections: services.store.pool_usage(),
        caches: services.store.cache_stats(),
        audit_waiting: services.uses.pending_rows(),
        resident_bytes: resident_bytes(),
    }
}

/// Returns the resident set size in bytes; `None` except on Linux.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
