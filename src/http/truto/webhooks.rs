//! Truto's paths for webhooks. Its `target_url` is our `url`.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::accounts::{is_path_segment, parse_query};
use super::directory::parse_body;
use super::loopback::{ApiResponse, ForwardedHeaders, LoopbackClient};
use super::request_body::AuthenticatedBody;
use super::response::{
    bad_request_response, error_response, item_response, not_found_response, page_response,
};

/// The fields of a request that are forwarded.
const FORWARDED_FIELDS: [&str; 5] =
    ["target_url", "is_active", "event_types", "integrated_account_id", "description"];

/// Serves `GET /webhook`.
pub(super) async fn webhooks(
    State(router): State<Router>,
    RawQuery(query): RawQuery,
    along: ForwardedHeaders,
) -> Response {
    let client = LoopbackClient::new(router, &along);
    let mut response = client.get("/webhooks", &parse_query(query.as_deref())).await;
    if !response.status.is_success() {
        return webhook_error(response);
    }
    let mut rows = response.take_result();
    let rows = rows.as_array_mut().map(std::mem::take).unwrap_or_default();
    let result: Vec<Value> = rows.into_iter().map(to_truto).collect();
    let next = response.body.get("next_cursor").cloned().unwrap_or_default();
    let limit = response.body.get("limit").cloned().unwrap_or_default();
    let count = result.len();
    page_response(&response.headers, (&result, count), &next, &limit)
}

/// Serves `POST /webhook`.
pub(super) async fn create_webhook(
    State(router): State<Router>,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let request = match request_of(&body) {
        Ok(request) => request,
        Err(why) => return bad_request_response(&why),
    };
    let client = LoopbackClient::new(router, &along);
    let response = client.send(Method::POST, "/webhooks", &Vec::new(), Some(&request)).await;
    webhook_response(response)
}

/// Serves `GET`, `PATCH` and `DELETE /webhook/{id}`.
pub(super) async fn webhook(
    State(router): State<Router>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    if !is_path_segment(&id) {
        return not_found_response();
    }
    let request = match request_of(&body) {
        Ok(request) => Some(request).filter(|_| method == Method::PATCH),
        Err(why) => return bad_request_response(&why),
    };
    let client = LoopbackClient::new(router, &along);
    let (path, query) = (format!("/webhooks/{id}"), parse_query(query.as_deref()));
    webhook_response(client.send(method, &path, &query, request.as_ref()).await)
}

/// Serves `POST /webhook/test`; returns the delivery.
pub(super) async fn test_webhook(
    State(router): State<Router>,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let body = match parse_body(&body) {
        Ok(body) => body.unwrap_or_default(),
        Err(why) => return bad_request_response(&why),
    };
    let id = body.get("id").and_then(Value::as_str).filter(|id| is_path_segment(id));
    let Some(id) = id else { return bad_request_response("`id` must be the id of a webhook.") };
    let client = LoopbackClient::new(router, &along);
    let path = format!("/webhooks/{id}/test");
    let mut response = client.send(Method::POST, &path, &Vec::new(), None).await;
    if !response.status.is_success() {
        return webhook_error(response);
    }
    let delivery = response.take_result();
    item_response(&response, &delivery)
}

/// Returns a request with our names of its fields.
fn request_of(body: &Bytes) -> Result<Value, String> {
    let mut fields = match parse_body(body)? {
        None => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        ) => return Err("The body must be an object.".to_owned()),
    };
    fields.retain(|name, _| FORWARDED_FIELDS.contains(&name.as_str()));
    if let Some(url) = fields.remove("target_url") {
        fields.insert("url".to_owned(), url);
    }
    Ok(fields.into())
}

/// Returns a webhook with Truto's names of its fields.
fn to_truto(mut webhook: Value) -> Value {
    if let Some(fields) = webhook.as_object_mut()
        && let Some(url) = fields.remove("url")
    {
        fields.insert("target_url".to_owned(), url);
    }
    webhook
}

/// Returns a single webhook without an envelope.
fn webhook_response(mut response: ApiResponse) -> Response {
    if !response.status.is_success() {
        return webhook_error(response);
    }
    let webhook = to_truto(response.take_result());
    response.status = StatusCode::OK;
    item_response(&response, &webhook)
}

/// Returns an error with Truto's names of the invalid fields.
fn webhook_error(mut response: ApiResponse) -> Response {
    let errors = response.body.get_mut("errors").and_then(Value::as_array_mut);
    let pointers = errors.into_iter().flatten().filter_map(|error| error.get_mut("pointer"));
    for pointer in pointers.filter(|pointer| *pointer == "/url") {
        *pointer = "/target_url".into();
    }
    error_response(&response)
}
