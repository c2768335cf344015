//! `/users`: the people and bots of a directory.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::answers::{Composed, Item, List};
use crate::domain::user::User;
use crate::domain::user_input::{RoleInput, UserInput};
use crate::http::extract::{
    Account, AccountQuery, Body, CreateQuery, ItemQuery, LeaveQuery, ListQuery, PageQuery, Read,
    RemoteQueryParameter, ShapeQuery, UserFilterQuery, Write,
};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::unified::{Made, Shape, SignOut};

/// Lists users: the active ones, then the deactivated ones. Costs one provider call a page.
#[utoipa::path(get, path = "/users", tag = "Users", params(AccountQuery, UserFilterQuery, RemoteQueryParameter, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<User>), Problems))]
pub(in crate::http) async fn list_users(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<User>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Reads one user with the full profile. Costs three provider calls at once.
#[utoipa::path(get, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    responses((status = 200, description = "The user", body = Item<User>), Problems))]
pub(in crate::http) async fn get_user(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    super::get::<User>(&state, &account, &id, query).await
}

/// Makes a user, or invites one by e-mail, with workspaces, roles and the end of a guest's stay in one request. Costs two provider calls for the account, one for each workspace, one more for each guest's workspace with an end, one for each ten roles alike, and three to read the user again.
#[utoipa::path(post, path = "/users", tag = "Users", params(AccountQuery, CreateQuery, ShapeQuery),
    request_body = UserInput,
    responses((status = 201, description = "The new user", body = Composed<User>),
        (status = 200, description = "The user who was there", body = Composed<User>),
        (status = 207, description = "The user; some steps failed", body = Composed<User>), Problems))]
pub(in crate::http) async fn create_user(
    State(state): State<AppState>,
    account: Account<Write>,
    query: CreateQuery,
    Body(wish): Body<UserInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let by_email: String =
        form_urlencoded::byte_serialize(wish.primary_email().unwrap_or_default().as_bytes())
            .collect();
    let outcome = changes.create_user(wish, query.on_conflict, &query.shape).await?;
    let whole = match outcome.made {
        Made::New => StatusCode::CREATED,
        Made::Existing => StatusCode::OK,
    };
    let path = match &outcome.id {
        Some(id) => path_of(id),
        // The provider does not show who was invited yet.
        None => format!("/users?email={by_email}"),
    };
    Ok(Composed::of(outcome, &path, account.request_id(), whole))
}

/// Changes a user: absent fields stay, `null` clears one. Costs one provider call, one more for each workspace of a guest whose end changes, and three to read the user again.
#[utoipa::path(patch, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, ShapeQuery),
    request_body = UserInput,
    responses((status = 200, description = "The user as it is now", body = Composed<User>),
        (status = 207, description = "The user; some steps failed", body = Composed<User>), Problems))]
pub(in crate::http) async fn update_user(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: ItemQuery,
    Body(wish): Body<UserInput>,
) -> Result<Response, Problem> {
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.update_user(&id, &wish, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

/// Switches a user off everywhere; the account stays, and so does the history. Costs four provider calls, five with `sign_out`.
#[utoipa::path(delete, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, LeaveQuery),
    responses((status = 200, description = "The user, switched off", body = Composed<User>),
        (status = 207, description = "The user, switched off but not signed out", body = Composed<User>), Problems))]
pub(in crate::http) async fn deactivate_user(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: LeaveQuery,
) -> Result<Response, Problem> {
    let sign_out = if query.sign_out { SignOut::Now } else { SignOut::Later };
    let changes = account.changes(&state, false);
    let outcome = changes.deactivate(&id, sign_out, &Shape::default()).await?;
    Ok(Composed::of(outcome, &path_of(&id), account.request_id(), StatusCode::OK))
}

fn path_of(id: &str) -> String {
    format!("/users/{id}")
}

/// Roles to be given to one user, or taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "U0EXAMPLE", "roles": [{"id": "Rl01", "workspace_id": "T0EXAMPLE"}]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UserRoles {
    /// Who.
    #[serde(alias = "id")]
    user_id: String,
    /// Which roles, and where.
    #[schema(min_items = 1, max_items = 100)]
    roles: Vec<RoleInput>,
}

impl UserRoles {
    fn check(self) -> Result<Self, Problem> {
        if (1..=100).contains(&self.roles.len()) {
            return Ok(self);
        }
        Err(Problem::new(ProblemKind::InvalidBody, "Name some roles.")
            .at("/roles", "must have 1 to 100 entries"))
    }
}

/// Gives a user several roles. Costs one provider call for each level, and one for each ten places of a system role.
#[utoipa::path(post, path = "/users/assign_role", tag = "Users", params(AccountQuery, ShapeQuery),
    request_body = UserRoles,
    responses((status = 200, description = "The user as it is now", body = Composed<User>),
        (status = 207, description = "The user; some roles were refused", body = Composed<User>), Problems))]
pub(in crate::http) async fn assign_role(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    Body(wish): Body<UserRoles>,
) -> Result<Response, Problem> {
    let UserRoles { user_id, roles } = wish.check()?;
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.give_user_roles(&user_id, roles, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&user_id), account.request_id(), StatusCode::OK))
}

/// Takes several roles from a user. Costs two provider calls for each level, and one for each ten places of a system role.
#[utoipa::path(post, path = "/users/remove_role", tag = "Users", params(AccountQuery, ShapeQuery),
    request_body = UserRoles,
    responses((status = 200, description = "The user as it is now", body = Composed<User>),
        (status = 207, description = "The user; some roles could not be taken", body = Composed<User>), Problems))]
pub(in crate::http) async fn remove_role(
    State(state): State<AppState>,
    account: Account<Write>,
    query: ItemQuery,
    Body(wish): Body<UserRoles>,
) -> Result<Response, Problem> {
    let UserRoles { user_id, roles } = wish.check()?;
    let changes = account.changes(&state, query.shape.wants_remote());
    let outcome = changes.take_user_roles(&user_id, roles, &query.shape).await?;
    Ok(Composed::of(outcome, &path_of(&user_id), account.request_id(), StatusCode::OK))
}
