//! Quotas of in-flight requests per environment: above its quota only that environment is rejected.

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{LONG_TIMEOUT, send};
use crate::support::{Script, TestApp};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_only_the_environment_that_exceeds_its_quota(pool: PgPool) -> anyhow::Result<()> {
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
    let rejected = async {
        loop {
            // Waits for its body in a slot, unless the request below had the last one.
            waiting.push(send(&app.base_url, &head).await?);
            let response = app.home.api.get("integrated-accounts").await?;
            if response.status != 200 {
                return anyhow::Ok(response);
            }
        }
    };
    let rejected =
        tokio::time::timeout(LONG_TIMEOUT, rejected).await.context("never rejected")??;
    rejected.problem(503, "environment_overloaded");
    assert_eq!(rejected.header("retry-after"), "1");
    for _ in 0..4 {
        other.api.get("integrated-accounts").await?.success()?;
    }
    let metrics = app.anonymous()?.get("metrics").await?.text;
    let counted = metrics.lines().find_map(|line| {
        line.strip_prefix("switchboard_quota_refusals_total{quota=\"requests\"} ")
    });
    assert!(counted.is_some_and(|count| count != "0"), "{metrics}");
    drop(waiting);
    let admitted = async {
        while app.home.api.get("integrated-accounts").await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(LONG_TIMEOUT, admitted).await.context("never admitted")?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn followers_of_the_feed_leave_slots_to_other_environments(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.server.max_requests = 4;
        setup.config.database.lock_timeout_s = LONG_TIMEOUT.as_secs_f64();
        setup.config.database.statement_timeout_s = LONG_TIMEOUT.as_secs_f64();
    })
    .await?;
    let other = app.tenant("other").await?;
    app.link("acme").await?;
    // Reads of the feed wait for this lock.
    let mut holder = app.pool.begin().await?;
    sqlx::query("lock table events in access exclusive mode").execute(&mut *holder).await?;
    let mut followers: FuturesUnordered<_> =
        (0..3).map(|_| app.home.api.get("events?limit=1000")).collect();
    let first =
        tokio::time::timeout(LONG_TIMEOUT, followers.next()).await.context("none was rejected")?;
    let rejected = first.context("no follower")??;
    rejected.problem(503, "environment_overloaded");
    assert_eq!(rejected.header("retry-after"), "1");
    other.api.get("integrated-accounts").await?.success()?;
    holder.rollback().await?;
    while let Some(page) = followers.next().await {
        assert_ne!(page?.success()?["result_count"], 0);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn waiting_calls_leave_slots_to_others(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let other = app.tenant("other").await?;
    let slow = app.link("acme").await?;
    app.clock.advance(time::Duration::hours(13));
    app.sandbox.advance_clock(time::Duration::hours(13));
    let fresh = app.link_in(&other, "globex").await?;
    let (url, provider) = app
        .through_fault_proxy(|config| {
            config.server.max_requests = 16;
            config.quotas.waiting_share = 0.125;
        })
        .await?;
    provider.set("/api/oauth.v2.access", Script::Hang);
    let waits = app.client_for(&slow)?.at(url.clone()).with("prefer", "wait=30")?;
    // Two wait for a refresh; a third one is rejected, and nothing else ends before their wait does.
    let mut calls: FuturesUnordered<_> = (0..3).map(|_| waits.get("users?limit=1")).collect();
    let first =
        tokio::time::timeout(LONG_TIMEOUT, calls.next()).await.context("none was rejected")?;
    let rejected = first.context("no call")??;
    rejected.problem(503, "environment_overloaded");
    assert_eq!(rejected.header("retry-after"), "1");
    waits.get("proxy/api/users.info").await?.api_error(503, "environment_overloaded");
    // Calls that need not wait succeed, here and in other environments.
    waits.get("integrated-accounts").await?.success()?;
    let other = other.api.at(url.clone()).with("x-integrated-account-id", &fresh)?;
    other.get("users?limit=1").await?.success()?;
    let metrics = app.anonymous()?.at(url).get("metrics").await?.text;
    let counted = r#"switchboard_quota_refusals_total{quota="waiting_calls"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_operations_of_a_batch_share_its_slot(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.quotas.request_share = 0.000_001).await?;
    let api = app.linked_client().await?;
    let roles = json!({"method": "GET", "path": "/roles"});
    let batch = json!({"operations": [roles, roles, roles], "concurrency": 3});
    let response = api.post("batch", &batch).await?.success()?;
    assert_eq!(response["succeeded"], 3, "{response}");
    let rows = api.get("proxy/api/admin.users.list?limit=50&paginate=true").await?;
    assert!(rows.status == 200 && !rows.text.contains("\"error\""), "{}", rows.text);
    Ok(())
}
