//! `/users`: users and bots of a directory.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse, MultiStepResponse};
use crate::domain::own_change::{Direction, OwnChange, new_user};
use crate::domain::user::User;
use crate::domain::user_input::{RoleInput, UserInput};
use crate::http::extract::{
    Account, AccountQuery, CopyListQuery, CreateUserQuery, DeactivateUserQuery, ItemQuery,
    JsonBody, ListQuery, PageQuery, Read, RemoteQueryParameter, ResourceQuery, ResponseFormatQuery,
    SourceQuery, UserCopyQuery, UserFilterQuery, Write,
};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::unified::{ChangeResult, ObjectOrigin, RenderOptions, SignOut};

type UserChangeResponse = EnvelopeSchema<MultiStepResponse<User>>;
type UserList = EnvelopeSchema<ListResponse<User>>;
type UserResponse = EnvelopeSchema<ItemResponse<User>>;

/// List users
///
/// Returns active users first, then deactivated ones. Costs one provider call a page.
#[utoipa::path(get, path = "/users", tag = "Users", params(AccountQuery, UserFilterQuery, UserCopyQuery, CopyListQuery, SourceQuery, RemoteQueryParameter, PageQuery, ResponseFormatQuery),
    responses((status = 200, description = "A page of users", body = UserList), Problems))]
pub(in crate::http) async fn list_users(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<User>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Get a user
///
/// Returns the full profile. Costs three concurrent provider calls.
#[utoipa::path(get, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The user's id at the provider"), AccountQuery, SourceQuery, ResponseFormatQuery),
    responses((status = 200, description = "The user", body = UserResponse), Problems))]
pub(in crate::http) async fn get_user(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ResourceQuery,
) -> Result<Response, Problem> {
    super::get::<User>(&state, &account, &id, query).await
}

/// Create or invite a user
///
/// Workspaces, roles and guest expiry can be set in the same request; `parts` has the result of each step. Costs two
/// provider calls for the account, one for each workspace, one for each guest expiry, one for every ten equal roles,
/// and three to read the user back.
#[utoipa::path(post, path = "/users", tag = "Users", params(AccountQuery, CreateUserQuery, ResponseFormatQuery),
    request_body = UserInput,
    responses((status = 201, description = "The new user", body = UserChangeResponse),
        (status = 200, description = "The existing user", body = UserChangeResponse),
        (status = 207, description = "The user; some steps failed", body = UserChangeResponse), Problems))]
pub(in crate::http) async fn create_user(
    State(state): State<AppState>,
    account: Account<Write>,
    query: CreateUserQuery,
    JsonBody(body): JsonBody<UserInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let by_email: String =
        form_urlencoded::byte_serialize(body.primary_email().unwrap_or_default().as_bytes())
            .collect();
    let input = body.clone();
    let send = changes.create_user(body, query.on_conflict, &query.shape);
    let change = |outcome: &ChangeResult| {
        let id = outcome.id.as_deref()?;
        Some(match outcome.origin {
            ObjectOrigin::Created => OwnChange::new_user(id, &input),
            ObjectOrigin::Existing => OwnChange::user(id, &input),
        })
    };
    let outcome = account.create(&state, &new_user(&input), send, change).await?;
    let whole = match outcome.origin {
        ObjectOrigin::Created => StatusCode::CREATED,
        ObjectOrigin::Existing => StatusCode::OK,
    };
    let path = match &outcome.id {
        Some(id) => path_of(id),
        // The provider does not list invited users yet.
        None => format!("/users?email={by_email}"),
    };
    Ok(MultiStepResponse::of(outcome, &path, account.request_id(), whole))
}

/// Update a user
///
/// Absent fields are unchanged; `null` clears a field. Costs one provider call, one for each workspace whose guest
/// expiry changes, and three to read the user back.
#[utoipa::path(patch, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The user's id at the provider"), AccountQuery, ResponseFormatQuery),
    request_body = UserInput,
    responses((status = 200, description = "The updated user", body = UserChangeResponse),
        (status = 207, description = "The user; some steps failed", body = UserChangeResponse), Problems))]
