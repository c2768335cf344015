//! `GET /link/{token}/status`: how far the customer has come, for a web page whose popup can't tell.
//! A provider's page may cut the tie between a popup and its opener.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::redirect::careful;
use crate::http::state::AppState;
use crate::link::{LinkError, Progress};

/// Tells it to pages of admitted origins, and to our own frame.
pub(super) async fn tell(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (status, body, page) = match state.links.progress(&token).await {
        Ok((progress, page)) => (StatusCode::OK, told(progress), Some(page)),
        Err(LinkError::UnknownToken) => {
            (StatusCode::NOT_FOUND, json!({ "status": "unknown" }), None)
        }
        Err(error) => {
            tracing::warn!(%error, "the progress of a link can't be told");
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "unavailable" }), None)
        }
    };
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().extend(careful());
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let admitted = origin.filter(|origin| page.is_none_or(|page| page.admits(origin)));
    if let Some(origin) = admitted.and_then(|origin| HeaderValue::try_from(origin).ok()) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

fn told(progress: Progress) -> serde_json::Value {
    match progress {
        Progress::Open => json!({ "status": "open" }),
        Progress::UnderWay { elapsed } => {
            json!({ "status": "under_way", "for_s": elapsed.whole_seconds() })
        }
        Progress::Failed(code) => json!({ "status": "failed", "code": code }),
        Progress::Expired => json!({ "status": "expired" }),
        Progress::Linked { account_id, provider, missing_scopes } => json!({
            "status": "linked", "integrated_account_id": account_id, "provider": provider,
            "missing_scopes": missing_scopes,
        }),
    }
}
