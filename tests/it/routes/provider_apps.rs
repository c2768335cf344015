//! `/provider-apps`: OAuth clients are listed, updated and deleted, and their secrets never returned.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::DEFAULT_CLIENT_SECRET;
use time::Duration;

use crate::support::{TestApp, link_url};

/// Returns the id of the environment's only app.
async fn only(app: &TestApp) -> anyhow::Result<String> {
    let apps = app.home.admin.get("provider-apps").await?.success()?;
    assert_eq!(apps.pointer("/result_count"), Some(&json!(1)), "{apps}");
    Ok(apps.pointer("/result/0/id").and_then(Value::as_str).context("no id")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_app_is_returned_without_its_secrets(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let id = only(&app).await?;
    let listed = admin.get("provider-apps").await?;
    let read = admin.get(&format!("provider-apps/{id}")).await?;
    for text in [&listed.text, &read.text] {
        assert!(!text.contains(DEFAULT_CLIENT_SECRET), "{text}");
    }
    let shown = read.success()?["result"].clone();
    assert_eq!(listed.body["result"], json!([shown]));
    assert_eq!(shown["has_signing_secret"], true);
    assert!(shown["redirect_uri"].as_str().is_some_and(|uri| uri.ends_with("/oauth/callback")));
    let path = format!("provider-apps/{id}");
    app.clock.advance(Duration::seconds(1));
    let change = json!({"signing_secret": null, "scopes": ["admin users:read", "team:read,admin"]});
    let changed = admin.patch(&path, &change).await?.success()?;
    assert_eq!(changed["result"]["scopes"], json!(["admin", "users:read", "team:read"]));
    app.clock.advance(Duration::seconds(1));
    let change = json!({"signing_secret": null, "scopes": ["admin"]});
    let changed = admin.patch(&path, &change).await?.success()?;
    assert_eq!(changed["result"]["has_signing_secret"], false);
    assert_eq!(changed["result"]["scopes"], json!(["admin"]));
    assert_eq!(admin.get(&path).await?.success()?["result"], changed["result"]);
    for (wrong, pointer) in [
        (json!({"client_secret": ""}), "/client_secret"),
        (json!({"scopes": ["admin", " "]}), "/scopes/1"),
        (json!({"signing_secret": ""}), "/signing_secret"),
        (json!({"client_id": "1.2"}), "/client_id"),
    ] {
        let response = admin.patch(&path, &wrong).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer]);
    }
    let noted: Vec<String> =
        sqlx::query_scalar("select action from audit_log where subject = $1 order by audit_id")
            .bind(&id)
            .fetch_all(&app.pool)
            .await?;
    let changed = "provider_app.changed";
    assert_eq!(noted, ["provider_app.created", changed, changed]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_changed_secret_is_used_immediately_and_the_other_one_stays(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let path = format!("provider-apps/{}", only(&app).await?);
    let admin = &app.home.admin;
    admin.patch(&path, &json!({"client_secret": "changed-secret"})).await?.success()?;
    app.clock.advance(Duration::hours(13));
    app.sandbox.advance_clock(Duration::hours(13));
    for _ in 0..3 {
        api.get("users?limit=1").await?.problem(409, "provider_app_refused");
    }
    assert_eq!(app.calls("oauth.v2.access"), 2, "the link, and one rejected refresh");
    let right =
        admin.patch(&path, &json!({"client_secret": DEFAULT_CLIENT_SECRET})).await?.success()?;
    assert_eq!(right["result"]["has_signing_secret"], true);
    api.get("users?limit=1").await?.success()?;
    // The signing secret was encrypted twice more, and decrypts.
    let apps = app
        .state
        .store
        .apps_with_signing_secret(switchboard::domain::provider::Provider::SlackEnterprise);
    for (environment_id, app_row) in apps.await? {
        assert!(app.state.vault.open_signing_secret(environment_id, &app_row)?.is_some());
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn deletes_an_app_without_accounts(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let used = format!("provider-apps/{}", only(&app).await?);
    let account = app.link("acme").await?;
    let body = json!({"provider": "slack_enterprise", "client_id": "9.9", "client_secret": "x"});
    let spare = admin.post("provider-apps", &body).await?.created()?;
    let spare = format!("provider-apps/{}", spare["result"]["id"].as_str().context("no id")?);
    link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    assert_eq!(admin.delete(&spare).await?.success()?["result"]["client_id"], "9.9");
    for response in [admin.get(&spare).await?, admin.delete(&spare).await?] {
        response.problem(404, "not_found");
    }
    admin.delete(&used).await?.problem(409, "provider_app_in_use");
    admin.delete(&format!("integrated-accounts/{account}")).await?.success()?;
    admin.delete(&used).await?.problem(409, "provider_app_in_use");
    // New links use the remaining one.
    app.link("globex").await?;
    Ok(())
}
