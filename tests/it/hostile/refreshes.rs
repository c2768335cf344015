//! Token endpoints with malformed responses: the new tokens are stored, or the error names the fault; no grant is lost.

use anyhow::Context as _;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::malformed::{Expected, Row, rows};
use super::{MAX_CONCURRENT_ROWS, RESPONSE_TIMEOUT, Scenario, open_app, reported};
use crate::support::{Client, TestApp};

/// Path of the token endpoint.
const ENDPOINT: &str = "oauth.v2.access";

/// Refreshes the tokens of a new account while the token endpoint is faulty; returns the account.
async fn try_row(app: &TestApp, number: usize, row: &Row) -> anyhow::Result<Client> {
    let account = app.link(&format!("odd{number}")).await?;
    let scenario = Scenario::set(app, &account, Some(&row.script)).await?;
    scenario.fault_proxy.set(ENDPOINT, row.script.clone());
    let path = format!("integrated-accounts/{account}/refresh");
    let body = json!({});
    let malformed = tokio::time::timeout(RESPONSE_TIMEOUT, scenario.slack.post(&path, &body));
    let malformed = malformed.await.context("it is endless")??;
    let place = format!("{} {}", malformed.status, malformed.text);
    match row.expected {
        Expected::Unchanged | Expected::Readable => {
            anyhow::ensure!(malformed.status == 200, "{place}");
        }
        Expected::Reported(_) | Expected::Problem => {
            let kind = malformed.body.get("type").and_then(Value::as_str);
            let is_ended = kind == Some("/problems/account_needs_reauth");
            anyhow::ensure!(malformed.status != 500 && !is_ended, "{place}");
            let is_reported = reported(&malformed).is_some_and(|output| output.len() > 20);
            anyhow::ensure!(malformed.status == 200 || is_reported, "{place}");
        }
    }
    app.client_for(&account)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refreshes_store_the_tokens_or_name_the_malformed_response(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = &open_app(pool).await?;
    let named = |row: &Row, error: anyhow::Error| format!("{}: {error:#}", row.name);
    let rows = rows();
    let tried = stream::iter(rows.iter().enumerate())
        .map(|(number, row)| async move { (row, try_row(app, number, row).await) });
    let tried: Vec<_> = tried.buffer_unordered(MAX_CONCURRENT_ROWS).collect().await;
    // After the backoff of a failed refresh.
    app.clock.advance(Duration::minutes(5));
    let mut wrong = Vec::new();
    for (row, tried) in tried {
        let again = async { tried?.get("users?limit=1").await?.success() };
        wrong.extend(again.await.err().map(|error| named(row, error)));
    }
    anyhow::ensure!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
