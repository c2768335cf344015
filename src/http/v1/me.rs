//! `/me`: whose token an account has.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::answers::Item;
use crate::domain::me::Me;
use crate::http::extract::{Account, AccountQuery, ItemQuery, Read, ShapeQuery};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Says whose token the account has, what it permits, and for which organization. Costs four provider calls.
#[utoipa::path(get, path = "/me", tag = "Me", params(AccountQuery, ShapeQuery),
    responses((status = 200, description = "Whose token it is", body = Item<Me>), Problems))]
pub(in crate::http) async fn get_me(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    let directory = account.directory(&state, query.shape.wants_remote());
    let result = directory.me(&query.shape).await?;
    Ok(Json(Item::of(result)).into_response())
}
