//! `/role-assignments`: who holds which role, and where.

use axum::extract::{Path, State};
use axum::response::Response;

use super::answers::{Item, List};
use crate::domain::assignment::RoleAssignment;
use crate::http::extract::{
    Account, AccountQuery, ItemQuery, ListQuery, PageQuery, Read, ShapeQuery,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Lists every role held by an active user: in the organization, in each workspace, and the system roles. Costs one provider call a page, and one more at each workspace's first.
#[utoipa::path(get, path = "/role-assignments", tag = "Role assignments", params(AccountQuery, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<RoleAssignment>), Problems))]
pub(in crate::http) async fn list_role_assignments(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery,
) -> Result<Response, Problem> {
    super::list::<RoleAssignment>(&state, &account, query).await
}

/// Reads one role assignment.
#[utoipa::path(get, path = "/role-assignments/{id}", tag = "Role assignments",
    params(("id" = String, Path, description = "The assignment's id, as the list has it"), AccountQuery, ShapeQuery),
    responses((status = 200, description = "The role assignment", body = Item<RoleAssignment>), Problems))]
pub(in crate::http) async fn get_role_assignment(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    super::get::<RoleAssignment>(&state, &account, &id, query).await
}
