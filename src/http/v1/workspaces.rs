//! `/workspaces`: the workspaces of an organization.

use axum::extract::{Path, State};
use axum::response::Response;

use super::answers::{Item, List};
use crate::domain::workspace::Workspace;
use crate::http::extract::{
    Account, AccountQuery, ItemQuery, ListQuery, PageQuery, Read, RemoteQueryParameter, ShapeQuery,
    WorkspaceFilterQuery,
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
