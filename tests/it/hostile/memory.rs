//! A customer's server that sends as much as it can: its own callers are refused, the others go on.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{changing, link_scim, open_app};
use crate::support::TestApp;

/// A list of SCIM with one row of many small numbers: parsed into values, they would take fifty times their room.
fn numbers(bytes: usize) -> String {
    let row = "1,".repeat(bytes / 2);
    format!(r#"{{"totalResults":1,"Resources":[[{row}1]]}}"#)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refuses_a_response_larger_than_a_customers_server_may_send(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (_, middleman) = app.through_middleman(|_| {}).await?;
    let api = app.on(&link_scim(&app, &middleman).await?)?;
    middleman.set("", changing(|_| numbers(9 << 20)));
    let refused = api.get("users?limit=10").await?;
    refused.problem(502, "provider_error");
    assert!(refused.text.contains("max_named_response_bytes"), "{}", refused.text);
    assert_eq!(app.state.memory.in_flight(), 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn large_responses_of_one_tenant_leave_memory_to_the_others(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.server.max_bytes_in_flight = 24 << 20;
        setup.config.server.max_environment_bytes_in_flight = 8 << 20;
    })
    .await?;
    let other = app.tenant("other").await?;
    let account = app.link_in(&other, "other").await?;
    let theirs = other.api.clone().with("x-integrated-account-id", &account)?;
    let (_, middleman) = app.through_middleman(|_| {}).await?;
    let ours = app.on(&link_scim(&app, &middleman).await?)?;
    middleman.set("", changing(|_| numbers(2 << 20)));
    let hostile = join_all((0..16).map(|_| ours.get("users?limit=10&include_remote_data=true")));
    let good = join_all((0..16).map(|_| theirs.get("users?limit=50")));
    let (hostile, good) = tokio::join!(hostile, good);
    for answer in good {
        answer?.okay()?;
    }
    for answer in hostile {
        let answer = answer?;
        if answer.status == 503 {
            answer.problem(503, "overloaded");
            assert!(answer.headers.contains_key("retry-after"));
        } else {
            answer.problem(502, "provider_error");
        }
    }
    assert_eq!(app.state.memory.in_flight(), 0, "all of it is given back");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refuses_a_response_beyond_the_share_of_its_environment(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.server.max_environment_bytes_in_flight = 2 << 20;
    })
    .await?;
    let (_, middleman) = app.through_middleman(|_| {}).await?;
    let api = app.on(&link_scim(&app, &middleman).await?)?;
    api.get("users?limit=10").await?.okay()?;
    middleman.set("", changing(|_| numbers(1 << 20)));
    let refused = api.get("users?limit=10").await?;
    refused.problem(503, "overloaded");
    assert!(refused.headers.contains_key("retry-after"));
    middleman.clear();
    api.get("users?limit=10").await?.okay()?;
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
    let (_, middleman) = app.through_middleman(|_| {}).await?;
    let api = app.on(&link_scim(&app, &middleman).await?)?;
    let note = "x".repeat(400 << 10);
    let page = format!(
        r#"{{"totalResults":1,"Resources":[{{"id":"U1","userName":"u","note":"{note}"}}]}}"#
    );
    middleman.set("", changing(move |_| page.clone()));
    let query = json!({"limit": "10", "include_remote_data": "true"});
    let operations = vec![json!({"method": "GET", "path": "/users", "query": query}); 40];
    let done = api.post("batch", &json!({"operations": operations})).await?.okay()?;
    let kinds: BTreeSet<&str> = done["result"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one.pointer("/body/type").and_then(Value::as_str))
        .collect();
    assert!(done["succeeded"].as_u64() >= Some(4), "{:.600}", done.to_string());
    // The responses that are there leave no memory to the operations behind them.
    let expected = BTreeSet::from(["/problems/batch_too_large", "/problems/overloaded"]);
    assert!(!kinds.is_empty() && kinds.is_subset(&expected), "{kinds:?}");
    assert_eq!(app.state.memory.in_flight(), 0, "all of it is given back");
    Ok(())
}
