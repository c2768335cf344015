//! Servers with odd responses: each row of the tables is a behaviour of real servers, and what comes of it. The result
//! is right, or a problem or a warning names the fault; nothing is lost in silence.

mod pages;
mod parameters;
mod transport;
mod values;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::writes::linked;
use crate::support::scim_server::{ScimOptions, ScimRequest, ScimServer, json_response};
use crate::support::{Client, TestApp};

/// Headers of a response with JSON.
const JSON: &[(&str, &str)] = &[("content-type", "application/scim+json")];

/// Users of each server.
const USERS: usize = 7;

/// Starts a server with users, and links it.
async fn server_with_users(
    app: &TestApp,
    tenant: &str,
) -> anyhow::Result<(ScimServer, Client, Vec<String>)> {
    let (server, api) = linked(app, tenant, ScimOptions::default()).await?;
    let ids = server.add_users(USERS);
    server.forget_requests();
    Ok((server, api, ids))
}

async fn ids(api: &Client, path: &str) -> anyhow::Result<Vec<String>> {
    let (rows, _) = api.all(path).await?;
    let ids = rows.iter().map(|row| Ok(row["id"].as_str().context("no id")?.to_owned()));
    ids.collect()
}

fn is_list(request: &ScimRequest) -> bool {
    request.method.as_str() == "GET" && request.path == "Users"
}

fn rows_of(body: &mut Value) -> Option<&mut Vec<Value>> {
    body.get_mut("Resources").and_then(Value::as_array_mut)
}

/// Sets the total of lists; null for none.
fn set_total(server: &ScimServer, total: impl Fn(u64, usize) -> Value + Send + Sync + 'static) {
    server.rewrite("Users", move |body| {
        let sent = rows_of(body).map(|rows| rows.len());
        let real = body.get("totalResults").and_then(Value::as_u64);
        if let (Some(sent), Some(real), Some(body)) = (sent, real, body.as_object_mut()) {
            let total = total(real, sent);
            body.insert("totalResults".to_owned(), total);
            body.retain(|_, value| !value.is_null());
        }
    });
}

/// Returns a list response with the right total.
fn with_total(rows: &[Value], total: usize) -> Value {
    json!({"totalResults": total, "Resources": rows})
}

/// Returns a list response without a total.
fn without_total(rows: &[Value], _: usize) -> Value {
    json!({ "Resources": rows })
}

/// Lets lists have the rows that `rows` makes of all rows, by start index and count, in a response that `list` makes
/// of them and of the number of all.
fn list_by(
    server: &ScimServer,
    list: fn(&[Value], usize) -> Value,
    rows: fn(Vec<Value>, usize, usize) -> Vec<Value>,
) {
    let own = server.clone();
    server.hook(move |request| {
        if !is_list(request) {
            return None;
        }
        let number = |name: &str| request.parameter(name).and_then(|text| text.parse().ok());
        let (start, count) = (number("startIndex").unwrap_or(1), number("count").unwrap_or(100));
        let all = own.users();
        let total = all.len();
        Some(json_response(200, &list(&rows(all, start, count), total)))
    });
}
