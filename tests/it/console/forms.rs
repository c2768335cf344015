//! Forms: only those of the session's own pages change anything.

use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use super::{csrf, send, signed_in};
use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_form_needs_its_token_and_its_origin(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    let other = signed_in(&app, &app.home, Scope::ALL).await?;
    let own = csrf(&session.page("console/keys").await?)?;
    let foreign = csrf(&other.page("console/keys").await?)?;
    let name = |token| [("csrf", token), ("name", "forged")];
    let path = "console/environment/name";
    for token in ["", "x", foreign.as_str()] {
        let sent = send(&session.client, path, &name(token)).await?;
        assert_eq!(sent.status, 403, "{token}: {}", sent.text);
        assert!(sent.text.contains("Cross-site request"), "{}", sent.text);
    }
    let missing = send(&session.client, path, &[("name", "forged")]).await?;
    assert_eq!(missing.status, 403);
    let evil = [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "https://gateway.example.evil.example",
    ];
    for origin in evil {
        let client = session.client.clone().with("origin", origin)?;
        assert_eq!(send(&client, path, &name(&own)).await?.status, 403, "{origin}");
    }
    let without = app.anonymous()?.with("cookie", &format!("sb_console={}", session.secret))?;
    assert_eq!(send(&without, path, &name(&own)).await?.status, 403, "without an origin");
    // Another site cannot sign a browser in either.
    let login = app.anonymous()?.with("origin", "https://evil.example")?;
    assert_eq!(send(&login, "console/sign-in", &[("key", "sb_live_x")]).await?.status, 403);

    let environments = app.home.api.get("environments").await?.success()?;
    assert_eq!(environments["result"][0]["name"], "home", "nothing was changed");
    let sent = send(&session.client, path, &name(&own)).await?;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let environments = app.home.api.get("environments").await?.success()?;
    assert_eq!(environments["result"][0]["name"], "forged");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_form_after_the_session_has_ended_changes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    let token = csrf(&session.page("console/keys").await?)?;
    session.send("console/sign-out", &[]).await?;
    let sent =
        send(&session.client, "console/environment/name", &[("csrf", &token), ("name", "late")])
            .await?;
    assert_eq!(sent.status, 401, "{}", sent.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_are_made_in_the_name_of_the_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (secret, id) = super::key(&app.home, Scope::ALL).await?;
    let session = super::sign_in(&app, &secret).await?;
    let made = session
        .send(
            "console/webhooks",
            &[("url", "https://hooks.example.com/x"), ("event_types", "user.*, sync.held")],
        )
        .await?;
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(made.text.contains("value=\"whsec_"), "the secret is shown once");
    let hooks = app.home.admin.get("webhooks").await?.success()?;
    assert_eq!(hooks["result"][0]["event_types"], json!(["user.*", "sync.held"]));
    let hook = hooks["result"][0]["id"].as_str().unwrap_or_default().to_owned();
    let paused = session.send(&format!("console/webhooks/{hook}/pause"), &[]).await?;
    assert_eq!(paused.status, 303, "{}", paused.text);
    session.page(&format!("console/webhooks/{hook}")).await?;
    let gone = session.send(&format!("console/webhooks/{hook}/delete"), &[]).await?;
    assert_eq!(gone.status, 303, "{}", gone.text);
    app.state.uses.finish().await;
    let log = app.home.admin.get(&format!("audit-log?actor={id}&kind=change")).await?.success()?;
    let rows = log["result"].as_array().cloned().unwrap_or_default();
    let actions: Vec<&str> = rows.iter().filter_map(|row| row["action"].as_str()).collect();
    for action in ["console.signed_in", "webhook.created", "webhook.changed", "webhook.deleted"] {
        assert!(actions.contains(&action), "{action} of {actions:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn policies_are_created_from_their_schemas(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    let form = session.page("console/policies/new?kind=max_holders").await?;
    assert!(form.text.contains("name=\"parameters.count\""), "{}", form.text);
    let fields = [
        ("kind", "max_holders"),
        ("name", "Few owners"),
        ("severity", "critical"),
        ("mode", "alert"),
        ("grace_s", "0"),
        ("is_active", "true"),
        ("parameters.role_ids", "org:owner\r\norg:primary_owner"),
        ("parameters.count", "3"),
    ];
    let made = session.send("console/policies", &fields).await?;
    assert_eq!(made.status, 303, "{}", made.text);
    let policies = app.home.admin.get("policies").await?.success()?;
    let policy = &policies["result"][0];
    assert_eq!(
        policy["parameters"],
        json!({"role_ids": ["org:owner", "org:primary_owner"], "count": 3})
    );
    let id = policy["id"].as_str().unwrap_or_default();
    let wrong = session
        .send(&format!("console/policies/{id}"), &[("kind", "max_holders"), ("name", "x")])
        .await?;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    assert!(wrong.text.contains("/parameters"), "{}", wrong.text);
    let gone = session.send(&format!("console/policies/{id}/delete"), &[]).await?;
    assert_eq!(gone.status, 303, "{}", gone.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_connects_a_customer(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    let made = session
        .send(
            "console/accounts/connect",
            &[("tenant_id", "globex"), ("providers", "slack_enterprise")],
        )
        .await?;
    assert_eq!(made.status, 200, "{}", made.text);
    let (_, rest) = made.text.split_once("id=\"link\"").unwrap_or_default();
    let (_, rest) = rest.split_once("value=\"").unwrap_or_default();
    let url = rest.split('"').next().unwrap_or_default();
    let end = crate::support::Browser::new()?.complete_link(&url.parse()?).await?;
    assert_eq!(end.status, 200, "{}", end.text);
    let page = session.page("console/accounts").await?;
    assert!(page.text.contains("globex"), "{}", page.text);
    Ok(())
}
