//! `/workspaces`: the workspaces of an organization.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::answers::{Composed, Item, List};
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::WorkspaceWish;
use crate::http::extract::{
    Account, AccountQuery, Body, ItemQuery, ListQuery, PageQuery, Read, RemoteQueryParameter,
    ShapeQuery, WorkspaceFilterQuery, Write,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Lists workspaces. Costs one provider call a page.
#[utoipa::path(get, path = "/workspaces", tag = "Workspaces", params(AccountQuery, WorkspaceFilterQuery, RemoteQueryParameter, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<Workspace>), Problems))]
pub(in crate::http) async fn list_workspaces(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<Workspace>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Reads one workspace with its owners, admins and settings. Costs four provider calls at once.
#[utoipa::path(get, path = "/workspaces/{id}", tag = "Workspaces",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    responses((status = 200, description = "The workspace", body = Item<Workspace>), Problems))]
pub(in crate::http) async fn get_workspace(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    super::get::<Workspace>(&state, &account, &id, query).await
}

/// Makes a workspace. Costs five provider calls, one of which Slack takes once a minute only, and one more with a picture.
#[utoipa::path(post, path = "/workspaces", tag = "Workspaces", params(AccountQuery, ShapeQuery),
    request_body = WorkspaceWish,
    responses((status = 201, description = "The new workspace", body = Composed<Workspace>),
        (status = 207, description = "The new workspace; a setting was refused", body = Composed<Workspace>), Problems))]
pub(in crate::http) async fn create_workspace(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    Body(wish): Body<WorkspaceWish>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.create_workspace(&wish, &query.shape).await?;
    let path = path_of(outcome.id.as_deref().unwrap_or_default());
    Ok(Composed::of(outcome, &path, account.request_id(), StatusCode::CREATED))
}

/// Changes settings of a workspace. Costs one provider call for each, and four to read it again.
#[utoipa::path(patch, path = "/workspaces/{id}", tag = "Workspaces",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    request_body = WorkspaceWish,
    responses((status = 200, description = "The workspace as it is now", body = Composed<Workspace>),
        (status = 207, description = "The workspace; some settings were refused", body = Composed<Workspace>), Problems))]
pub(in crate::http) async fn update_workspace(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    Body(wish): Body<WorkspaceWish>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.update_workspace(&id, &wish, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

fn path_of(id: &str) -> String {
    format!("/workspaces/{id}")
}
