//! `/roles`: roles that a directory offers.

use axum::extract::{Path, State};
use axum::response::Response;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::role::Role;
use crate::http::extract::{
    Account, AccountQuery, ItemQuery, ListQuery, PageQuery, Read, RemoteQueryParameter,
    ResponseFormatQuery, RoleFilterQuery,
};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;

type RoleList = EnvelopeSchema<ListResponse<Role>>;
type RoleResponse = EnvelopeSchema<ItemResponse<Role>>;

/// List roles
///
/// Returns levels, guest types and system roles. Costs no provider call at Slack.
#[utoipa::path(get, path = "/roles", tag = "Roles", params(AccountQuery, RoleFilterQuery, RemoteQueryParameter, PageQuery, ResponseFormatQuery),
    responses((status = 200, description = "A page of roles", body = RoleList), Problems))]
pub(in crate::http) async fn list_roles(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ListQuery<Role>,
) -> Result<Response, Problem> {
    super::list(&state, &account, query).await
}

/// Get a role
///
/// An `Rl…` id that is not in the list is a custom or a new role. Costs no provider call at Slack.
#[utoipa::path(get, path = "/roles/{id}", tag = "Roles",
    params(("id" = String, Path, description = "The role's id, such as `ws:admin` or `Rl0A`"), AccountQuery, ResponseFormatQuery),
    responses((status = 200, description = "The role", body = RoleResponse), Problems))]
pub(in crate::http) async fn get_role(
    State(state): State<AppState>,
    account: Account<Read>,
    Path(id): Path<String>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    super::get::<Role>(&state, &account, &id, query).await
}
