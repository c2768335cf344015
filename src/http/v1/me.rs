//! `/me`: the identity behind an account's token.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::response::{EnvelopeSchema, ItemResponse};
use crate::domain::me::Me;
use crate::http::extract::{Account, AccountQuery, ItemQuery, Read, ResponseFormatQuery};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;

type MeResponse = EnvelopeSchema<ItemResponse<Me>>;

/// Get the identity behind the token
///
/// Returns user, organization and scopes of the account's token. Costs four provider calls.
#[utoipa::path(get, path = "/me", tag = "Me", params(AccountQuery, ResponseFormatQuery),
    responses((status = 200, description = "The identity", body = MeResponse), Problems))]
pub(in crate::http) async fn get_me(
    State(state): State<AppState>,
    account: Account<Read>,
    query: ItemQuery,
) -> Result<Response, Problem> {
    let directory = account.directory(&state, query.shape.needs_remote_data());
    let result = directory.me(&query.shape).await?;
    Ok(Json(ItemResponse::of(result)).into_response())
}
