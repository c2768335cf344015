//! `/events/slack`: Slack notifies that a grant is revoked. Only signed events count, and each counts once.

use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::{DEFAULT_SIGNING_SECRET, SubscriptionRequest};

use crate::support::{ApiResponse, Tenant, TestApp, hex, slack_signature};

/// Sends a request with the headers that are not empty.
async fn send(
    app: &TestApp,
    timestamp: &str,
    signature: &str,
    body: &str,
) -> anyhow::Result<ApiResponse> {
    let mut slack = app.anonymous()?;
    for (name, value) in
        [("x-slack-request-timestamp", timestamp), ("x-slack-signature", signature)]
    {
        if !value.is_empty() {
            slack = slack.with(name, value)?;
        }
    }
    slack.send(Method::POST, "events/slack", Some(("application/json", body))).await
}

/// Sends a request signed as Slack signs it now.
async fn send_signed(app: &TestApp, body: &Value) -> anyhow::Result<ApiResponse> {
    let (now, body) = (app.clock.now().unix_timestamp().to_string(), body.to_string());
    send(app, &now, &slack_signature(DEFAULT_SIGNING_SECRET, &now, &body)?, &body).await
}

/// Slack's event that the account's grant was revoked.
async fn revoked(app: &TestApp, account: &str) -> anyhow::Result<Value> {
    let account = app.home.api.get(&format!("integrated-accounts/{account}")).await?.success()?;
    let account = account.get("result").context("no account")?;
    let organization = account.pointer("/organization/id").context("no organization")?;
    Ok(json!({
        "type": "event_callback", "team_id": organization, "enterprise_id": organization,
        "api_app_id": "A1", "event_id": "Ev1", "event_time": app.clock.now().unix_timestamp(),
        "authorizations": [{"enterprise_id": organization, "is_enterprise_install": true}],
        "event": {"type": "tokens_revoked", "tokens": {"oauth": [account["installer_id"]], "bot": []}},
    }))
}

async fn state(home: &Tenant, account: &str) -> anyhow::Result<(String, String)> {
    let account = home.api.get(&format!("integrated-accounts/{account}")).await?.success()?;
    let text =
        |place: &str| account.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((text("/result/status"), text("/result/status_reason")))
}

