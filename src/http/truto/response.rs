//! Response envelopes of Truto's API: single resources without one, errors with `statusCode`.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::loopback::ApiResponse;
use crate::http::middleware::AlreadyLogged;
use crate::http::problem::Problem;

/// Returns a single resource without an envelope.
pub(super) fn item_response(response: &ApiResponse, item: &Value) -> Response {
    with_headers(response.status, &response.headers, item)
}

/// The envelope of a page.
#[derive(Serialize)]
struct PageEnvelope<'a, R> {
    result: &'a R,
    next_cursor: &'a Value,
    prev_cursor: (),
    limit: &'a Value,
    result_count: usize,
}

/// Returns a page in its envelope: the value of `result` and its number of rows.
pub(super) fn page_response(
    headers: &HeaderMap,
    (result, result_count): (&impl Serialize, usize),
    next_cursor: &Value,
    limit: &Value,
) -> Response {
    let body = PageEnvelope { result, next_cursor, prev_cursor: (), limit, result_count };
    with_headers(StatusCode::OK, headers, &body)
}

/// Returns an error of our API in Truto's envelope.
pub(super) fn error_response(response: &ApiResponse) -> Response {
    let problem = &response.body;
    let text = |field: &str| problem.get(field).and_then(Value::as_str).unwrap_or_default();
    let errors = problem.get("errors").and_then(Value::as_array).into_iter().flatten();
    let errors = errors.filter_map(|error| {
        Some(format!("{} {}", error.get("pointer")?.as_str()?, error.get("message")?.as_str()?))
    });
    let message =
        std::iter::once(text("detail").to_owned()).chain(errors).collect::<Vec<_>>().join(" ");
    let provider = problem.get("provider");
    let mut body = json!({
        "statusCode": response.status.as_u16(),
        "error": response.status.canonical_reason().unwrap_or("Error"),
        "message": message,
        "type": text("type"),
        "request_id": text("request_id"),
    });
    if let (Some(provider), Some(body)) = (provider, body.as_object_mut()) {
        body.insert("truto_is_remote_error".to_owned(), true.into());
        body.insert("raw_response".to_owned(), provider.clone());
    }
    with_headers(response.status, &response.headers, &body)
}

/// Returns 404 without calling our API.
pub(super) fn not_found_response() -> Response {
    let body = json!({"statusCode": 404, "error": "Not Found", "message": "Route not found."});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// Returns a problem that was found here, in Truto's envelope.
pub(super) fn problem_response(problem: &Problem) -> Response {
    let (status, headers, body) = (problem.kind().status(), HeaderMap::new(), problem.to_json(""));
    error_response(&ApiResponse { status, headers, body })
}

/// Returns 400 without calling our API.
pub(super) fn bad_request_response(message: &str) -> Response {
    let status = StatusCode::BAD_REQUEST;
    let body = json!({"statusCode": 400, "error": "Bad Request", "message": message});
    (status, Json(body)).into_response()
}

/// Forwards the headers of our API, except those that describe the replaced body.
fn with_headers(status: StatusCode, headers: &HeaderMap, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.extensions_mut().insert(AlreadyLogged);
    for (name, value) in headers {
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}
