//! Every way in which a token can't be renewed: what the caller learns, and what becomes of the account.

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::domain::ids::ProviderAppId;
use switchboard::sandbox::{Fault, FaultKind};
use switchboard::vault::secret::ClientSecret;
use time::Duration;

use super::{pass, status};
use crate::support::{Client, ClosedPort, TestApp};

/// What a caller is told, on every way: the status, the problem, and the code of the provider or ours.
async fn learns(
    api: &Client,
    account: &str,
    expected: (u16, &str),
    code: &str,
) -> anyhow::Result<()> {
    for path in ["users?limit=1", "proxy/api/auth.test"] {
        let answer = api.get(path).await?;
        answer.refused(expected.0, expected.1);
        let told = answer.body.pointer("/provider/error");
        assert!(path.starts_with("proxy") || told == Some(&code.into()), "{path}: {}", answer.text);
        let pause = if expected.0 == 502 { "1" } else { "" };
        assert_eq!(answer.header("retry-after"), pause, "{path}: {}", answer.text);
    }
    let path = format!("integrated-accounts/{account}/refresh");
    api.post(&path, &json!({})).await?.problem(expected.0, expected.1);
    Ok(())
}

/// What listeners are told.
async fn told(app: &TestApp) -> anyhow::Result<Vec<Value>> {
    let events = app.home.api.get("events?limit=100").await?.okay()?;
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
async fn a_provider_in_trouble_is_told_apart_from_a_lost_answer(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let mut expected = Vec::new();
    for (kind, code) in [
        (FaultKind::Html, "provider_down"),
        (FaultKind::ServerError, "provider_down"),
        (FaultKind::RateLimited, "provider_down"),
        (FaultKind::LostAnswer, "answer_lost"),
        (FaultKind::CutBody, "answer_lost"),
    ] {
        pass(&app, Duration::hours(13));
        let asked = app.calls("oauth.v2.access");
        app.sandbox.add_fault(Fault::next("oauth.v2.access", kind, 1_000));
        learns(&api, &account, (502, "provider_error"), code).await?;
        assert_eq!(
            app.calls("oauth.v2.access") - asked,
            3,
            "{kind:?}: the first caller alone asks"
        );
        assert_eq!(status(&app, &account).await?, "active", "{kind:?}");
        app.sandbox.clear_faults();
        pass(&app, Duration::seconds(1));
        for path in ["users?limit=1", "proxy/api/auth.test"] {
            api.get(path).await?.okay()?;
        }
        assert_eq!(app.calls("oauth.v2.access") - asked, 4, "{kind:?}");
        expected.push(code);
    }
    expected.dedup();
    assert_eq!(told(&app).await?, expected);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_that_can_not_be_reached_is_told_as_such(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    // Another gateway on the same database, for whom nobody listens where the provider should be.
    let closed = ClosedPort::take()?;
    let mut config = app.config.clone();
    config.slack_enterprise.web_url = format!("http://{}", closed.address()?);
    let base_url = app.beside(&config).await?.0;
    pass(&app, Duration::hours(13));
    let api = app.on(&account)?;
    let cut_off = api.clone().at(base_url);
    learns(&cut_off, &account, (502, "provider_error"), "provider_unreachable").await?;
    assert_eq!(status(&app, &account).await?, "active");
    assert_eq!(told(&app).await?, ["provider_unreachable"]);
    pass(&app, Duration::seconds(1));
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_client_secret_that_is_wrong_costs_no_customer_the_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let right = replace_secret(&app, "somebody changed it").await?;
    pass(&app, Duration::hours(13));
    let before = app.calls("oauth.v2.access");
    learns(&api, &account, (409, "provider_app_refused"), "bad_client_secret").await?;
    assert_eq!(app.calls("oauth.v2.access") - before, 1, "asked once for all of three calls");
    assert_eq!(status(&app, &account).await?, "active");
    assert_eq!(told(&app).await?, ["bad_client_secret"]);
    // A change of the app ends the pause.
    sqlx::query("update provider_apps set data_key = $1, client_secret = $2, updated_at = $3")
        .bind(right.0)
        .bind(right.1)
        .bind(app.clock.now())
        .execute(&app.pool)
        .await?;
    api.get("users?limit=1").await?.okay()?;
    Ok(())
}

/// Puts another secret in the place of the app's; gives the row's key and secret as they were.
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
