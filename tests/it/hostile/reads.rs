//! Reads of providers with malformed responses: each is right, or it names the fault.

use anyhow::Context as _;
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::malformed::{Expected, Row, rows};
use super::{Ids, MAX_CONCURRENT_ROWS, RESPONSE_TIMEOUT, Scenario, ids, open_app, reported};
use crate::support::{ApiResponse, TestApp};

/// Reads of Slack; `{user}`, `{team}`, `{group}` and `{role}` stand for existing ids.
const SLACK: &[&str] = &[
    "users?limit=40",
    "users?limit=3&expand[]=profile&expand[]=roles",
    "users?limit=40&role[id]=ws:admin",
    "users?limit=40&updated_at[gt]=2001-01-01T00:00:00Z",
    "users/{user}",
    "workspaces?limit=2&expand[]=owners&expand[]=settings",
    "workspaces/{team}",
    "groups?limit=5",
    "groups/{group}",
    "groups/{group}/members",
    "roles",
    "role-assignments?limit=40",
    "role-assignments?limit=40&role[id]=ws:owner",
    "role-assignments?user[id]={user}",
    "role-assignments/{role}",
    "me",
    "proxy/api/admin.users.list?limit=50&paginate=true",
    "proxy/scim/v2/Users?count=50&paginate=true",
];
/// Reads of a SCIM directory.
const SCIM: &[&str] = &["users?limit=40", "users/{user}", "groups?limit=5", "groups/{group}"];

impl Scenario {
    /// Returns every read of both accounts, by name.
    async fn read(&self, ids: &Ids) -> anyhow::Result<Vec<(String, ApiResponse)>> {
        let slack = SLACK.iter().map(|path| ("slack", &self.slack, *path));
        let scim = SCIM.iter().map(|path| ("scim", &self.scim, *path));
        let reads = slack.chain(scim).map(|(name, api, path)| async move {
            let name = format!("{name} {path}");
            let read = tokio::time::timeout(RESPONSE_TIMEOUT, api.get(&ids.path(path))).await;
            let read = read.with_context(|| format!("{name} is endless"))??;
            anyhow::Ok((name, read))
        });
        try_join_all(reads).await
    }
}

/// Returns the part of a response that must not change: its rows, and whether there are more. The address of the server,
/// which is another one for each row of the table, is left out.
fn content(response: &ApiResponse) -> String {
    let goes_on = response.body.get("next_cursor").is_some_and(Value::is_string);
    let text = json!([response.body.get("result"), goes_on]).to_string();
    let mut parts = text.split("http://127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    let without_port =
        |part: &str| part.trim_start_matches(|one: char| one.is_ascii_digit()).to_owned();
    first + &parts.map(without_port).collect::<String>()
}

fn is_empty(response: &ApiResponse) -> bool {
    match response.body.get("result") {
        Some(Value::Array(rows)) => {
            rows.is_empty() && !response.body.get("next_cursor").is_some_and(Value::is_string)
        }
        Some(other) => other.is_null(),
        None => response.text.trim().is_empty(),
    }
}

/// Checks a response against the expected result; returns whether it differs from the usual one.
fn check(
    row: &Row,
    name: &str,
    usual: &ApiResponse,
    response: &ApiResponse,
) -> anyhow::Result<bool> {
    let text = response.text.get(..600).unwrap_or(&response.text);
    let place = format!("{} / {name}: {} {text}", row.name, response.status);
    anyhow::ensure!(response.status != 500, "{place}");
    if name.contains("proxy/") {
        // Raw rows are passed through malformed; a rejection has their shape, too.
        anyhow::ensure!(!is_empty(response), "empty: {place}");
        return Ok(false);
    }
    let is_problem = response.status >= 400;
    if is_problem {
        let kind = response.header("content-type");
        anyhow::ensure!(kind.starts_with("application/problem+json"), "{place}");
        let kind = response.body.get("type").and_then(Value::as_str);
        anyhow::ensure!(kind != Some("/problems/account_needs_reauth"), "{place}");
    }
    let output = reported(response);
    let is_silent = output.is_none();
    anyhow::ensure!(!is_empty(response) || !is_silent, "empty: {place}");
    let is_usual =
        response.status == usual.status && content(response) == content(usual) && is_silent;
    match row.expected {
        Expected::Unchanged => anyhow::ensure!(is_usual, "another response: {place}"),
        Expected::Readable => anyhow::ensure!(!is_problem && is_silent, "it can be read: {place}"),
        Expected::Reported(what) => {
            let is_named = output.as_deref().is_some_and(|output| output.contains(what));
            anyhow::ensure!(is_usual || is_named, "does not contain {what:?}: {place}");
        }
        Expected::Problem => {
            anyhow::ensure!(
                !is_problem || output.is_some_and(|output| output.len() > 20),
                "{place}"
            );
        }
    }
    Ok(!is_usual)
}

/// Runs a row against every read; returns the failures.
async fn try_row(
    app: &TestApp,
    slack: &str,
    ids: &Ids,
    usual: &[(String, ApiResponse)],
    row: Row,
) -> anyhow::Result<Vec<String>> {
    let scenario = Scenario::set(app, slack, Some(&row.script)).await?;
    scenario.fault_proxy.set("", row.script.clone());
    let reads = scenario.read(ids).await.context(row.name)?;
    let (mut wrong, mut changed) = (Vec::new(), 0);
    for ((name, usual), (_, response)) in usual.iter().zip(&reads) {
        match check(&row, name, usual, response) {
            Ok(is_changed) => changed += usize::from(is_changed),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if matches!(row.expected, Expected::Reported(_)) && changed == 0 {
        wrong.push(format!("{}: no response differs", row.name));
    }
    scenario.assert_active(app, row.name).await?;
    Ok(wrong)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_are_right_or_name_the_malformed_response(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let slack = app.link("acme").await?;
    let ids = ids(&app.client_for(&slack)?).await?;
    let usual = Scenario::set(&app, &slack, None).await?.read(&ids).await?;
    for (name, response) in &usual {
        anyhow::ensure!(response.status == 200 && !is_empty(response), "{name}: {}", response.text);
    }
    let tried = stream::iter(rows()).map(|row| try_row(&app, &slack, &ids, &usual, row));
    let tried: Vec<_> = tried.buffer_unordered(MAX_CONCURRENT_ROWS).collect().await;
    let mut wrong = Vec::new();
    for tried in tried {
        wrong.extend(tried?);
    }
    anyhow::ensure!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
