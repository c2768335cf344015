//! `/groups`: groups of users, as managed by the customer's identity provider.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse, MultiStepResponse, WriteResult};
use crate::domain::group::{Group, GroupInput};
use crate::domain::own_change::{OwnChange, new_group};
use crate::domain::user::ResourceRef;
use crate::http::extract::{
    Account, AccountQuery, CopyListQuery, GroupFilterQuery, ItemQuery, JsonBody, ListQuery,
    PageOnlyQuery, PageQuery, Read, RemoteQueryParameter, ResourceQuery, ResponseFormatQuery,
    SourceQuery, Write,
};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;
use crate::unified::ChangeResult;

type GroupChangeResponse = EnvelopeSchema<MultiStepResponse<Group>>;
type GroupList = EnvelopeSchema<ListResponse<Group>>;
type GroupResponse = EnvelopeSchema<ItemResponse<Group>>;
type ResourceRefList = EnvelopeSchema<ListResponse<ResourceRef>>;
type WriteResultResponse = EnvelopeSchema<ItemResponse<WriteResult>>;

/// List groups
///
/// Includes the members. Costs one provider call a page.
#[utoipa::path(get, path = "/groups", tag = "Groups", params(AccountQuery, GroupFilterQuery, CopyListQuery, SourceQuery, RemoteQueryParameter, PageQuery, ResponseFormatQuery),
    responses((status = 200, description = "A page of groups", body = GroupList), Problems))]
pub(in crate::http) async fn list_groups(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<Group>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Get a group
///
/// Includes the members. Costs one provider call.
#[utoipa::path(get, path = "/groups/{id}", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"), AccountQuery, SourceQuery, ResponseFormatQuery),
    responses((status = 200, description = "The group", body = GroupResponse), Problems))]
pub(in crate::http) async fn get_group(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ResourceQuery,
) -> Result<Response, Problem> {
    super::get::<Group>(&state, &account, &id, query).await
}

/// Create a group
///
/// Costs two provider calls, three with workspaces.
#[utoipa::path(post, path = "/groups", tag = "Groups", params(AccountQuery, ResponseFormatQuery),
    request_body = GroupInput,
    responses((status = 201, description = "The new group", body = GroupChangeResponse),
        (status = 207, description = "The new group; linking it to the workspaces failed", body = GroupChangeResponse), Problems))]
pub(in crate::http) async fn create_group(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    JsonBody(body): JsonBody<GroupInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let send = changes.create_group(&body, &query.shape);
    let change = |outcome: &ChangeResult| outcome.id.as_deref().map(OwnChange::whole_group);
    let outcome = account.create(&state, &new_group(&body), send, change).await?;
    let path = path_of(outcome.id.as_deref().unwrap_or_default());
    Ok(MultiStepResponse::of(outcome, &path, account.request_id(), StatusCode::CREATED))
}

/// Update a group
///
/// Changes name, members or workspaces. Costs two provider calls, three with workspaces.
#[utoipa::path(patch, path = "/groups/{id}", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"), AccountQuery, ResponseFormatQuery),
    request_body = GroupInput,
    responses((status = 200, description = "The updated group", body = GroupChangeResponse),
        (status = 207, description = "The group; a step failed", body = GroupChangeResponse), Problems))]
pub(in crate::http) async fn update_group(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    JsonBody(body): JsonBody<GroupInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let send = changes.update_group(&id, &body, &query.shape);
    let outcome = account.change(&state, OwnChange::group(&id, &body), send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

/// Delete a group
///
/// Deletion is permanent. Members who joined a workspace through the group stay in it. Costs one provider call.
#[utoipa::path(delete, path = "/groups/{id}", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"), AccountQuery),
    responses((status = 200, description = "Result of the operation", body = WriteResultResponse), Problems))]
pub(in crate::http) async fn delete_group(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    _: ItemQuery,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, false);
    let send = changes.delete_group(&id);
    let outcome = account.change(&state, OwnChange::whole_group(&id), send).await?;
    Ok(Json(ItemResponse::of(WriteResult { id, outcome })).into_response())
}

/// List group members
///
/// Returns ids and names. Costs one provider call.
#[utoipa::path(get, path = "/groups/{id}/members", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"), AccountQuery, PageQuery),
    responses((status = 200, description = "A page of members", body = ResourceRefList), Problems))]
pub(in crate::http) async fn list_group_members(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    PageOnlyQuery(page): PageOnlyQuery,
) -> Result<Response, Problem> {
    let directory = account.directory(&state, false);
    let cursor = page.next_cursor.as_deref();
    let members = directory.group_members(&id, page.limit, cursor).await?;
    Ok(Json(ListResponse::of(members, page.limit)).into_response())
}

/// Request body for adding a group member.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AddGroupMemberRequest {
    /// Id of the user.
    user_id: String,
}

/// Add a user to a group
///
/// Costs two provider calls.
#[utoipa::path(post, path = "/groups/{id}/members", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"), AccountQuery, ResponseFormatQuery),
    request_body = AddGroupMemberRequest,
    responses((status = 201, description = "The updated group", body = GroupChangeResponse), Problems))]
pub(in crate::http) async fn add_group_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    JsonBody(AddGroupMemberRequest { user_id }): JsonBody<AddGroupMemberRequest>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let body = GroupInput { add_member_ids: vec![user_id], ..GroupInput::default() };
    let send = changes.update_group(&id, &body, &query.shape);
    let outcome = account.change(&state, OwnChange::group(&id, &body), send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&id), account.request_id(), StatusCode::CREATED))
}

/// Remove a user from a group
///
/// Costs two provider calls.
#[utoipa::path(delete, path = "/groups/{id}/members/{user_id}", tag = "Groups",
    params(("id" = String, Path, description = "The group's id at the provider"),
        ("user_id" = String, Path, description = "The user's id"), AccountQuery, ResponseFormatQuery),
    responses((status = 200, description = "The updated group", body = GroupChangeResponse), Problems))]
pub(in crate::http) async fn remove_group_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path((id, user_id)): Path<(String, String)>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let body = GroupInput { remove_member_ids: vec![user_id], ..GroupInput::default() };
    let send = changes.update_group(&id, &body, &query.shape);
    let outcome = account.change(&state, OwnChange::group(&id, &body), send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

fn path_of(id: &str) -> String {
    format!("/groups/{id}")
}
