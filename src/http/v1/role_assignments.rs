//! `/role-assignments`: who holds which role, and where.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Composed, Item, List, Written};
use crate::domain::assignment::RoleAssignment;
use crate::domain::user_input::RoleInput;
use crate::http::extract::{
    Account, AccountQuery, AssignmentFilterQuery, Body, ItemQuery, ListQuery, PageQuery, Read,
    RemoteQueryParameter, ShapeQuery, Write,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Lists every role held by an active user: in the organization, in each workspace, and the system roles. Costs one provider call a page, and one more at each workspace's first.
#[utoipa::path(get, path = "/role-assignments", tag = "Role assignments", params(AccountQuery, AssignmentFilterQuery, RemoteQueryParameter, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<RoleAssignment>), Problems))]
pub(in crate::http) async fn list_role_assignments(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<RoleAssignment>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
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

/// A role to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE", "role_id": "ws:admin", "workspace_id": "T0EXAMPLE"}))]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are the API's names")]
pub(in crate::http) struct NewRoleAssignment {
    /// Who gets it.
    user_id: String,
    /// The role, as `/roles` has it.
    role_id: String,
    /// The workspace it is given in; absent for the whole organization.
    workspace_id: Option<String>,
    /// The channel it is given in.
    channel_id: Option<String>,
}

/// Gives a role, and answers with the assignment as it is then. Giving it again changes nothing. A level (`ws:admin`, `org:owner`, …) takes the place of the one held before. Costs two provider calls or more.
#[utoipa::path(post, path = "/role-assignments", tag = "Role assignments", params(AccountQuery, ShapeQuery),
    request_body = NewRoleAssignment,
    responses((status = 201, description = "The role assignment", body = Composed<RoleAssignment>),
        (status = 207, description = "The role was given; the assignment could not be read", body = Composed<RoleAssignment>), Problems))]
pub(in crate::http) async fn create_role_assignment(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    Body(wish): Body<NewRoleAssignment>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let NewRoleAssignment { user_id, role_id, workspace_id, channel_id } = wish;
    let role = RoleInput { id: role_id, workspace_id, channel_id };
    let outcome = changes.give_role(&user_id, role, &query.shape).await?;
    let path = format!("/role-assignments/{}", outcome.id.as_deref().unwrap_or_default());
    Ok(Composed::of(outcome, &path, account.request_id(), StatusCode::CREATED))
}

/// Takes a role away. Whoever held a level is a plain member afterwards. Costs two provider calls or fewer.
#[utoipa::path(delete, path = "/role-assignments/{id}", tag = "Role assignments",
    params(("id" = String, Path, description = "The assignment's id, as the list has it"), AccountQuery),
    responses((status = 200, description = "What came of it", body = Item<Written>), Problems))]
pub(in crate::http) async fn delete_role_assignment(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    _: ItemQuery,
) -> Result<Response, Problem> {
    let outcome = account.changes(&state, false).take_role(&id).await?;
    Ok(Json(Item::of(Written { id, outcome })).into_response())
}
