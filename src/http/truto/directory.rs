//! Serves Truto's `/unified/user-directory/…` from our directory routes.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::collect_pages::RowCollector;
use super::convert::{from_truto, to_truto};
use super::loopback::{ApiResponse, ForwardedHeaders, LoopbackClient};
use super::params::TrutoParams;
use super::request_body::AuthenticatedBody;
use super::response::{
    bad_request_response, error_response, item_response, not_found_response, page_response,
    problem_response,
};

/// The common prefix of Truto's directory paths.
const PREFIX: &str = "/unified/user-directory/";
/// Resources: Truto's name and ours. Only these are reachable here, so an ingress rule for this prefix exposes the
/// directory alone.
const RESOURCES: [(&str, &str); 7] = [
    ("users", "users"),
    ("roles", "roles"),
    ("role_assignments", "role-assignments"),
    ("role-assignments", "role-assignments"),
    ("workspaces", "workspaces"),
    ("groups", "groups"),
    ("me", "me"),
];
/// Maximum pages that one request collects.
const MAX_PAGES: usize = 1_000;

/// Serves any request for the directory.
pub(super) async fn serve(
    State(router): State<Router>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    along: ForwardedHeaders,
    AuthenticatedBody(body): AuthenticatedBody,
) -> Response {
    let client = LoopbackClient::new(router, &along);
    let params = match TrutoParams::parse(query.as_deref()) {
        Ok(params) => params,
        Err(problem) => return problem_response(&problem),
    };
    // Not decoded: decoding and joining again could yield another path.
    let rest = uri.path().strip_prefix(PREFIX).unwrap_or_default().trim_matches('/');
    let (resource, below) =
        rest.split_once('/').map_or((rest, None), |(name, id)| (name, Some(id)));
    let known = RESOURCES.iter().find(|(theirs, _)| *theirs == resource);
    let Some(name) = known.map(|(_, ours)| *ours) else { return not_found_response() };
    let path = match below {
        None => format!("/{name}"),
        Some(below) => format!("/{name}/{below}"),
    };
    if method == Method::GET && below.is_none() && name != "me" {
        return list(&client, name, &path, params).await;
    }
    let body = match parse_body(&body) {
        Ok(body) => body.map(|body| from_truto(name, body)),
        Err(why) => return bad_request_response(&why),
    };
    // A DELETE returns no resource, so it accepts no format parameters.
    let has_format = method != Method::DELETE;
    let query = if has_format { params.query } else { account_params(params.query) };
    let response = client.send(method, &path, &query, body.as_ref()).await;
    single(response, name, params.is_raw)
}

fn single(mut response: ApiResponse, resource: &str, is_raw: bool) -> Response {
    if !response.status.is_success() {
        return error_response(&response);
    }
    let result = response.take_result();
    let mut item = if is_raw { result } else { to_truto(resource, result) };
    if response.status == StatusCode::MULTI_STATUS
        && let (Some(item), Some(parts)) = (item.as_object_mut(), response.body.get_mut("parts"))
    {
        // Truto has no equivalent field; extra fields do not break its clients.
        item.insert("parts".to_owned(), parts.take());
    }
    item_response(&response, &item)
}

/// Returns a page that is not empty while more rows follow: Truto's client treats an empty page as the end.
async fn list(
    client: &LoopbackClient,
    resource: &str,
    path: &str,
    params: TrutoParams,
) -> Response {
    let TrutoParams { is_raw, key_by, ignore_limit, mut next_cursor, query } = params;
    let mut collected = RowCollector::new(key_by);
    let collects = collected.is_keyed() && ignore_limit;
    let mut pages = 0;
    loop {
        let mut page_query = query.clone();
        page_query.extend(next_cursor.take().map(|cursor| ("next_cursor".to_owned(), cursor)));
        let mut response = client.get(path, &page_query).await;
        if !response.status.is_success() {
            return error_response(&response);
        }
        pages += 1;
        if let Value::Array(more) = response.take_result() {
            for row in more {
                let row = if is_raw { row } else { to_truto(resource, row) };
                if let Err(why) = collected.add(&row) {
                    return bad_request_response(&why);
                }
            }
        }
        let next = response.body.get("next_cursor").cloned().unwrap_or_default();
        let wants_more = collected.count == 0 || (collects && !collected.is_full());
        if let (Some(cursor), true) = (next.as_str(), wants_more && pages < MAX_PAGES) {
            next_cursor = Some(cursor.to_owned());
            continue;
        }
        let limit = response.body.get("limit").cloned().unwrap_or_default();
        let count = collected.count;
        return page_response(&response.headers, (&collected.finish(), count), &next, &limit);
    }
}

fn account_params(query: Vec<(String, String)>) -> Vec<(String, String)> {
    let names = ["integrated_account_id", "tenant_id", "provider", "sign_out"];
    query.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect()
}

/// Parses the body as JSON; `None` if it is empty or `null`.
pub(super) fn parse_body(body: &Bytes) -> Result<Option<Value>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    // Truto's client sends `null` in workspace_id of no body.
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| format!("The body is not valid JSON: {error}"))?;
    Ok(Some(body).filter(|body| !body.is_null()))
}
