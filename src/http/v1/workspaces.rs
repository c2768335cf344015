//! `/workspaces`: workspaces of an organization.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse, MultiStepResponse};
use crate::domain::own_change::{OwnChange, new_workspace};
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::WorkspaceInput;
use crate::http::extract::{
    Account, AccountQuery, CopyListQuery, ItemQuery, JsonBody, ListQuery, PageQuery, Read,
    RemoteQueryParameter, ResourceQuery, ResponseFormatQuery, SourceQuery, WorkspaceFilterQuery,
    Write,
};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;
use crate::unified::ChangeResult;

type WorkspaceChangeResponse = EnvelopeSchema<MultiStepResponse<Workspace>>;
type WorkspaceList = EnvelopeSchema<ListResponse<Workspace>>;
type WorkspaceResponse = EnvelopeSchema<ItemResponse<Workspace>>;

/// List workspaces
///
/// Costs one provider call a page.
#[utoipa::path(get, path = "/workspaces", tag = "Workspaces", params(AccountQuery, WorkspaceFilterQuery, CopyListQuery, SourceQuery, RemoteQueryParameter, PageQuery, ResponseFormatQuery),
    responses((status = 200, description = "A page of workspaces", body = WorkspaceList), Problems))]
pub(in crate::http) async fn list_workspaces(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<Workspace>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Get a workspace
///
/// Includes owners, admins and settings. Costs four concurrent provider calls.
#[utoipa::path(get, path = "/workspaces/{id}", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id at the provider"), AccountQuery, SourceQuery, ResponseFormatQuery),
    responses((status = 200, description = "The workspace", body = WorkspaceResponse), Problems))]
pub(in crate::http) async fn get_workspace(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ResourceQuery,
) -> Result<Response, Problem> {
    super::get::<Workspace>(&state, &account, &id, query).await
}

/// Create a workspace
///
/// Costs five provider calls, one of which Slack limits to one a minute, and one more with an icon.
#[utoipa::path(post, path = "/workspaces", tag = "Workspaces", params(AccountQuery, ResponseFormatQuery),
    request_body = WorkspaceInput,
    responses((status = 201, description = "The new workspace", body = WorkspaceChangeResponse),
        (status = 207, description = "The new workspace; some settings were rejected", body = WorkspaceChangeResponse), Problems))]
pub(in crate::http) async fn create_workspace(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    JsonBody(body): JsonBody<WorkspaceInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let send = changes.create_workspace(&body, &query.shape);
    let change = |outcome: &ChangeResult| {
        outcome.id.as_deref().map(|id| OwnChange::new_workspace(id, &body))
    };
    let outcome = account.create(&state, &new_workspace(&body), send, change).await?;
    let path = path_of(outcome.id.as_deref().unwrap_or_default());
    Ok(MultiStepResponse::of(outcome, &path, account.request_id(), StatusCode::CREATED))
}

/// Update a workspace
///
/// `parts` has the result for each setting. Costs one provider call for each setting, and four to read the workspace
/// back.
#[utoipa::path(patch, path = "/workspaces/{id}", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id at the provider"), AccountQuery, ResponseFormatQuery),
    request_body = WorkspaceInput,
    responses((status = 200, description = "The updated workspace", body = WorkspaceChangeResponse),
        (status = 207, description = "The workspace; some settings were rejected", body = WorkspaceChangeResponse), Problems))]
pub(in crate::http) async fn update_workspace(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    JsonBody(body): JsonBody<WorkspaceInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let send = changes.update_workspace(&id, &body, &query.shape);
    let outcome = account.change(&state, OwnChange::workspace(&id, &body), send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

fn path_of(id: &str) -> String {
    format!("/workspaces/{id}")
}
