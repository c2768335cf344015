//! A token endpoint that times out is called once, and then not called for all accounts of the provider app.

use anyhow::Context as _;
use futures_util::future::try_join_all;
use serde_json::Value;
use sqlx::PgPool;
use time::Duration;

use super::endpoint::{Endpoint, NEVER_RESPONDS, Reply, account, return_to_callback};
use crate::support::{ApiResponse, TestApp};

async fn call(app: &TestApp, tenant: &str) -> anyhow::Result<ApiResponse> {
    let account = account(app, tenant).await?;
    let id = account.get("id").and_then(Value::as_str).context("no id")?;
    app.client_for(id)?.get("users?limit=1").await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_hanging_token_endpoint_is_called_once_and_pauses_the_app(
    pool: PgPool,
) -> anyhow::Result<()> {
    let change = |setup: &mut crate::support::Setup| {
        setup.config.upstream.response_timeout_s = 1.0;
    };
    let (app, endpoint) = Endpoint::start_with(pool, change).await?;
    let app = &app;
    let tenants = ["t1", "t2", "t3", "t4"];
    for tenant in tenants {
        assert_eq!(return_to_callback(app, tenant, &format!("code-{tenant}")).await?, 200);
        let hangs = Reply { status: NEVER_RESPONDS, kind: "", body: String::new() };
        endpoint.script(&format!("refresh-code-{tenant}"), hangs);
    }
    app.clock.advance(Duration::hours(13));
    for response in try_join_all(tenants[..3].iter().map(|tenant| call(app, tenant))).await? {
        let problem = response.problem(502, "provider_error");
        assert_eq!(problem.pointer("/provider/error"), Some(&Value::from("provider_timeout")));
        assert!(!response.header("retry-after").is_empty());
    }
    let called = |tenant: &str| endpoint.count(&format!("refresh-code-{tenant}"));
    assert_eq!(tenants.map(called), [1, 1, 1, 0], "once each");
    let response = call(app, "t4").await?;
    response.problem(502, "provider_error");
    let pause: u64 = response.header("retry-after").parse()?;
    assert!((1..=5).contains(&pause), "{pause}");
    assert_eq!(called("t4"), 0, "the endpoint is left alone");
    for tenant in tenants {
        assert_eq!(account(app, tenant).await?["status"], "active");
    }
    Ok(())
}
