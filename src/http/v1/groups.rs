//! `/groups`: people whom the customer's identity provider keeps together.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Composed, Item, List, Written};
use crate::domain::group::{Group, GroupWish};
use crate::domain::user::Reference;
use crate::http::extract::{
    Account, AccountQuery, Body, GroupFilterQuery, ItemQuery, ListQuery, PageOnlyQuery, PageQuery,
    Read, RemoteQueryParameter, ShapeQuery, Write,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Lists groups with their members. Costs one provider call a page.
#[utoipa::path(get, path = "/groups", tag = "Groups", params(AccountQuery, GroupFilterQuery, RemoteQueryParameter, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<Group>), Problems))]
pub(in crate::http) async fn list_groups(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<Group>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Reads one group with its members. Costs one provider call.
#[utoipa::path(get, path = "/groups/{id}", tag = "Groups",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    responses((status = 200, description = "The group", body = Item<Group>), Problems))]
pub(in crate::http) async fn get_group(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    super::get::<Group>(&state, &account, &id, query).await
}

/// Makes a group with its members. Costs two provider calls, three with workspaces.
#[utoipa::path(post, path = "/groups", tag = "Groups", params(AccountQuery, ShapeQuery),
    request_body = GroupWish,
    responses((status = 201, description = "The new group", body = Composed<Group>),
        (status = 207, description = "The new group; it was not linked to the workspaces", body = Composed<Group>), Problems))]
pub(in crate::http) async fn create_group(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    Body(wish): Body<GroupWish>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.create_group(&wish, &query.shape).await?;
    let path = path_of(outcome.id.as_deref().unwrap_or_default());
    Ok(Composed::of(outcome, &path, account.request_id(), StatusCode::CREATED))
}

/// Changes the name, the members or the workspaces of a group. Costs two provider calls, three with workspaces.
#[utoipa::path(patch, path = "/groups/{id}", tag = "Groups",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    request_body = GroupWish,
    responses((status = 200, description = "The group as it is now", body = Composed<Group>),
        (status = 207, description = "The group; a step failed", body = Composed<Group>), Problems))]
pub(in crate::http) async fn update_group(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    Body(wish): Body<GroupWish>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.update_group(&id, &wish, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

/// Deletes a group for good; whoever came into a workspace by it stays there. Costs one provider call.
#[utoipa::path(delete, path = "/groups/{id}", tag = "Groups",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery),
    responses((status = 200, description = "What came of it", body = Item<Written>), Problems))]
pub(in crate::http) async fn delete_group(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    _: ItemQuery,
) -> Result<Response, Problem> {
    let outcome = account.changes(&state, false).delete_group(&id).await?;
    Ok(Json(Item::of(Written { id, outcome })).into_response())
}

/// Lists the members of a group, by id. Costs one provider call.
#[utoipa::path(get, path = "/groups/{id}/members", tag = "Groups",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, PageQuery),
    responses((status = 200, description = "A page", body = List<Reference>), Problems))]
pub(in crate::http) async fn list_group_members(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    PageOnlyQuery(page): PageOnlyQuery,
) -> Result<Response, Problem> {
    let directory = account.directory(&state, false);
    let cursor = page.next_cursor.as_deref();
    let members = directory.group_members(&id, page.limit, cursor).await?;
    Ok(Json(List::of(members, page.limit)).into_response())
}

/// Somebody to be put into a group.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewGroupMember {
    /// Who.
    user_id: String,
}

/// Puts a user into a group. Costs two provider calls.
#[utoipa::path(post, path = "/groups/{id}/members", tag = "Groups",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    request_body = NewGroupMember,
    responses((status = 201, description = "The group as it is now", body = Composed<Group>), Problems))]
pub(in crate::http) async fn add_group_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    Body(NewGroupMember { user_id }): Body<NewGroupMember>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let wish = GroupWish { add_member_ids: vec![user_id], ..GroupWish::default() };
    let outcome = changes.update_group(&id, &wish, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&id), account.request_id(), StatusCode::CREATED))
}

/// Takes a user out of a group. Costs two provider calls.
#[utoipa::path(delete, path = "/groups/{id}/members/{user_id}", tag = "Groups",
    params(("id" = String, Path, description = "The provider's id"),
        ("user_id" = String, Path, description = "The user's id"), AccountQuery, ShapeQuery),
    responses((status = 200, description = "The group as it is now", body = Composed<Group>), Problems))]
pub(in crate::http) async fn remove_group_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path((id, user_id)): Path<(String, String)>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let wish = GroupWish { remove_member_ids: vec![user_id], ..GroupWish::default() };
    let outcome = changes.update_group(&id, &wish, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

fn path_of(id: &str) -> String {
    format!("/groups/{id}")
}
