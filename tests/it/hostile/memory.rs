//! A customer's server with large responses: its own callers are rejected, the others are not affected.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{link_scim, open_app, rewriting};
use crate::support::TestApp;

/// A SCIM list with one row of many small numbers, which would take fifty times its size as parsed values.
fn numbers(bytes: usize) -> String {
    let row = "1,".repeat(bytes / 2);
    format!(r#"{{"totalResults":1,"Resources":[[{row}1]]}}"#)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_response_beyond_the_maximum_of_a_customers_server(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (_, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&link_scim(&app, &fault_proxy).await?)?;
    fault_proxy.set("", rewriting(|_| numbers(9 << 20)));
    let rejected = api.get("users?limit=10").await?;
    rejected.problem(502, "provider_error");
    assert!(rejected.text.contains("max_named_response_bytes"), "{}", rejected.text);
    assert_eq!(app.state.memory.in_flight(), 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn large_responses_of_one_tenant_leave_memory_to_others(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.server.max_bytes_in_flight = 24 << 20;
        setup.config.server.max_environment_bytes_in_flight = 8 << 20;
    })
    .await?;
    let other = app.tenant("other").await?;
    let account = app.link_in(&other, "other").await?;
    let theirs = other.api.clone().with("x-integrated-account-id", &account)?;
    let (_, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
    let ours = app.client_for(&link_scim(&app, &fault_proxy).await?)?;
    fault_proxy.set("", rewriting(|_| numbers(2 << 20)));
    let hostile = join_all((0..16).map(|_| ours.get("users?limit=10&include_remote_data=true")));
    let good = join_all((0..16).map(|_| theirs.get("users?limit=50")));
    let (hostile, good) = tokio::join!(hostile, good);
    for response in good {
        response?.success()?;
    }
    for response in hostile {
        let response = response?;
        if response.status == 503 {
            response.problem(503, "overloaded");
            assert!(response.headers.contains_key("retry-after"));
        } else {
            response.problem(502, "provider_error");
        }
    }
    assert_eq!(app.state.memory.in_flight(), 0, "all of it is released");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_response_beyond_the_quota_of_its_environment(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.server.max_environment_bytes_in_flight = 2 << 20;
    })
    .await?;
    let (_, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&link_scim(&app, &fault_proxy).await?)?;
    api.get("users?limit=10").await?.success()?;
    fault_proxy.set("", rewriting(|_| numbers(1 << 20)));
    let rejected = api.get("users?limit=10").await?;
    rejected.problem(503, "overloaded");
    assert!(rejected.headers.contains_key("retry-after"));
    fault_proxy.clear();
    api.get("users?limit=10").await?.success()?;
    assert_eq!(app.state.memory.in_flight(), 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_responses_of_a_batch_count_as_bytes_in_flight(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.server.max_environment_bytes_in_flight = 6 << 20;
    })
    .await?;
    let (_, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&link_scim(&app, &fault_proxy).await?)?;
    let note = "x".repeat(400 << 10);
    let page = format!(
        r#"{{"totalResults":1,"Resources":[{{"id":"U1","userName":"u","note":"{note}"}}]}}"#
    );
    fault_proxy.set("", rewriting(move |_| page.clone()));
    let query = json!({"limit": "10", "include_remote_data": "true"});
    let operations = vec![json!({"method": "GET", "path": "/users", "query": query}); 40];
    let done = api.post("batch", &json!({"operations": operations})).await?.success()?;
    let kinds: BTreeSet<&str> = done["result"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one.pointer("/body/type").and_then(Value::as_str))
        .collect();
    assert!(done["succeeded"].as_u64() >= Some(4), "{:.600}", done.to_string());
    // The responses that have arrived leave no memory to the remaining operations.
    let expected = BTreeSet::from(["/problems/batch_too_large", "/problems/overloaded"]);
    assert!(!kinds.is_empty() && kinds.is_subset(&expected), "{kinds:?}");
    assert_eq!(app.state.memory.in_flight(), 0, "all of it is released");
    Ok(())
}