pub(in crate::http) async fn update_user(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    JsonBody(body): JsonBody<UserInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let send = changes.update_user(&id, &body, &query.shape);
    let outcome = account.change(&state, OwnChange::user(&id, &body), send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

/// Deactivate a user
///
/// Deactivates the user in every workspace. The account and its history are retained, except for a SCIM account with
/// `delete_user` set to `delete`: the user is deleted, and the result has the status `deleted`. Costs four provider
/// calls, five with `sign_out`.
#[utoipa::path(delete, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The user's id at the provider"), AccountQuery, DeactivateUserQuery),
    responses((status = 200, description = "The deactivated user", body = UserChangeResponse),
        (status = 207, description = "The deactivated user; ending the sessions failed", body = UserChangeResponse), Problems))]
pub(in crate::http) async fn deactivate_user(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: DeactivateUserQuery,
) -> Result<Response, Problem> {
    let sign_out = if query.sign_out { SignOut::Now } else { SignOut::Later };
    let changes = account.changes(&state, false);
    let shape = RenderOptions::default();
    let send = changes.deactivate(&id, sign_out, &shape);
    let outcome = account.change(&state, OwnChange::whole_user(&id), send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

fn path_of(id: &str) -> String {
    format!("/users/{id}")
}

/// Request body for assigning roles to a user, or removing them.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE", "roles": [{"id": "Rl01", "workspace_id": "T0EXAMPLE"}]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ChangeUserRolesRequest {
    /// Id of the user.
    #[serde(alias = "id")]
    user_id: String,
    /// Roles, with their scope.
    #[schema(min_items = 1, max_items = 100)]
    roles: Vec<RoleInput>,
}

impl ChangeUserRolesRequest {
    fn check(self) -> Result<Self, Problem> {
        if (1..=100).contains(&self.roles.len()) {
            return Ok(self);
        }
        Err(Problem::new(ProblemKind::InvalidBody, "The list of roles has an invalid length.")
            .with_error("/roles", "must have 1 to 100 entries"))
    }
}

/// Assign roles to a user
///
/// `parts` has the result for each role. Costs one provider call for each level, and one for every ten scopes of a
/// system role.
#[utoipa::path(post, path = "/users/assign_role", tag = "Users", params(AccountQuery, ResponseFormatQuery),
    request_body = ChangeUserRolesRequest,
    responses((status = 200, description = "The updated user", body = UserChangeResponse),
        (status = 207, description = "The user; some roles were not assigned", body = UserChangeResponse), Problems))]
pub(in crate::http) async fn assign_role(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    JsonBody(body): JsonBody<ChangeUserRolesRequest>,
) -> Result<Response, Problem> {
    let ChangeUserRolesRequest { user_id, roles } = body.check()?;
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let change = OwnChange::roles(&user_id, &roles, Direction::Add);
    let send = changes.assign_user_roles(&user_id, roles, &query.shape);
    let outcome = account.change(&state, change, send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&user_id), account.request_id(), StatusCode::OK))
}

/// Remove roles from a user
///
/// `parts` has the result for each role. Costs two provider calls for each level, and one for every ten scopes of a
/// system role.
#[utoipa::path(post, path = "/users/remove_role", tag = "Users", params(AccountQuery, ResponseFormatQuery),
    request_body = ChangeUserRolesRequest,
    responses((status = 200, description = "The updated user", body = UserChangeResponse),
        (status = 207, description = "The user; some roles were not removed", body = UserChangeResponse), Problems))]
pub(in crate::http) async fn remove_role(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    JsonBody(body): JsonBody<ChangeUserRolesRequest>,
) -> Result<Response, Problem> {
    let ChangeUserRolesRequest { user_id, roles } = body.check()?;
    let changes = account.changes(&state, query.shape.needs_remote_data());
    let change = OwnChange::roles(&user_id, &roles, Direction::Remove);
    let send = changes.remove_user_roles(&user_id, roles, &query.shape);
    let outcome = account.change(&state, change, send).await?;
    Ok(MultiStepResponse::of(outcome, &path_of(&user_id), account.request_id(), StatusCode::OK))
}
