//! Truto's paths for accounts, link tokens, API keys and environments.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::directory::parse_body;
use super::loopback::{ApiResponse, ForwardedHeaders, LoopbackClient, QueryPairs};
use super::request_body::AuthenticatedBody;
use super::response::{
    bad_request_response, error_response, item_response, not_found_response, page_response,
};

/// The fields of a link token request that are forwarded.
const FORWARDED_LINK_FIELDS: [&str; 5] =
    ["tenant_id", "integrated_account_id", "redirect_uri", "context", "provider"];

/// Parses the query of a request.
pub(super) fn parse_query(query: Option<&str>) -> QueryPairs {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Serves `GET /integrated-account`, `/api-token` and `/environment`: lists in Truto's envelope.
pub(super) async fn list(client: &LoopbackClient, path: &str, query: &QueryPairs) -> Response {
    let mut response = client.get(path, query).await;
    if !response.status.is_success() {
        return error_response(&response);
    }
    let mut rows = response.take_result();
    let rows = rows.as_array_mut().map(std::mem::take).unwrap_or_default();
    let result: Vec<Value> = rows.into_iter().map(|row| account_to_truto(path, row)).collect();
    let next = response.body.get("next_cursor").cloned().unwrap_or_default();
    let limit = response.body.get("limit").cloned().unwrap_or_default();
    let count = result.len();
    page_response(&response.headers, (&result, count), &next, &limit)
}

/// Returns a single resource without an envelope.
fn item_response_of(mut response: ApiResponse, path: &str) -> Response {
    if !response.status.is_success() {
        return error_response(&response);
    }
    let item = account_to_truto(path, response.take_result());
    item_response(&response, &item)
}

/// Adds Truto's `integration` object to an account.
fn account_to_truto(path: &str, mut item: Value) -> Value {
    if let Some(fields) = item.as_object_mut().filter(|_| path.starts_with("/integrated-accounts"))
    {
        let name = fields.get("provider").cloned().unwrap_or_default();
        fields.insert("integration".to_owned(), json!({ "name": name }));
    }
    item
}

/// Serves `GET /integrated-account`.
pub(super) async fn accounts(
    State(router): State<Router>,
    RawQuery(query): RawQuery,
    along: ForwardedHeaders,
) -> Response {
    list(
        &LoopbackClient::new(router, &along),
        "/integrated-accounts",
        &parse_query(query.as_deref()),
    )
    .await
}

/// Serves `/integrated-account/{id}`; `me` is the account of the caller's account token.
pub(super) async fn account(
    State(router): State<Router>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let client = LoopbackClient::new(router, &along);
    if id == "me" && method == Method::GET {
        return own_account(&client).await;
    }
    let body = match parse_body(&body) {
        Ok(body) => body,
        Err(why) => return bad_request_response(&why),
    };
    if !is_path_segment(&id) {
        return not_found_response();
    }
    let path = format!("/integrated-accounts/{id}");
    let response = client.send(method, &path, &parse_query(query.as_deref()), body.as_ref()).await;
    item_response_of(response, &path)
}

/// Returns the account that an account token is bound to.
async fn own_account(client: &LoopbackClient) -> Response {
    if !client.has_account_token() {
        return bad_request_response(
            "The API key is not bound to one account. Use an account token.",
        );
    }
    let path = "/integrated-accounts";
    let mut response = client.get(path, &Vec::new()).await;
    if !response.status.is_success() {
        return error_response(&response);
    }
    let own = response.take_result().get_mut(0).map(Value::take).unwrap_or_default();
    item_response(&response, &account_to_truto(path, own))
}

/// Serves `POST /integrated-account/token`.
pub(super) async fn account_token(
    State(router): State<Router>,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let client = LoopbackClient::new(router, &along);
    let id = match account_id_of(&body, "integrated_account_id") {
        Ok(id) => id,
        Err(why) => return bad_request_response(&why),
    };
    let path = format!("/integrated-accounts/{id}/tokens");
    let mut response = client.send(Method::POST, &path, &Vec::new(), Some(&json!({}))).await;
    if !response.status.is_success() {
        return error_response(&response);
    }
    let token = response.take_result().get_mut("token").map(Value::take).unwrap_or_default();
    response.status = StatusCode::OK;
    item_response(&response, &json!({ "integrated_account_token": token }))
}

/// Serves `POST /integrated-account/refresh-credentials`.
pub(super) async fn refresh_credentials(
    State(router): State<Router>,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let client = LoopbackClient::new(router, &along);
    match account_id_of(&body, "id") {
        Ok(id) => {
            let path = format!("/integrated-accounts/{id}/refresh");
            item_response_of(client.send(Method::POST, &path, &Vec::new(), None).await, &path)
        }
        Err(why) => bad_request_response(&why),
    }
}

/// Serves `POST /link-token`.
pub(super) async fn link_token(
    State(router): State<Router>,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let client = LoopbackClient::new(router, &along);
    let request = match parse_body(&body) {
        Ok(Some(Value::Object(request))) => request,
        Ok(_) => return bad_request_response("The body must be an object."),
        Err(why) => return bad_request_response(&why),
    };
    if request.contains_key("scopes") {
        return bad_request_response(
            "`scopes` are set on the provider app: see POST /provider-apps.",
        );
    }
    let request = match complete_link_request(&client, request).await {
        Ok(request) => request,
        Err(response) => return error_response(&response),
    };
    let mut response =
        client.send(Method::POST, "/link-tokens", &Vec::new(), Some(&request.into())).await;
    if !response.status.is_success() {
        return error_response(&response);
    }
    let token = response.take_result();
    response.status = StatusCode::OK;
    item_response(&response, &token)
}

/// Fills in what Truto's reconnect requests leave out: the tenant, and the previous context if
/// `persist_previous_context` is true.
async fn complete_link_request(
    client: &LoopbackClient,
    mut request: Map<String, Value>,
) -> Result<Map<String, Value>, ApiResponse> {
    let persists = request.get("persist_previous_context").and_then(Value::as_bool) == Some(true);
    request.retain(|name, _| FORWARDED_LINK_FIELDS.contains(&name.as_str()));
    let id = request.get("integrated_account_id").and_then(Value::as_str);
    if let Some(id) = id.filter(|id| is_path_segment(id)) {
        let mut response = client.get(&format!("/integrated-accounts/{id}"), &Vec::new()).await;
        if !response.status.is_success() {
            return Err(response);
        }
        let mut account = response.take_result();
        let tenant = account.get_mut("tenant_id").map(Value::take).unwrap_or_default();
        request.entry("tenant_id").or_insert(tenant);
        if let (true, Some(Value::Object(mut known))) =
            (persists, account.get_mut("context").map(Value::take))
        {
            if let Some(Value::Object(new)) = request.remove("context") {
                known.extend(new);
            }
            request.insert("context".to_owned(), known.into());
        }
    }
    Ok(request)
}

/// Whether an id is exactly one path segment.
pub(super) fn is_path_segment(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns the account id in a field of the body.
fn account_id_of(body: &Bytes, field: &str) -> Result<String, String> {
    let body = parse_body(body)?.unwrap_or_default();
    let id = body.get(field).and_then(Value::as_str);
    id.filter(|id| is_path_segment(id))
        .map(str::to_owned)
        .ok_or_else(|| format!("`{field}` must be an account id."))
}

/// Serves `GET /api-token`.
pub(super) async fn keys(State(router): State<Router>, along: ForwardedHeaders) -> Response {
    list(&LoopbackClient::new(router, &along), "/api-keys", &Vec::new()).await
}

/// Serves `GET /api-token/{id}`.
pub(super) async fn key(
    State(router): State<Router>,
    Path(id): Path<String>,
    along: ForwardedHeaders,
) -> Response {
    if !is_path_segment(&id) {
        return not_found_response();
    }
    let path = format!("/api-keys/{id}");
    item_response_of(LoopbackClient::new(router, &along).get(&path, &Vec::new()).await, &path)
}

/// Serves `GET /environment`.
pub(super) async fn environments(
    State(router): State<Router>,
    along: ForwardedHeaders,
) -> Response {
    list(&LoopbackClient::new(router, &along), "/environments", &Vec::new()).await
}

/// Serves `GET /environment/{id}`.
pub(super) async fn environment(
    State(router): State<Router>,
    Path(id): Path<String>,
    along: ForwardedHeaders,
) -> Response {
    if !is_path_segment(&id) {
        return not_found_response();
    }
    let path = format!("/environments/{id}");
    item_response_of(LoopbackClient::new(router, &along).get(&path, &Vec::new()).await, &path)
}
