//! `GET /link/{token}/status`: the status of a link, for a web page whose popup cannot report it because the provider's
//! page may cut the tie to its opener.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::redirect::no_store_headers;
use crate::http::state::AppState;
use crate::link::{LinkError, LinkStatus};

/// Serves the status to pages of allowed origins and to our own frame.
pub(super) async fn get_status(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (status, body, page) = match state.links.status(&token).await {
        Ok((progress, page)) => (StatusCode::OK, status_body(progress), Some(page)),
        Err(LinkError::UnknownToken) => {
            (StatusCode::NOT_FOUND, json!({ "status": "unknown" }), None)
        }
        Err(error) => {
            tracing::warn!(%error, "the status of a link could not be read");
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "unavailable" }), None)
        }
    };
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().extend(no_store_headers());
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let admitted = origin.filter(|origin| page.is_none_or(|page| page.allows_origin(origin)));
    if let Some(origin) = admitted.and_then(|origin| HeaderValue::try_from(origin).ok()) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

fn status_body(progress: LinkStatus) -> serde_json::Value {
    match progress {
        LinkStatus::Pending => json!({ "status": "pending" }),
        LinkStatus::InProgress { elapsed } => {
            json!({ "status": "in_progress", "for_s": elapsed.whole_seconds() })
        }
        LinkStatus::Failed(code) => json!({ "status": "failed", "code": code }),
        LinkStatus::Expired => json!({ "status": "expired" }),
        LinkStatus::Linked { account_id, provider, missing_scopes } => json!({
            "status": "linked", "integrated_account_id": account_id, "provider": provider,
            "missing_scopes": missing_scopes,
        }),
    }
}