/// Returns how often an account was reported to need a new link: in events, and in the audit log.
async fn times_reported(
    app: &TestApp,
    home: &Tenant,
    account: &str,
) -> anyhow::Result<(usize, i64)> {
    let path = format!(
        "events?type=integrated_account.needs_reauth&integrated_account_id={account}&limit=10"
    );
    let audited = sqlx::query_scalar(
        "select count(*) from audit_log
         where integrated_account_id = $1 and action = 'integrated_account.needs_reauth'",
    );
    Ok((home.api.all(&path).await?.0.len(), audited.bind(account).fetch_one(&app.pool).await?))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_uninstalled_app_is_reported_immediately(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = app.base_url.join("events/slack")?;
    let body = SubscriptionRequest { client_id: None, url, signing_secret: None, events: None };
    app.sandbox.subscribe(body).await?;
    // The same app in another environment is notified too.
    let other = app.tenant("other").await?;
    let accounts = [
        (&app.home, app.link("acme").await?),
        (&app.home, app.link("globex").await?),
        (&other, app.link_in(&other, "acme").await?),
    ];
    app.uninstall(&accounts[0].1).await?;

    for (home, account) in &accounts {
        let marked = async {
            while state(home, account).await?.0 == "active" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(10), marked).await.context("never reported")??;
        let (status, reason) = state(home, account).await?;
        assert_eq!(status, "needs_reauth");
        assert!(["tokens_revoked", "app_uninstalled"].contains(&reason.as_str()), "{reason}");
    }
    let called = app.sandbox.requests(None).requests.len();
    app.client_for(&accounts[0].1)?.get("users").await?.problem(409, "account_needs_reauth");
    assert_eq!(app.sandbox.requests(None).requests.len(), called, "the provider is not called");
    for (home, account) in &accounts {
        assert_eq!(times_reported(&app, home, account).await?, (1, 1));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_unsigned_forged_and_late_events(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let body = revoked(&app, &account).await?.to_string();
    let at = |offset: i64| (app.clock.now().unix_timestamp() + offset).to_string();
    let good =
        |timestamp: &str, body: &str| slack_signature(DEFAULT_SIGNING_SECRET, timestamp, body);
    let now = at(0);
    let signature = good(&now, &body)?;
    let cut = signature.get(..66).context("too short")?;
    let changed = body.replace("\"bot\":[]", "\"bot\":[ ]");
    for (why, timestamp, signature, body) in [
        ("no headers", "", "", body.as_str()),
        ("no signature", &now, "", &body),
        ("no timestamp", "", &signature, &body),
        ("another secret", &now, &slack_signature("wrong-secret", &now, &body)?, &body),
        ("an empty secret", &now, &slack_signature("", &now, &body)?, &body),
        ("another body", &now, &signature, &changed),
        ("another time", &at(1), &signature, &body),
        ("another version", &now, &signature.replace("v0=", "v1="), &body),
        ("a shorter signature", &now, cut, &body),
        ("no hexadecimal", &now, &format!("v0={}", "x".repeat(64)), &body),
        ("too old", &at(-301), &good(&at(-301), &body)?, &body),
        ("from the future", &at(301), &good(&at(301), &body)?, &body),
        ("no time at all", "soon", &good("soon", &body)?, &body),
    ] {
        let response = send(&app, timestamp, signature, body).await?;
        assert_eq!(response.status, 401, "{why}: {}", response.text);
        response.problem(401, "unauthorized");
    }
    for broken in ["", "{", "not JSON", "[]", "5", "{\"type\": 5}"] {
        let response = send(&app, &now, &good(&now, broken)?, broken).await?;
        assert_eq!(response.status, 422, "{broken}: {}", response.text);
        response.problem(422, "invalid_body");
    }
    let challenge = json!({"type": "url_verification", "challenge": "let me in"}).to_string();
    let unsigned = send(&app, &now, &signature, &challenge).await?;
    assert!(unsigned.status == 401 && !unsigned.text.contains("let me in"), "{}", unsigned.text);
    assert_eq!(state(&app.home, &account).await?.0, "active");
    assert_eq!(times_reported(&app, &app.home, &account).await?, (0, 0));

    // The same request is accepted when it is signed and recent.
    send(&app, &now, &signature, &body).await?.success()?;
    assert_eq!(
        state(&app.home, &account).await?,
        ("needs_reauth".to_owned(), "tokens_revoked".to_owned())
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_the_named_grants_are_revoked(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let event = revoked(&app, &account).await?;
    let with = |pointer: &str, value: Value| -> anyhow::Result<Value> {
        let mut other = event.clone();
        *other.pointer_mut(pointer).context("unknown pointer")? = value;
        Ok(other)
    };
    for (why, other) in [
        ("another organization", with("/enterprise_id", json!("E0OTHER"))?),
        ("another user", with("/event/tokens/oauth", json!(["U0OTHER"]))?),
        ("a bot", with("/event/tokens", json!({"bot": ["U1"]}))?),
        ("no user", with("/event/tokens", json!({}))?),
        ("one workspace", with("/authorizations/0/is_enterprise_install", json!(false))?),
        ("another event", with("/event", json!({"type": "user_change", "user": {"id": "U1"}}))?),
        ("another envelope", with("/type", json!("app_rate_limited"))?),
        ("no event", with("/event", json!(null))?),
        ("before the link", with("/event_time", json!(app.clock.now().unix_timestamp() - 60))?),
    ] {
        let response = send_signed(&app, &other).await?;
        assert_eq!(response.status, 200, "{why}: {}", response.text);
        assert_eq!(state(&app.home, &account).await?.0, "active", "{why}");
    }
    let challenge = json!({"type": "url_verification", "challenge": "let me in"});
    assert_eq!(send_signed(&app, &challenge).await?.success()?, json!({"challenge": "let me in"}));

    let uninstalled = with("/event", json!({"type": "app_uninstalled"}))?;
    for _ in 0..2 {
        send_signed(&app, &uninstalled).await?.success()?;
    }
    send_signed(&app, &event).await?.success()?;
    assert_eq!(
        state(&app.home, &account).await?,
        ("needs_reauth".to_owned(), "app_uninstalled".to_owned())
    );
    assert_eq!(times_reported(&app, &app.home, &account).await?, (1, 1));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_replayed_event_does_not_revoke_a_newer_grant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    app.clock.advance(time::Duration::seconds(30));
    let body = revoked(&app, &account).await?.to_string();
    let now = app.clock.now().unix_timestamp().to_string();
    let signature = slack_signature(DEFAULT_SIGNING_SECRET, &now, &body)?;
    send(&app, &now, &signature, &body).await?.success()?;
    assert_eq!(state(&app.home, &account).await?.0, "needs_reauth");

    app.clock.advance(time::Duration::seconds(30));
    app.relink("acme", &account).await?;
    assert_eq!(state(&app.home, &account).await?.0, "active");
    // As it was sent, and as Slack sends a retry: with a new signature.
    send(&app, &now, &signature, &body).await?.success()?;
    send_signed(&app, &serde_json::from_str(&body)?).await?.success()?;
    assert_eq!(state(&app.home, &account).await?.0, "active");
    assert_eq!(times_reported(&app, &app.home, &account).await?, (1, 1));

    app.clock.advance(time::Duration::minutes(5));
    send(&app, &now, &signature, &body).await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_signing_secret_is_stored_encrypted_and_never_returned(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let client = |secret: &str| {
        json!({"provider": "slack_enterprise", "client_id": "9.9", "client_secret": "b",
            "signing_secret": secret})
    };
    let empty = app.home.admin.post("provider-apps", &client("")).await?;
    empty.problem(422, "invalid_body");
    assert_eq!(empty.pointers(), ["/signing_secret"]);
    let issued = app.home.admin.post("provider-apps", &client("hush-hush")).await?.created()?;
    assert!(!issued.to_string().contains("hush-hush"), "{issued}");
    let rows: Vec<String> = sqlx::query_scalar("select provider_apps::text from provider_apps")
        .fetch_all(&app.pool)
        .await?;
    let bare = hex(b"hush-hush");
    assert!(rows.iter().all(|row| !row.contains("hush-hush") && !row.contains(&bare)), "{rows:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn throttles_callers_with_invalid_signatures(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.failed_auth_per_minute = 3).await?;
    let now = app.clock.now().unix_timestamp().to_string();
    let forged = format!("v0={}", "0".repeat(64));
    for _ in 0..30 {
        send(&app, &now, &forged, "{}").await?.problem(401, "unauthorized");
    }
    // On a slow machine some more are admitted.
    let mut held_up = send(&app, &now, &forged, "{}").await?;
    for _ in 0..30 {
        if held_up.status == 401 {
            held_up = send(&app, &now, &forged, "{}").await?;
        }
    }
    held_up.problem(429, "too_many_wrong_keys");
    assert!(!held_up.header("retry-after").is_empty(), "{held_up:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_body_that_is_too_large_for_an_event(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let now = app.clock.now().unix_timestamp().to_string();
    let long = format!("{{\"text\":\"{}\"}}", "a".repeat(128 * 1024));
    let signature = slack_signature(DEFAULT_SIGNING_SECRET, &now, &long)?;
    send(&app, &now, &signature, &long).await?.problem(413, "body_too_large");
    Ok(())
}
