//! `/workspaces/{id}/members`: who is in a workspace.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Item, List, Written};
use crate::connectors::Membership;
use crate::domain::user::{User, UserType};
use crate::http::extract::{
    Account, AccountQuery, Body, ItemQuery, ListQuery, PageQuery, Read, RemoteQueryParameter,
    ShapeQuery, UserFilterQuery, Write, contradicting,
};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;

/// Lists the members of a workspace, guests and deactivated accounts included, with the role that each has there. Takes the filters of `/users`. Costs one provider call a page.
#[utoipa::path(get, path = "/workspaces/{id}/members", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id"), AccountQuery, UserFilterQuery, RemoteQueryParameter, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<User>), Problems))]
pub(in crate::http) async fn list_workspace_members(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(workspace_id): Path<String>,
    mut query: ListQuery<User>,
) -> Result<Response, Problem> {
    let filter = &mut query.wish.filter.workspace_id;
    if filter.as_ref().is_some_and(|filter| *filter != workspace_id) {
        return Err(contradicting(["id", "workspace[id]"], "names another workspace"));
    }
    *filter = Some(workspace_id);
    super::list(&state, &account, query).await
}

/// Somebody to be put into a workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE", "user_type": "member"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewMember {
    /// Who.
    user_id: String,
    /// As what: a full member when nothing is said.
    #[serde(default = "full_member")]
    #[schema(default = "member")]
    user_type: UserType,
    /// The channels of a guest; a guest of one channel has exactly one.
    #[serde(default)]
    channel_ids: Vec<String>,
}

fn full_member() -> UserType {
    UserType::Member
}

/// Puts a user into a workspace, as a full member or as a guest. A user who was switched off is switched on again. Costs one provider call.
#[utoipa::path(post, path = "/workspaces/{id}/members", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id"), AccountQuery),
    request_body = NewMember,
    responses((status = 201, description = "What came of it", body = Item<Written>), Problems))]
pub(in crate::http) async fn add_workspace_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(workspace_id): Path<String>,
    _: ItemQuery,
    Body(wish): Body<NewMember>,
) -> Result<Response, Problem> {
    let NewMember { user_id, user_type, channel_ids } = wish;
    let fits = match user_type {
        UserType::Member => true,
        UserType::GuestMultiChannel => !channel_ids.is_empty(),
        UserType::GuestSingleChannel => channel_ids.len() == 1,
        UserType::Bot => {
            return Err(Problem::new(ProblemKind::InvalidBody, "Nobody is made a bot.")
                .at("/user_type", "must be member or one of the kinds of guest"));
        }
    };
    if !fits {
        return Err(Problem::new(ProblemKind::InvalidBody, "A guest needs channels.")
            .at("/channel_ids", "must name the guest's channels: one, or some"));
    }
    let membership =
        Membership { workspace_id: &workspace_id, user_type, channel_ids: &channel_ids };
    let outcome = account.changes(&state, false).add_member(&user_id, membership).await?;
    let result = Written { id: user_id, outcome };
    Ok((StatusCode::CREATED, Json(Item::of(result))).into_response())
}

/// Takes a user out of a workspace. Costs one provider call.
#[utoipa::path(delete, path = "/workspaces/{id}/members/{user_id}", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id"),
        ("user_id" = String, Path, description = "The user's id"), AccountQuery),
    responses((status = 200, description = "What came of it", body = Item<Written>), Problems))]
pub(in crate::http) async fn remove_workspace_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path((workspace_id, user_id)): Path<(String, String)>,
    _: ItemQuery,
) -> Result<Response, Problem> {
    let outcome = account.changes(&state, false).remove_member(&user_id, &workspace_id).await?;
    Ok(Json(Item::of(Written { id: user_id, outcome })).into_response())
}
