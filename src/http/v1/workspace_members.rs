//! `/workspaces/{id}/members`: members of a workspace.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse, WriteResult};
use crate::connectors::MembershipRequest;
use crate::domain::own_change::{Direction, OwnChange};
use crate::domain::user::{User, UserType};
use crate::http::extract::{
    Account, AccountQuery, CopyListQuery, ItemQuery, JsonBody, ListQuery, PageQuery, Read,
    RemoteQueryParameter, ResponseFormatQuery, SourceQuery, UserCopyQuery, UserFilterQuery, Write,
    differing_parameters,
};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;

type UserList = EnvelopeSchema<ListResponse<User>>;
type WriteResultResponse = EnvelopeSchema<ItemResponse<WriteResult>>;

/// List workspace members
///
/// Includes guests and deactivated users, each with the role in this workspace. Accepts the filters of `GET /users`.
/// Costs one provider call a page.
#[utoipa::path(get, path = "/workspaces/{id}/members", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id"), AccountQuery, UserFilterQuery, UserCopyQuery, CopyListQuery, SourceQuery, RemoteQueryParameter, PageQuery, ResponseFormatQuery),
    responses((status = 200, description = "A page of users", body = UserList), Problems))]
pub(in crate::http) async fn list_workspace_members(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(workspace_id): Path<String>,
    mut query: ListQuery<User>,
) -> Result<Response, Problem> {
    let filter = &mut query.request.filter.workspace_id;
    if filter.as_ref().is_some_and(|filter| *filter != workspace_id) {
        return Err(differing_parameters(
            ["id", "workspace[id]"],
            "differs from the workspace in the path",
        ));
    }
    *filter = Some(workspace_id);
    super::list(&state, &account, query).await
}

/// Request body for adding a workspace member.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE", "user_type": "member"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AddWorkspaceMemberRequest {
    /// Id of the user.
    user_id: String,
    /// Type of the member; default `member`.
    #[serde(default = "full_member")]
    #[schema(default = "member")]
    user_type: UserType,
    /// Channels of a guest; exactly one for `guest_single_channel`.
    #[serde(default)]
    channel_ids: Vec<String>,
}

fn full_member() -> UserType {
    UserType::Member
}

/// Add a user to a workspace
///
/// Adds a full member or a guest. A deactivated user is reactivated. Costs one provider call.
#[utoipa::path(post, path = "/workspaces/{id}/members", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id"), AccountQuery),
    request_body = AddWorkspaceMemberRequest,
    responses((status = 201, description = "Result of the operation", body = WriteResultResponse), Problems))]
pub(in crate::http) async fn add_workspace_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(workspace_id): Path<String>,
    _: ItemQuery,
    JsonBody(body): JsonBody<AddWorkspaceMemberRequest>,
) -> Result<Response, Problem> {
    let AddWorkspaceMemberRequest { user_id, user_type, channel_ids } = body;
    let fits = match user_type {
        UserType::Member => true,
        UserType::GuestMultiChannel => !channel_ids.is_empty(),
        UserType::GuestSingleChannel => channel_ids.len() == 1,
        UserType::Bot => {
            return Err(Problem::new(ProblemKind::InvalidBody, "A user can't be added as a bot.")
                .with_error(
                    "/user_type",
                    "must be `member`, `guest_multi_channel` or `guest_single_channel`",
                ));
        }
    };
    if !fits {
        return Err(Problem::new(ProblemKind::InvalidBody, "The channels do not fit the type of guest.")
            .with_error("/channel_ids", "must have one channel for `guest_single_channel`, at least one for `guest_multi_channel`"));
    }
    let membership =
        MembershipRequest { workspace_id: &workspace_id, user_type, channel_ids: &channel_ids };
    let changes = account.changes(&state, false);
    let send = changes.add_member(&user_id, membership);
    let change = OwnChange::member(&user_id, &workspace_id, Direction::Add);
    let outcome = account.change(&state, change, send).await?;
    let result = WriteResult { id: user_id, outcome };
    Ok((StatusCode::CREATED, Json(ItemResponse::of(result))).into_response())
}

/// Remove a user from a workspace
///
/// Costs one provider call.
#[utoipa::path(delete, path = "/workspaces/{id}/members/{user_id}", tag = "Workspaces",
    params(("id" = String, Path, description = "The workspace's id"),
        ("user_id" = String, Path, description = "The user's id"), AccountQuery),
    responses((status = 200, description = "Result of the operation", body = WriteResultResponse), Problems))]
pub(in crate::http) async fn remove_workspace_member(
    State(state): State<AppState>,
    account: Account<Write>,
    Path((workspace_id, user_id)): Path<(String, String)>,
    _: ItemQuery,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, false);
    let send = changes.remove_member(&user_id, &workspace_id);
    let change = OwnChange::member(&user_id, &workspace_id, Direction::Remove);
    let outcome = account.change(&state, change, send).await?;
    Ok(Json(ItemResponse::of(WriteResult { id: user_id, outcome })).into_response())
}
