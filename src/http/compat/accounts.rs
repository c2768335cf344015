//! Accounts, link tokens, keys and environments at the other API's paths.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::answer::{bad_request, bare, failed, not_found, page};
use super::ask::{Along, Asker, Query, Said};
use super::directory::read_body;
use super::sent::Sent;

/// What of a wish for a link token goes on.
const LINK_FIELDS: [&str; 5] =
    ["tenant_id", "integrated_account_id", "redirect_uri", "context", "provider"];

fn pairs(query: Option<&str>) -> Query {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// `GET /integrated-account`, `/api-token`, `/environment`: a list of ours in their envelope.
pub(super) async fn list(asker: &Asker, path: &str, query: &Query) -> Response {
    let mut said = asker.get(path, query).await;
    if !said.status.is_success() {
        return failed(&said);
    }
    let mut rows = said.result();
    let rows = rows.as_array_mut().map(std::mem::take).unwrap_or_default();
    let result: Vec<Value> = rows.into_iter().map(|row| told(path, row)).collect();
    let next = said.body.get("next_cursor").cloned().unwrap_or_default();
    let limit = said.body.get("limit").cloned().unwrap_or_default();
    let count = result.len();
    page(&said.headers, (&result, count), &next, &limit)
}

/// A single thing of ours, bare.
fn single(mut said: Said, path: &str) -> Response {
    if !said.status.is_success() {
        return failed(&said);
    }
    let thing = told(path, said.result());
    bare(&said, &thing)
}

/// An account names its integration as theirs do.
fn told(path: &str, mut thing: Value) -> Value {
    if let Some(fields) = thing.as_object_mut().filter(|_| path.starts_with("/integrated-accounts"))
    {
        let name = fields.get("provider").cloned().unwrap_or_default();
        fields.insert("integration".to_owned(), json!({ "name": name }));
    }
    thing
}

/// `/integrated-account`
pub(super) async fn accounts(
    State(router): State<Router>,
    RawQuery(query): RawQuery,
    along: Along,
) -> Response {
    list(&Asker::new(router, &along), "/integrated-accounts", &pairs(query.as_deref())).await
}

/// `/integrated-account/{id}`, where `me` is the account of the token that asks.
pub(super) async fn account(
    State(router): State<Router>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    along: Along,
    Sent(body): Sent,
) -> Response {
    let asker = Asker::new(router, &along);
    if id == "me" && method == Method::GET {
        return own_account(&asker).await;
    }
    let body = match read_body(&body) {
        Ok(body) => body,
        Err(why) => return bad_request(&why),
    };
    if !is_plain(&id) {
        return not_found();
    }
    let path = format!("/integrated-accounts/{id}");
    let said = asker.ask(method, &path, &pairs(query.as_deref()), body.as_ref()).await;
    single(said, &path)
}

/// The one account that a token sees.
async fn own_account(asker: &Asker) -> Response {
    if !asker.has_account_token() {
        return bad_request("The key is not of one account: use an account token.");
    }
    let path = "/integrated-accounts";
    let mut said = asker.get(path, &Vec::new()).await;
    if !said.status.is_success() {
        return failed(&said);
    }
    let own = said.result().get_mut(0).map(Value::take).unwrap_or_default();
    bare(&said, &told(path, own))
}

/// `POST /integrated-account/token`
pub(super) async fn account_token(
    State(router): State<Router>,
    along: Along,
    Sent(body): Sent,
) -> Response {
    let asker = Asker::new(router, &along);
    let id = match named(&body, "integrated_account_id") {
        Ok(id) => id,
        Err(why) => return bad_request(&why),
    };
    let path = format!("/integrated-accounts/{id}/tokens");
    let mut said = asker.ask(Method::POST, &path, &Vec::new(), Some(&json!({}))).await;
    if !said.status.is_success() {
        return failed(&said);
    }
    let token = said.result().get_mut("token").map(Value::take).unwrap_or_default();
    said.status = StatusCode::OK;
    bare(&said, &json!({ "integrated_account_token": token }))
}

/// `POST /integrated-account/refresh-credentials`
pub(super) async fn refresh_credentials(
    State(router): State<Router>,
    along: Along,
    Sent(body): Sent,
) -> Response {
    let asker = Asker::new(router, &along);
    match named(&body, "id") {
        Ok(id) => {
            let path = format!("/integrated-accounts/{id}/refresh");
            single(asker.ask(Method::POST, &path, &Vec::new(), None).await, &path)
        }
        Err(why) => bad_request(&why),
    }
}

/// `POST /link-token`
pub(super) async fn link_token(
    State(router): State<Router>,
    along: Along,
    Sent(body): Sent,
) -> Response {
    let asker = Asker::new(router, &along);
    let wish = match read_body(&body) {
        Ok(Some(Value::Object(wish))) => wish,
        Ok(_) => return bad_request("The body must be an object."),
        Err(why) => return bad_request(&why),
    };
    if wish.contains_key("scopes") {
        return bad_request("`scopes` are those of the provider app: see POST /provider-apps.");
    }
    let wish = match completed(&asker, wish).await {
        Ok(wish) => wish,
        Err(said) => return failed(&said),
    };
    let mut said = asker.ask(Method::POST, "/link-tokens", &Vec::new(), Some(&wish.into())).await;
    if !said.status.is_success() {
        return failed(&said);
    }
    let token = said.result();
    said.status = StatusCode::OK;
    bare(&said, &token)
}

/// To connect again, theirs need the account alone; and they can keep what they knew of it.
async fn completed(
    asker: &Asker,
    mut wish: Map<String, Value>,
) -> Result<Map<String, Value>, Said> {
    let keeps = wish.get("persist_previous_context").and_then(Value::as_bool) == Some(true);
    wish.retain(|name, _| LINK_FIELDS.contains(&name.as_str()));
    let id = wish.get("integrated_account_id").and_then(Value::as_str);
    if let Some(id) = id.filter(|id| is_plain(id)) {
        let mut said = asker.get(&format!("/integrated-accounts/{id}"), &Vec::new()).await;
        if !said.status.is_success() {
            return Err(said);
        }
        let mut account = said.result();
        let tenant = account.get_mut("tenant_id").map(Value::take).unwrap_or_default();
        wish.entry("tenant_id").or_insert(tenant);
        if let (true, Some(Value::Object(mut known))) =
            (keeps, account.get_mut("context").map(Value::take))
        {
            if let Some(Value::Object(new)) = wish.remove("context") {
                known.extend(new);
            }
            wish.insert("context".to_owned(), known.into());
        }
    }
    Ok(wish)
}

/// Whether an id is one segment of a path, and nothing else.
fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// An id that a body names.
fn named(body: &Bytes, field: &str) -> Result<String, String> {
    let body = read_body(body)?.unwrap_or_default();
    let id = body.get(field).and_then(Value::as_str);
    id.filter(|id| is_plain(id))
        .map(str::to_owned)
        .ok_or_else(|| format!("`{field}` must name an account."))
}

/// `/api-token`
pub(super) async fn keys(State(router): State<Router>, along: Along) -> Response {
    list(&Asker::new(router, &along), "/api-keys", &Vec::new()).await
}

/// `/api-token/{id}`
pub(super) async fn key(
    State(router): State<Router>,
    Path(id): Path<String>,
    along: Along,
) -> Response {
    if !is_plain(&id) {
        return not_found();
    }
    let path = format!("/api-keys/{id}");
    single(Asker::new(router, &along).get(&path, &Vec::new()).await, &path)
}

/// `/environment`
pub(super) async fn environments(State(router): State<Router>, along: Along) -> Response {
    list(&Asker::new(router, &along), "/environments", &Vec::new()).await
}

/// `/environment/{id}`
pub(super) async fn environment(
    State(router): State<Router>,
    Path(id): Path<String>,
    along: Along,
) -> Response {
    if !is_plain(&id) {
        return not_found();
    }
    let path = format!("/environments/{id}");
    single(Asker::new(router, &along).get(&path, &Vec::new()).await, &path)
}
