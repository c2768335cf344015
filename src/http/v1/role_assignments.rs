//! `/role-assignments`: roles held by users, with their scope.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse, MultiStepResponse, WriteResult};
use crate::domain::assignment::{RoleAssignment, split_assignment_id};
use crate::domain::own_change::{Direction, OwnChange};
use crate::domain::user_input::RoleInput;
use crate::http::extract::{
    Account, AccountQuery, AssignmentFilterQuery, CopyListQuery, ItemQuery, JsonBody, ListQuery,
    PageQuery, Read, RemoteQueryParameter, ResourceQuery, ResponseFormatQuery, SourceQuery, Write,
};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;

type RoleAssignmentChangeResponse = EnvelopeSchema<MultiStepResponse<RoleAssignment>>;
type RoleAssignmentList = EnvelopeSchema<ListResponse<RoleAssignment>>;
type RoleAssignmentResponse = EnvelopeSchema<ItemResponse<RoleAssignment>>;
type WriteResultResponse = EnvelopeSchema<ItemResponse<WriteResult>>;

/// List role assignments
///
/// Returns every role held by an active user: in the organization, in each workspace, and system roles. Costs one
/// provider call a page, and one more at the first page of each workspace; at SCIM up to ten a page.
#[utoipa::path(get, path = "/role-assignments", tag = "Role assignments", params(AccountQuery, AssignmentFilterQuery, CopyListQuery, SourceQuery, RemoteQueryParameter, PageQuery, ResponseFormatQuery),
    responses((status = 200, description = "A page of role assignments", body = RoleAssignmentList), Problems))]
pub(in crate::http) async fn list_role_assignments(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<RoleAssignment>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Get a role assignment
#[utoipa::path(get, path = "/role-assignments/{id}", tag = "Role assignments",
    params(("id" = String, Path, description = "The assignment's id, as in the list"), AccountQuery, SourceQuery, ResponseFormatQuery),
    responses((status = 200, description = "The role assignment", body = RoleAssignmentResponse), Problems))]
pub(in crate::http) async fn get_role_assignment(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ResourceQuery,
) -> Result<Response, Problem> {
    super::get::<RoleAssignment>(&state, &account, &id, query).await
}

/// Request body for assigning a role.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE", "role_id": "ws:admin", "workspace_id": "T0EXAMPLE"}))]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are the API's names")]
pub(in crate::http) struct CreateRoleAssignmentRequest {
    /// Id of the user.
    user_id: String,
    /// Id of the role, as in `/roles`.
    role_id: String,
    /// Workspace; absent: the whole organization.
    workspace_id: Option<String>,
    /// Channel.
    channel_id: Option<String>,
}

/// Assign a role to a user
///
/// Returns the resulting assignment. Assigning a role that the user already holds changes nothing. A level
/// (`ws:admin`, `org:owner`, …) replaces the previous level. Costs at least two provider calls.
#[utoipa::path(post, path = "/role-assignments", tag = "Role assignments", params(AccountQuery, ResponseFormatQuery),
    request_body = CreateRoleAssignmentRequest,
    responses((status = 201, description = "The role assignment", body = RoleAssignmentChangeResponse),
        (status = 207, description = "The role was assigned; the assignment could not be read back", body = RoleAssignmentChangeResponse), Problems))]
pub(in crate::http) async fn create_role_assignment(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    JsonBody(body): JsonBody<CreateRoleAssignmentRequest>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let CreateRoleAssignmentRequest { user_id, role_id, workspace_id, channel_id } = body;
    let role = RoleInput { id: role_id, workspace_id, channel_id };
    let change = OwnChange::roles(&user_id, std::slice::from_ref(&role), Direction::Add);
    let send = changes.assign_role(&user_id, role, &query.shape);
    let outcome = account.change(&state, change, send).await?;
    let path = format!("/role-assignments/{}", outcome.id.as_deref().unwrap_or_default());
    Ok(MultiStepResponse::of(outcome, &path, account.request_id(), StatusCode::CREATED))
}

/// Remove a role assignment
///
/// A user whose level is removed becomes a regular member. Costs at most two provider calls.
#[utoipa::path(delete, path = "/role-assignments/{id}", tag = "Role assignments",
    params(("id" = String, Path, description = "The assignment's id, as in the list"), AccountQuery),
    responses((status = 200, description = "Result of the operation", body = WriteResultResponse), Problems))]
pub(in crate::http) async fn delete_role_assignment(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    _: ItemQuery,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, false);
    let send = changes.remove_role(&id);
    let outcome = match split_assignment_id(&id) {
        Some([role_id, user_id, place_id]) => {
            let is_level = role_id.starts_with("ws:");
            let workspace_id = Some(place_id).filter(|_| is_level);
            let role = RoleInput { id: role_id, workspace_id, channel_id: None };
            let change = OwnChange::roles(&user_id, &[role], Direction::Remove);
            account.change(&state, change, send).await?
        }
        None => send.await?,
    };
    Ok(Json(ItemResponse::of(WriteResult { id, outcome })).into_response())
}
