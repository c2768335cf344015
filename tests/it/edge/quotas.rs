//! What one environment may use of the gateway: beyond it that environment alone is refused.

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{LONG, send};
use crate::support::{Script, TestApp};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_environment_beyond_its_share_is_refused_alone(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_requests = 8).await?;
    let other = app.tenant("other").await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}/tokens");
    let token = app.home.admin.post(&path, &json!({})).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let mut waiting = Vec::new();
    let refused = async {
        loop {
            // Awaits its body in a place, unless the request below had the last one.
            waiting.push(send(&app.base_url, &head).await?);
            let answer = app.home.api.get("integrated-accounts").await?;
            if answer.status != 200 {
                return anyhow::Ok(answer);
            }
        }
    };
    let refused = tokio::time::timeout(LONG, refused).await.context("never refused")??;
    refused.problem(503, "environment_overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    for _ in 0..4 {
        other.api.get("integrated-accounts").await?.okay()?;
    }
    let metrics = app.nobody()?.get("metrics").await?.text;
    let counted = metrics.lines().find_map(|line| {
        line.strip_prefix("switchboard_quota_refusals_total{quota=\"requests\"} ")
    });
    assert!(counted.is_some_and(|count| count != "0"), "{metrics}");
    drop(waiting);
    let admitted = async {
        while app.home.api.get("integrated-accounts").await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(LONG, admitted).await.context("never admitted")?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn calls_that_wait_leave_places_to_others(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let other = app.tenant("other").await?;
    let slow = app.link("acme").await?;
    app.clock.advance(time::Duration::hours(13));
    app.sandbox.advance_clock(time::Duration::hours(13));
    let fresh = app.link_in(&other, "globex").await?;
    let (url, provider) = app
        .through_middleman(|config| {
            config.server.max_requests = 16;
            config.quotas.waiting_share = 0.125;
        })
        .await?;
    provider.set("/api/oauth.v2.access", Script::Hang);
    let waits = app.on(&slow)?.at(url.clone()).with("prefer", "wait=30")?;
    // Two wait for a refresh; a third one is refused, and nothing else ends before their wait does.
    let mut calls: FuturesUnordered<_> = (0..3).map(|_| waits.get("users?limit=1")).collect();
    let first = tokio::time::timeout(LONG, calls.next()).await.context("none was refused")?;
    let refused = first.context("no call")??;
    refused.problem(503, "environment_overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    waits.get("proxy/api/users.info").await?.refused(503, "environment_overloaded");
    // What need not wait is served, here and elsewhere.
    waits.get("integrated-accounts").await?.okay()?;
    let other = other.api.at(url.clone()).with("x-integrated-account-id", &fresh)?;
    other.get("users?limit=1").await?.okay()?;
    let metrics = app.nobody()?.at(url).get("metrics").await?.text;
    let counted = r#"switchboard_quota_refusals_total{quota="waiting_calls"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_operations_of_a_batch_are_in_its_place(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.quotas.request_share = 0.000_001).await?;
    let api = app.linked().await?;
    let roles = json!({"method": "GET", "path": "/roles"});
    let batch = json!({"operations": [roles, roles, roles], "concurrency": 3});
    let answer = api.post("batch", &batch).await?.okay()?;
    assert_eq!(answer["succeeded"], 3, "{answer}");
    let rows = api.get("proxy/api/admin.users.list?limit=50&paginate=true").await?;
    assert!(rows.status == 200 && !rows.text.contains("\"error\""), "{}", rows.text);
    Ok(())
}
