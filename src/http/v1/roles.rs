//! `/roles`: the roles that a directory can give.

use axum::extract::{Path, State};
use axum::response::Response;

use super::answers::{Item, List};
use crate::domain::role::Role;
use crate::http::extract::{
    Account, AccountQuery, ItemQuery, ListQuery, PageQuery, Read, RemoteQueryParameter,
    RoleFilterQuery, ShapeQuery,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Lists roles: levels, kinds of guest, system roles. Costs no provider call on Slack.
#[utoipa::path(get, path = "/roles", tag = "Roles", params(AccountQuery, RoleFilterQuery, RemoteQueryParameter, PageQuery, ShapeQuery),
    responses((status = 200, description = "A page", body = List<Role>), Problems))]
pub(in crate::http) async fn list_roles(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<Role>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Reads one role. An `Rl…` id that is not in the list is a custom or a new role. Costs no provider call on Slack.
#[utoipa::path(get, path = "/roles/{id}", tag = "Roles",
    params(("id" = String, Path, description = "The role's id, such as `ws:admin` or `Rl0A`"), AccountQuery, ShapeQuery),
    responses((status = 200, description = "The role", body = Item<Role>), Problems))]
pub(in crate::http) async fn get_role(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    super::get::<Role>(&state, &account, &id, query).await
}
