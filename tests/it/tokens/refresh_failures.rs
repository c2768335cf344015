//! Every failure of a refresh: the caller's error, and the account's status.

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::domain::ids::ProviderAppId;
use switchboard::sandbox::{Fault, FaultKind};
use switchboard::vault::secret::ClientSecret;
use time::Duration;

use super::{advance, status};
use crate::support::{Client, ClosedPort, TestApp};

/// Expected error on every interface: the status, the problem, and the code of the provider or ours.
async fn check_callers(
    api: &Client,
    account: &str,
    expected: (u16, &str),
    code: &str,
) -> anyhow::Result<()> {
    for path in ["users?limit=1", "proxy/api/auth.test"] {
        let response = api.get(path).await?;
        response.api_error(expected.0, expected.1);
        let reported = response.body.pointer("/provider/error");
        assert!(
            path.starts_with("proxy") || reported == Some(&code.into()),
            "{path}: {}",
            response.text
        );
        let pause = if expected.0 == 502 { "1" } else { "" };
        assert_eq!(response.header("retry-after"), pause, "{path}: {}", response.text);
    }
    let path = format!("integrated-accounts/{account}/refresh");
    api.post(&path, &json!({})).await?.problem(expected.0, expected.1);
    Ok(())
}

/// Expected event.
async fn check_event(app: &TestApp) -> anyhow::Result<Vec<Value>> {
    let events = app.home.api.get("events?limit=100").await?.success()?;
    let events = events.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut failed: Vec<Value> = events
        .into_iter()
        .filter(|event| event["type"] == "integrated_account.refresh_failed")
        .map(|event| event.pointer("/data/reason").cloned().unwrap_or_default())
        .collect();
    failed.dedup();
    Ok(failed)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn distinguishes_a_server_error_from_a_lost_response(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let mut expected = Vec::new();
    for (kind, code) in [
        (FaultKind::Html, "provider_down"),
        (FaultKind::ServerError, "provider_down"),
        (FaultKind::RateLimited, "provider_down"),
        (FaultKind::LostResponse, "response_lost"),
        (FaultKind::CutBody, "response_lost"),
    ] {
        advance(&app, Duration::hours(13));
        let called = app.calls("oauth.v2.access");
        app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", kind, 1_000));
        check_callers(&api, &account, (502, "provider_error"), code).await?;
        assert_eq!(
            app.calls("oauth.v2.access") - called,
            3,
            "{kind:?}: only the first caller sends a refresh"
        );
        assert_eq!(status(&app, &account).await?, "active", "{kind:?}");
        app.sandbox.clear_faults();
        advance(&app, Duration::seconds(1));
        for path in ["users?limit=1", "proxy/api/auth.test"] {
            api.get(path).await?.success()?;
        }
        assert_eq!(app.calls("oauth.v2.access") - called, 4, "{kind:?}");
        expected.push(code);
    }
    expected.dedup();
    assert_eq!(check_event(&app).await?, expected);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_an_unreachable_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    // Another gateway on the same database, whose provider URL has no server.
    let closed = ClosedPort::reserve()?;
    let mut config = app.config.clone();
    config.slack_enterprise.web_url = format!("http://{}", closed.address()?);
    let base_url = app.second_gateway(&config).await?.0;
    advance(&app, Duration::hours(13));
    let api = app.client_for(&account)?;
    let cut_off = api.clone().at(base_url);
    check_callers(&cut_off, &account, (502, "provider_error"), "provider_unreachable").await?;
    assert_eq!(status(&app, &account).await?, "active");
    assert_eq!(check_event(&app).await?, ["provider_unreachable"]);
    advance(&app, Duration::seconds(1));
    api.get("users?limit=1").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_invalid_client_secret_loses_no_grant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let right = replace_secret(&app, "changed-secret").await?;
    advance(&app, Duration::hours(13));
    let before = app.calls("oauth.v2.access");
    check_callers(&api, &account, (409, "provider_app_refused"), "bad_client_secret").await?;
    assert_eq!(app.calls("oauth.v2.access") - before, 1, "called once for all three calls");
    assert_eq!(status(&app, &account).await?, "active");
    assert_eq!(check_event(&app).await?, ["bad_client_secret"]);
    // A change of the app ends the backoff.
    sqlx::query("update provider_apps set data_key = $1, client_secret = $2, updated_at = $3")
        .bind(right.0)
        .bind(right.1)
        .bind(app.clock.now())
        .execute(&app.pool)
        .await?;
    api.get("users?limit=1").await?.success()?;
    Ok(())
}

/// Replaces the app's secret; returns the row's previous key and secret.
pub(super) async fn replace_secret(
    app: &TestApp,
    secret: &str,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let (id, key, old): (String, Vec<u8>, Vec<u8>) =
        sqlx::query_as("select provider_app_id, data_key, client_secret from provider_apps")
            .fetch_one(&app.pool)
            .await?;
    let id: ProviderAppId = id.parse()?;
    let secret = ClientSecret::from(secret.to_owned());
    let vault = &app.state.vault;
    let sealed = vault.seal_app(app.home.environment_id, id, &secret, None)?;
    sqlx::query("update provider_apps set data_key = $1, client_secret = $2")
        .bind(sealed.data_key.bytes)
        .bind(sealed.client_secret.0)
        .execute(&app.pool)
        .await?;
    Ok((key, old))
}
