//! `/users`: the people and bots of a directory.

use axum::extract::{Path, State};
use axum::response::Response;

use super::answers::{Item, List};
use crate::domain::user::User;
use crate::http::extract::{
    Account, AccountQuery, ItemQuery, ListQuery, PageQuery, Read, ShapeQuery,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Lists users: the active ones, then the deactivated ones. Costs one provider call a page.
#[utoipa::path(get, path = "/users", tag = "Users", params(AccountQuery, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<User>), Problems))]
pub(in crate::http) async fn list_users(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery,
) -> Result<Response, Problem> {
    super::list::<User>(&state, &account, query).await
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
