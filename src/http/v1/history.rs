//! The history of resources in the synced copy: every change that the gateway found.

use axum::Json;
use axum::extract::{Path, State};

use super::copied::history;
use super::response::{EnvelopeSchema, ListResponse};
use crate::domain::assignment::RoleAssignment;
use crate::domain::group::Group;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;
use crate::http::extract::{Account, AccountQuery, PageOnlyQuery, PageQuery, Read};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;
use crate::sync::HistoryEntry;

type HistoryEntryList = EnvelopeSchema<ListResponse<HistoryEntry>>;

/// List the history of a user
///
/// Returns the changes of the user, its workspaces, groups and roles, newest first. Reads the synced copy and costs no
/// provider call.
#[utoipa::path(get, path = "/users/{id}/history", tag = "Users",
    params(("id" = String, Path, description = "The user's id at the provider"), AccountQuery, PageQuery),
    responses((status = 200, description = "A page of changes", body = HistoryEntryList), Problems))]
pub(in crate::http) async fn list_user_history(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: PageOnlyQuery,
) -> Result<Json<ListResponse<HistoryEntry>>, Problem> {
    history::<User>(&state, &account, &id, query).await
}

/// List the history of a workspace
///
/// Returns the changes of the workspace and its members, newest first. Reads the synced copy and costs no
/// provider call.
#[utoipa::path(get, path = "/workspaces/{id}/history", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id at the provider"), AccountQuery, PageQuery),
    responses((status = 200, description = "A page of changes", body = HistoryEntryList), Problems))]
pub(in crate::http) async fn list_workspace_history(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: PageOnlyQuery,
) -> Result<Json<ListResponse<HistoryEntry>>, Problem> {
    history::<Workspace>(&state, &account, &id, query).await
}

/// List the history of a group
///
/// Returns the changes of the group and its members, newest first. Reads the synced copy and costs no
/// provider call.
#[utoipa::path(get, path = "/groups/{id}/history", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"), AccountQuery, PageQuery),
    responses((status = 200, description = "A page of changes", body = HistoryEntryList), Problems))]
pub(in crate::http) async fn list_group_history(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: PageOnlyQuery,
) -> Result<Json<ListResponse<HistoryEntry>>, Problem> {
    history::<Group>(&state, &account, &id, query).await
}

/// List the history of a role assignment
///
/// Returns when the role was assigned and removed, newest first. Reads the synced copy and costs no
/// provider call.
#[utoipa::path(get, path = "/role-assignments/{id}/history", tag = "Role assignments",
    params(("id" = String, Path, description = "The assignment's id, as in the list"), AccountQuery, PageQuery),
    responses((status = 200, description = "A page of changes", body = HistoryEntryList), Problems))]
pub(in crate::http) async fn list_role_assignment_history(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: PageOnlyQuery,
) -> Result<Json<ListResponse<HistoryEntry>>, Problem> {
    history::<RoleAssignment>(&state, &account, &id, query).await
}
