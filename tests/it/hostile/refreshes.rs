//! Token endpoints with odd responses: the new tokens are taken, or it is said what was odd; no grant is lost.

use anyhow::Context as _;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::odd::{Expected, Row, rows};
use super::{PATIENCE, Stage, TOGETHER, open_app, told};
use crate::support::{Client, TestApp};

/// The path of the token endpoint.
const ENDPOINT: &str = "oauth.v2.access";

/// Renews the tokens of an account of its own while the token endpoint is odd; gives the account.
async fn try_row(app: &TestApp, number: usize, row: &Row) -> anyhow::Result<Client> {
    let account = app.link(&format!("odd{number}")).await?;
    let stage = Stage::set(app, &account, Some(&row.script)).await?;
    stage.middleman.set(ENDPOINT, row.script.clone());
    let path = format!("integrated-accounts/{account}/refresh");
    let body = json!({});
    let odd = tokio::time::timeout(PATIENCE, stage.slack.post(&path, &body));
    let odd = odd.await.context("it has no end")??;
    let place = format!("{} {}", odd.status, odd.text);
    match row.expected {
        Expected::Same | Expected::Read => anyhow::ensure!(odd.status == 200, "{place}"),
        Expected::Told(_) | Expected::Clear => {
            let kind = odd.body.get("type").and_then(Value::as_str);
            let is_ended = kind == Some("/problems/account_needs_reauth");
            anyhow::ensure!(odd.status != 500 && !is_ended, "{place}");
            let is_told = told(&odd).is_some_and(|said| said.len() > 20);
            anyhow::ensure!(odd.status == 200 || is_told, "{place}");
        }
    }
    app.on(&account)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refreshes_take_what_is_there_or_say_what_is_odd(pool: PgPool) -> anyhow::Result<()> {
    let app = &open_app(pool).await?;
    let named = |row: &Row, error: anyhow::Error| format!("{}: {error:#}", row.name);
    let rows = rows();
    let tried = stream::iter(rows.iter().enumerate())
        .map(|(number, row)| async move { (row, try_row(app, number, row).await) });
    let tried: Vec<_> = tried.buffer_unordered(TOGETHER).collect().await;
    // Beyond the pause that a failed refresh leaves.
    app.clock.advance(Duration::minutes(5));
    let mut wrong = Vec::new();
    for (row, tried) in tried {
        let again = async { tried?.get("users?limit=1").await?.okay() };
        wrong.extend(again.await.err().map(|error| named(row, error)));
    }
    anyhow::ensure!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
