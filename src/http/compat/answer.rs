//! Answers in the other API's envelopes: single things bare, failures with `statusCode`.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::ask::Said;
use crate::http::edge::Logged;
use crate::http::problem::Problem;

/// A single thing, bare.
pub(super) fn bare(said: &Said, thing: &Value) -> Response {
    with_headers(said.status, &said.headers, thing)
}

/// The envelope of a page.
#[derive(Serialize)]
struct PageBody<'a, R> {
    result: &'a R,
    next_cursor: &'a Value,
    prev_cursor: (),
    limit: &'a Value,
    result_count: usize,
}

/// A page in its envelope: what stands in `result`, and how many rows that is.
pub(super) fn page(
    headers: &HeaderMap,
    (result, result_count): (&impl Serialize, usize),
    next_cursor: &Value,
    limit: &Value,
) -> Response {
    let body = PageBody { result, next_cursor, prev_cursor: (), limit, result_count };
    with_headers(StatusCode::OK, headers, &body)
}

/// A failure.
pub(super) fn failed(said: &Said) -> Response {
    let problem = &said.body;
    let text = |field: &str| problem.get(field).and_then(Value::as_str).unwrap_or_default();
    let mistakes = problem.get("errors").and_then(Value::as_array).into_iter().flatten();
    let mistakes = mistakes.filter_map(|mistake| {
        Some(format!("{} {}", mistake.get("pointer")?.as_str()?, mistake.get("message")?.as_str()?))
    });
    let message =
        std::iter::once(text("detail").to_owned()).chain(mistakes).collect::<Vec<_>>().join(" ");
    let provider = problem.get("provider");
    let mut body = json!({
        "statusCode": said.status.as_u16(),
        "error": said.status.canonical_reason().unwrap_or("Error"),
        "message": message,
        "type": text("type"),
        "request_id": text("request_id"),
    });
    if let (Some(provider), Some(body)) = (provider, body.as_object_mut()) {
        body.insert("truto_is_remote_error".to_owned(), true.into());
        body.insert("raw_response".to_owned(), provider.clone());
    }
    with_headers(said.status, &said.headers, &body)
}

/// There is nothing at that path, and our own API is not asked.
pub(super) fn not_found() -> Response {
    let body = json!({"statusCode": 404, "error": "Not Found", "message": "There is nothing at this path."});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// A failure that was found here, in the same envelope.
pub(super) fn refused(problem: &Problem) -> Response {
    let (status, headers, body) = (problem.kind().status(), HeaderMap::new(), problem.to_json(""));
    failed(&Said { status, headers, body })
}

/// A failure of the caller that our own API never sees.
pub(super) fn bad_request(message: &str) -> Response {
    let status = StatusCode::BAD_REQUEST;
    let body = json!({"statusCode": 400, "error": "Bad Request", "message": message});
    (status, Json(body)).into_response()
}

/// Our own headers stay, but for those of a body that is another one now.
fn with_headers(status: StatusCode, headers: &HeaderMap, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.extensions_mut().insert(Logged);
    for (name, value) in headers {
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}
