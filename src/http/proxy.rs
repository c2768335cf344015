//! `ANY /proxy/{path}`: the provider's own API, one to one.

use std::str::FromStr as _;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;

use super::extract::{Account, Proxy};
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::unified::passthrough::RawCall;
use crate::upstream::RequestBody;

/// Bodies up to this size are kept, so that the call can be repeated; larger ones stream through.
const KEPT: usize = 1024 * 1024;
/// The one parameter that is ours.
const ACCOUNT: &str = "integrated_account_id";

/// Passes a raw call to the provider: its path, query, body and status are untouched.
#[utoipa::path(get, path = "/proxy/{path}", operation_id = "pass_raw_call", tag = "Proxy",
    params(
        ("path" = String, Path, description = "The provider's own path, such as `api/users.info` or `scim/v2/Users`"),
        ("integrated_account_id" = Option<String>, Query, description = "The account, when no account token implies it"),
    ),
    responses((status = 200, description = "Whatever the provider answered"), super::openapi::Problems))]
pub(super) async fn pass_raw_call(
    State(state): State<AppState>,
    account: Account<Proxy>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix("/proxy/").unwrap_or_default();
    let query = provider_query(&parts.uri);
    let mut headers = parts.headers;
    let body = provider_body(&mut headers, body).await?;
    let call =
        RawCall { method: parts.method, path, query: query.as_deref(), headers: &headers, body };
    let answer = account.directory(&state, false).pass(call).await?;
    let (status, headers) = (answer.status, answer.headers.clone());
    let mut response = Response::new(Body::from_stream(answer.into_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The caller's query without the parameter that is ours, byte for byte.
fn provider_query(uri: &Uri) -> Option<String> {
    let is_ours = |pair: &&str| pair.split('=').next() != Some(ACCOUNT);
    let kept: Vec<&str> = uri.query()?.split('&').filter(is_ours).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

async fn provider_body(headers: &mut HeaderMap, body: Body) -> Result<RequestBody, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| usize::from_str(length).ok());
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    match length {
        None if !is_chunked => Ok(RequestBody::Empty),
        Some(0) => Ok(RequestBody::Empty),
        Some(length) if length <= KEPT => {
            let bytes = to_bytes(body, KEPT).await.map_err(|_| {
                Problem::new(ProblemKind::InvalidBody, "The body broke off before its end.")
            })?;
            Ok(RequestBody::Bytes(bytes))
        }
        _ => Ok(RequestBody::Stream(reqwest::Body::wrap_stream(body.into_data_stream()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_passes_untouched_but_for_our_own_parameter() {
        let query = |uri: &'static str| provider_query(&Uri::from_static(uri));
        assert_eq!(query("/proxy/x?a=%20b&integrated_account_id=acc_1&c"), Some("a=%20b&c".into()));
        assert_eq!(query("/proxy/x?integrated_account_id=acc_1"), None);
        assert_eq!(query("/proxy/x"), None);
    }
}
