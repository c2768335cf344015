//! `/metrics`: what the service counts, for Prometheus.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::problem::Problem;
use super::state::{AppState, Services};
use crate::telemetry::Standing;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics` alone.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/metrics", get(show_metrics))
}

/// A router for a listener that serves `/metrics` alone.
pub fn metrics_router(state: AppState) -> Router {
    routes().with_state(state)
}

/// Shows the metrics. The figures of the database are read now and then; without it they stay as they were.
pub(super) async fn show_metrics(State(state): State<AppState>) -> Response {
    if state.metrics.are_figures_due() {
        match state.store.figures(state.clock.now()).await {
            Ok(figures) => state.metrics.set_figures(&figures),
            Err(error) => tracing::warn!(%error, "the figures could not be read"),
        }
    }
    state.metrics.set_standing(&standing(&state));
    match state.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

/// How the gateway stands now.
fn standing(services: &Services) -> Standing {
    let limiter = services.limiter.figures();
    Standing {
        requests_inside: services.inside.load(Ordering::Relaxed),
        tasks: services.tasks.len(),
        waiting: limiter.waiting,
        budgets: limiter.keys,
        blocked: limiter.blocked,
        shared: limiter.shared,
        connections: services.store.connections_now(),
        caches: services.store.kept(),
        audit_waiting: services.uses.waiting_rows(),
        resident_bytes: resident_bytes(),
    }
}

/// What the process has of the machine's memory; Linux tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
