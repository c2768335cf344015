//! Reads of providers with odd responses: each is right, or it says what was odd.

use anyhow::Context as _;
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::odd::{Expected, Row, rows};
use super::{Ids, PATIENCE, Stage, TOGETHER, ids, open_app, told};
use crate::support::{Answer, TestApp};

/// What is read of Slack; `{user}`, `{team}`, `{group}` and `{role}` stand for ids that are there.
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
/// What is read of a directory of SCIM.
const SCIM: &[&str] = &["users?limit=40", "users/{user}", "groups?limit=5", "groups/{group}"];

impl Stage {
    /// Every read of both accounts, by name.
    async fn read(&self, ids: &Ids) -> anyhow::Result<Vec<(String, Answer)>> {
        let slack = SLACK.iter().map(|path| ("slack", &self.slack, *path));
        let scim = SCIM.iter().map(|path| ("scim", &self.scim, *path));
        let reads = slack.chain(scim).map(|(name, api, path)| async move {
            let name = format!("{name} {path}");
            let read = tokio::time::timeout(PATIENCE, api.get(&ids.path(path))).await;
            let read = read.with_context(|| format!("{name} has no end"))??;
            anyhow::Ok((name, read))
        });
        try_join_all(reads).await
    }
}

/// What of a response must stay the same: its rows, and whether there are more.
fn content(answer: &Answer) -> Value {
    let goes_on = answer.body.get("next_cursor").is_some_and(Value::is_string);
    json!([answer.body.get("result"), goes_on])
}

fn is_empty(answer: &Answer) -> bool {
    match answer.body.get("result") {
        Some(Value::Array(rows)) => {
            rows.is_empty() && !answer.body.get("next_cursor").is_some_and(Value::is_string)
        }
        Some(other) => other.is_null(),
        None => answer.text.trim().is_empty(),
    }
}

/// Holds a response against what is expected of it; gives whether it was another one than usual.
fn judge(row: &Row, name: &str, usual: &Answer, answer: &Answer) -> anyhow::Result<bool> {
    let text = answer.text.get(..600).unwrap_or(&answer.text);
    let place = format!("{} / {name}: {} {text}", row.name, answer.status);
    anyhow::ensure!(answer.status != 500, "{place}");
    if name.contains("proxy/") {
        // Raw rows are the provider's own, odd as they are; a refusal has its shape, too.
        anyhow::ensure!(!is_empty(answer), "empty: {place}");
        return Ok(false);
    }
    let is_problem = answer.status >= 400;
    if is_problem {
        let kind = answer.header("content-type");
        anyhow::ensure!(kind.starts_with("application/problem+json"), "{place}");
        let kind = answer.body.get("type").and_then(Value::as_str);
        anyhow::ensure!(kind != Some("/problems/account_needs_reauth"), "{place}");
    }
    let said = told(answer);
    let is_silent = said.is_none();
    anyhow::ensure!(!is_empty(answer) || !is_silent, "empty: {place}");
    let is_usual = answer.status == usual.status && content(answer) == content(usual) && is_silent;
    match row.expected {
        Expected::Same => anyhow::ensure!(is_usual, "another response: {place}"),
        Expected::Read => anyhow::ensure!(!is_problem && is_silent, "it can be read: {place}"),
        Expected::Told(what) => {
            let tells = said.as_deref().is_some_and(|said| said.contains(what));
            anyhow::ensure!(is_usual || tells, "does not tell of {what:?}: {place}");
        }
        Expected::Clear => {
            anyhow::ensure!(!is_problem || said.is_some_and(|said| said.len() > 20), "{place}");
        }
    }
    Ok(!is_usual)
}

/// Tries a row on every read; gives what is not as it should be.
async fn try_row(
    app: &TestApp,
    slack: &str,
    ids: &Ids,
    usual: &[(String, Answer)],
    row: Row,
) -> anyhow::Result<Vec<String>> {
    let stage = Stage::set(app, slack, Some(&row.script)).await?;
    stage.middleman.set("", row.script.clone());
    let reads = stage.read(ids).await.context(row.name)?;
    let (mut wrong, mut changed) = (Vec::new(), 0);
    for ((name, usual), (_, answer)) in usual.iter().zip(&reads) {
        match judge(&row, name, usual, answer) {
            Ok(is_changed) => changed += usize::from(is_changed),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if matches!(row.expected, Expected::Told(_)) && changed == 0 {
        wrong.push(format!("{}: no response tells of it", row.name));
    }
    stage.assert_active(app, row.name).await?;
    Ok(wrong)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_are_right_or_say_what_is_odd(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let slack = app.link("acme").await?;
    let ids = ids(&app.on(&slack)?).await?;
    let usual = Stage::set(&app, &slack, None).await?.read(&ids).await?;
    for (name, answer) in &usual {
        anyhow::ensure!(answer.status == 200 && !is_empty(answer), "{name}: {}", answer.text);
    }
    let tried = stream::iter(rows()).map(|row| try_row(&app, &slack, &ids, &usual, row));
    let tried: Vec<_> = tried.buffer_unordered(TOGETHER).collect().await;
    let mut wrong = Vec::new();
    for tried in tried {
        wrong.extend(tried?);
    }
    anyhow::ensure!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
