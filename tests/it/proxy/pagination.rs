//! `?paginate=true`: every row of a provider's list, one per line.

use std::collections::BTreeSet;

use anyhow::Context as _;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};

use super::with_provider;
use crate::support::{ApiResponse, TestApp, bearer};

/// Returns the lines of a response.
fn lines(response: &ApiResponse) -> Vec<Value> {
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.header("content-type"), "application/x-ndjson");
    assert!(response.text.is_empty() || response.text.ends_with('\n'));
    let read = response.text.lines().map_while(|line| serde_json::from_str(line).ok());
    let rows: Vec<Value> = read.collect();
    assert_eq!(rows.len(), response.text.lines().count(), "a line that is no JSON");
    rows
}

/// Returns the ids of rows; each has to occur once.
fn ids(rows: &[Value]) -> BTreeSet<String> {
    let ids: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row.get("id").and_then(Value::as_str))
        .map(str::to_owned)
        .collect();
    assert_eq!(ids.len(), rows.len(), "a row without an id, or twice");
    ids
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn returns_every_row_of_all_pages_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let all = ids(&lines(&api.get("proxy/api/admin.users.list?paginate=true").await?));
    assert!(all.len() > 100, "{}", all.len());
    let before = app.calls("admin.users.list");
    let small = api.get("proxy/api/admin.users.list?limit=7&paginate=true").await?;
    assert_eq!(ids(&lines(&small)), all);
    let pages = app.calls("admin.users.list") - before;
    assert_eq!(usize::try_from(pages)?, all.len().div_ceil(7));

    let scim = ids(&lines(&api.get("proxy/scim/v2/Users?paginate=true").await?));
    let by_ten = ids(&lines(&api.get("proxy/scim/v2/Users?count=10&paginate=true").await?));
    assert!(scim.len() > 100);
    assert_eq!(scim, by_ten);
    let teams = lines(&api.get("proxy/api/admin.teams.list?limit=2&paginate=true").await?);
    assert_eq!(ids(&teams).len(), 5);
    lines(&api.get("proxy/audit/v1/logs?limit=5&paginate=true").await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_call_that_can_not_be_paginated(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let get = async |path: &str| api.get(&format!("proxy/{path}")).await;
    get("api/auth.test?paginate=true").await?.api_error(400, "invalid_query");
    get("api/admin.users.list?paginate=1").await?.api_error(400, "invalid_query");
    get("oauth/v2/authorize?paginate=true").await?.problem(404, "unknown_provider_path");
    let rejected = get("api/admin.users.list?team_id=T0NOBODY&paginate=true").await?;
    assert!((400..500).contains(&rejected.status), "{}", rejected.text);
    assert_eq!(rejected.body["ok"], false, "{}", rejected.text);
    assert!(rejected.header("link").starts_with("</problems/provider_"), "{:?}", rejected.headers);
    let post = api.send(Method::POST, "proxy/api/admin.users.list?paginate=true", None).await?;
    post.api_error(400, "invalid_query");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failure_of_a_later_page_is_the_last_line(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, _provider) = with_provider(pool).await?;
    let rows = lines(&client.get("proxy/scim/v2/Broken?paginate=true").await?);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!((&rows[0]["id"], &rows[1]["id"]), (&json!("a"), &json!("b")));
    let problem = &rows[2]["error"];
    assert_eq!(problem["type"], "/problems/provider_not_found", "{problem}");
    assert_eq!(problem["provider"]["error"], "no_such_user");
    assert_ne!(problem["request_id"], "");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn paginates_from_the_callers_cursor(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let path = "proxy/api/admin.users.list?limit=10";
    // A retry makes up for one failed response.
    app.sandbox.add_fault(Fault::for_next_calls("admin.users.list", FaultKind::ServerError, 2));
    let all = lines(&api.get(&format!("{path}&paginate=true")).await?);
    let first = api.get(path).await?.success()?;
    let cursor = first["response_metadata"]["next_cursor"].as_str().unwrap_or_default();
    let cursor = cursor.replace('=', "%3D");
    let rest = lines(&api.get(&format!("{path}&paginate=true&cursor={cursor}")).await?);
    assert_eq!(ids(&rest).len() + 10, ids(&all).len());
    let broken = api.get(&format!("{path}&paginate=true&cursor=nonsense")).await?;
    broken.api_error(400, "invalid_cursor");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pagination_ends_when_its_key_is_revoked(pool: PgPool) -> anyhow::Result<()> {
    let (app, _, mut provider) = with_provider(pool).await?;
    let accounts = app.home.api.get("integrated-accounts").await?.success()?;
    let account = accounts.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let issued = app.home.admin.post(&tokens, &json!({"scopes": ["proxy"]})).await?.created()?;
    let token = issued.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let id = issued.pointer("/result/id").and_then(Value::as_str).context("no id")?;
    let client = app.anonymous()?.with("authorization", &bearer(token))?;
    let list = client.open(Method::GET, "proxy/scim/v2/Paged?paginate=true", None).await?;
    let revoking = async {
        // The second page is requested, and waits for the test.
        let is_second = |seen: &Option<(Method, String, HeaderMap)>| {
            seen.as_ref().is_some_and(|(_, target, _)| target.contains("startIndex=3"))
        };
        provider.seen.wait_for(is_second).await?;
        let revoked = app.home.admin.delete(&format!("{tokens}/{id}")).await?;
        provider.go.notify_one();
        anyhow::Ok(revoked.status)
    };
    let (text, revoked) = tokio::join!(list.text(), revoking);
    let text = text?;
    assert_eq!(revoked?, 200);
    let rows: Vec<Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    let ids: Vec<_> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "4"], "{text}");
    let error = rows.last().context("no rows")?;
    assert_eq!(error["error"]["type"], "/problems/unauthorized", "{text}");
    Ok(())
}
