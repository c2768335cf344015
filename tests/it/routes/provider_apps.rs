//! `/provider-apps`: OAuth clients are listed, changed and removed, and their secrets never shown.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::DEFAULT_CLIENT_SECRET;
use time::Duration;

use crate::support::{TestApp, link_url};

/// The id of the environment's only app.
async fn only(app: &TestApp) -> anyhow::Result<String> {
    let apps = app.home.admin.get("provider-apps").await?.okay()?;
    assert_eq!(apps.pointer("/result_count"), Some(&json!(1)), "{apps}");
    Ok(apps.pointer("/result/0/id").and_then(Value::as_str).context("no id")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_app_is_shown_without_its_secrets(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let id = only(&app).await?;
    let listed = admin.get("provider-apps").await?;
    let read = admin.get(&format!("provider-apps/{id}")).await?;
    for text in [&listed.text, &read.text] {
        assert!(!text.contains(DEFAULT_CLIENT_SECRET), "{text}");
    }
    let shown = read.okay()?["result"].clone();
    assert_eq!(listed.body["result"], json!([shown]));
    assert_eq!(shown["has_signing_secret"], true);
    assert!(shown["redirect_uri"].as_str().is_some_and(|uri| uri.ends_with("/oauth/callback")));
    let path = format!("provider-apps/{id}");
    app.clock.advance(Duration::seconds(1));
    let change = json!({"signing_secret": null, "scopes": ["admin users:read", "team:read,admin"]});
    let changed = admin.patch(&path, &change).await?.okay()?;
    assert_eq!(changed["result"]["scopes"], json!(["admin", "users:read", "team:read"]));
    app.clock.advance(Duration::seconds(1));
    let change = json!({"signing_secret": null, "scopes": ["admin"]});
    let changed = admin.patch(&path, &change).await?.okay()?;
    assert_eq!(changed["result"]["has_signing_secret"], false);
    assert_eq!(changed["result"]["scopes"], json!(["admin"]));
    assert_eq!(admin.get(&path).await?.okay()?["result"], changed["result"]);
    for (wrong, pointer) in [
        (json!({"client_secret": ""}), "/client_secret"),
        (json!({"scopes": ["admin", " "]}), "/scopes/1"),
        (json!({"signing_secret": ""}), "/signing_secret"),
        (json!({"client_id": "1.2"}), "/client_id"),
    ] {
        let answer = admin.patch(&path, &wrong).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), [pointer]);
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
async fn a_changed_secret_is_used_at_once_and_the_other_one_stays(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let path = format!("provider-apps/{}", only(&app).await?);
    let admin = &app.home.admin;
    admin.patch(&path, &json!({"client_secret": "somebody changed it"})).await?.okay()?;
    app.clock.advance(Duration::hours(13));
    app.sandbox.advance_clock(Duration::hours(13));
    for _ in 0..3 {
        api.get("users?limit=1").await?.problem(409, "provider_app_refused");
    }
    assert_eq!(app.calls("oauth.v2.access"), 2, "the link, and one refused refresh");
    let right =
        admin.patch(&path, &json!({"client_secret": DEFAULT_CLIENT_SECRET})).await?.okay()?;
    assert_eq!(right["result"]["has_signing_secret"], true);
    api.get("users?limit=1").await?.okay()?;
    // The signing secret was sealed anew twice, and opens.
    let apps =
        app.state.store.signing_apps(switchboard::domain::provider::Provider::SlackEnterprise);
    for (environment_id, app_row) in apps.await? {
        assert!(app.state.vault.open_signing_secret(environment_id, &app_row)?.is_some());
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_app_goes_when_no_account_was_linked_through_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let used = format!("provider-apps/{}", only(&app).await?);
    let account = app.link("acme").await?;
    let wish = json!({"provider": "slack_enterprise", "client_id": "9.9", "client_secret": "x"});
    let spare = admin.post("provider-apps", &wish).await?.created()?;
    let spare = format!("provider-apps/{}", spare["result"]["id"].as_str().context("no id")?);
    link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    assert_eq!(admin.delete(&spare).await?.okay()?["result"]["client_id"], "9.9");
    for answer in [admin.get(&spare).await?, admin.delete(&spare).await?] {
        answer.problem(404, "not_found");
    }
    admin.delete(&used).await?.problem(409, "provider_app_in_use");
    admin.delete(&format!("integrated-accounts/{account}")).await?.okay()?;
    admin.delete(&used).await?.problem(409, "provider_app_in_use");
    // New links go through the one that is left.
    app.link("globex").await?;
    Ok(())
}
