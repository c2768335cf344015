//! `/metrics`: what the service counts, for Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;
use super::state::AppState;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Shows the metrics. The figures of the database are read now and then; without it they stay as they were.
pub(super) async fn show_metrics(State(state): State<AppState>) -> Response {
    if state.metrics.are_figures_due() {
        match state.store.figures(state.clock.now()).await {
            Ok(figures) => state.metrics.set_figures(&figures),
            Err(error) => tracing::warn!(%error, "the figures could not be read"),
        }
    }
    match state.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}
