//! `/users`: the people and bots of a directory.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};

use super::answers::{Item, List};
use crate::domain::user::User;
use crate::http::extract::{
    Account, AccountQuery, ItemQuery, LeaveQuery, ListQuery, PageQuery, Read, RemoteQueryParameter,
    ShapeQuery, UserFilterQuery, Write,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::unified::{Shape, SignOut};

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

/// Switches a user off everywhere; the account stays, and so does the history. Costs four provider calls, five with `sign_out`.
#[utoipa::path(delete, path = "/users/{id}", tag = "Users",
    params(("id" = String, Path, description = "The provider's id"), AccountQuery, LeaveQuery),
    responses((status = 200, description = "The user, switched off", body = Item<User>), Problems))]
pub(in crate::http) async fn deactivate_user(
    State(state): State<AppState>,
    account: Account<Write>,
    Path(id): Path<String>,
    query: LeaveQuery,
) -> Result<Response, Problem> {
    let sign_out = if query.sign_out { SignOut::Now } else { SignOut::Later };
    let directory = account.directory(&state, false);
    let result = directory.deactivate(&id, sign_out, &Shape::default()).await?;
    Ok(Json(Item { result }).into_response())
}
