//! `/healthz`: the process lives. `/readyz`: the database answers and is migrated.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemKind};
use super::state::AppState;

/// A good answer of a health check.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Health {
    /// Always `ok`; anything else is a problem.
    pub status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "Health", security(()),
    responses((status = 200, description = "The process lives", body = Health)))]
pub(in crate::http) async fn check_liveness() -> Json<Health> {
    OK
}

/// The database answers and has every migration.
#[utoipa::path(get, path = "/readyz", tag = "Health", security(()),
    responses((status = 200, description = "Ready for requests", body = Health),
        super::openapi::Problems))]
pub(in crate::http) async fn check_readiness(
    State(state): State<AppState>,
) -> Result<Json<Health>, Problem> {
    if state.store.is_migrated().await? {
        return Ok(OK);
    }
    Err(Problem::new(
        ProblemKind::Unavailable,
        "The database lacks migrations: run `switchboard migrate`.",
    ))
}
