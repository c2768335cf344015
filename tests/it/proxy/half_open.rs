//! The circuit breaker of a host: the call that probes a half-open circuit is sent immediately. A call that waits for
//! its permit or its token blocks no other call to a host that has recovered.

use std::future::IntoFuture as _;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use axum::{Json, Router};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::support::{Client, TestApp};
use crate::tokens::endpoint::{Endpoint, account, return_to_callback};

/// Longer than the circuit stays open.
const MAX_WAIT: Duration = Duration::from_secs(20);
const CALL: &str = "proxy/scim/v2/Users";

async fn client(app: &TestApp, tenant: &str) -> anyhow::Result<Client> {
    assert_eq!(return_to_callback(app, tenant, &format!("code-{tenant}")).await?, 200);
    let account = account(app, tenant).await?;
    app.client_for(account.get("id").and_then(Value::as_str).context("no id")?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_call_that_waits_for_its_token_does_not_block_the_probe(
    pool: PgPool,
) -> anyhow::Result<()> {
    let closed = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = closed.local_addr()?;
    let (app, endpoint) = Endpoint::start_with(pool, |setup| {
        setup.config.slack_enterprise.api_url = format!("http://{address}");
    })
    .await?;
    let (waits, ready) = (client(&app, "waits").await?, client(&app, "ready").await?);
    drop(closed);
    for response in join_all((0..10).map(|_| ready.get(CALL))).await {
        assert_eq!(response?.status, 502);
    }
    // Its host is back, and no call has probed it yet.
    let back = TcpListener::bind(address).await?;
    let list = json!({"totalResults": 0, "Resources": []});
    let router = Router::new().fallback(async || Json(list));
    TaskTracker::new().spawn(axum::serve(back, router).into_future());

    app.clock.advance(time::Duration::hours(13));
    ready.get("proxy/api/team.info").await?.success()?;
    let delayed = endpoint.delay("refresh-code-waits");
    let waits = waits.with("prefer", "wait=60")?;
    let mut waiting = pin!(async {
        loop {
            let response = waits.get(CALL).await?;
            // The circuit stays open for some seconds.
            if response.status != 502 {
                return anyhow::Ok(response);
            }
        }
    });
    tokio::select! {
        ended = &mut waiting => anyhow::bail!("it did not wait: {}", ended?.text),
        received = timeout(MAX_WAIT, delayed.requested()) => received?,
    }
    // It passed the breaker and waits for its token: another call probes the host.
    ready.get(CALL).await?.success()?;
    delayed.release();
    waiting.await?.success()?;
    Ok(())
}
