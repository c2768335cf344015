//! `/healthz` (liveness) and `/readyz` (readiness: the database is reachable and migrated).

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemKind, Problems};
use super::state::AppState;

/// Result of a successful health check.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HealthReport {
    /// Status; failures are problems.
    status: HealthStatus,
}

/// Status of the gateway.
#[derive(Debug, Serialize, ToSchema)]
enum HealthStatus {
    /// The check succeeded.
    #[serde(rename = "ok")]
    Healthy,
}

const OK: Json<HealthReport> = Json(HealthReport { status: HealthStatus::Healthy });

/// Check liveness
///
/// Succeeds while the process handles requests. It does not access the database.
#[utoipa::path(get, path = "/healthz", tag = "Health", security(()),
    responses((status = 200, description = "The process handles requests", body = HealthReport), Problems))]
pub(in crate::http) async fn check_liveness() -> Json<HealthReport> {
    OK
}

/// Check readiness
///
/// Succeeds when the database is reachable and all migrations are applied.
#[utoipa::path(get, path = "/readyz", tag = "Health", security(()),
    responses((status = 200, description = "Ready for requests", body = HealthReport), Problems))]
pub(in crate::http) async fn check_readiness(
    State(state): State<AppState>,
) -> Result<Json<HealthReport>, Problem> {
    if state.store.is_migrated().await? {
        return Ok(OK);
    }
    Err(Problem::new(
        ProblemKind::Unavailable,
        "The database schema is out of date: run `switchboard migrate`.",
    ))
}
