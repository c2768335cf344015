//! `/environments`: a new one is created, the caller's own is renamed, and none sees another.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{TestApp, bearer};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_environment_is_isolated(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let issued = admin.post("environments", &json!({"name": "staging"})).await?.created()?;
    let text = |pointer: &str| issued.pointer(pointer).and_then(Value::as_str).context("nothing");
    let first = app.anonymous()?.with("authorization", &bearer(text("/result/key")?))?;
    let (id, key_id) = (text("/result/id")?, text("/result/key_id")?);
    admin.get(&format!("environments/{id}")).await?.problem(404, "not_found");
    let listed = admin.get("environments").await?;
    assert!(!listed.text.contains(id), "{}", listed.text);
    let keys = first.get("api-keys").await?.success()?;
    assert_eq!(keys["result_count"], 1);
    assert_eq!(keys["result"][0]["id"], key_id);
    assert_eq!(keys["result"][0]["scopes"], json!(["admin"]));
    first.post("api-keys", &json!({"name": "k", "scopes": ["read"]})).await?.created()?;
    // Each log has its own entry, and none of the other's.
    let theirs = first.get("audit-log?action=environment.created").await?.success()?;
    assert_eq!(theirs["result"][0]["subject"], id);
    let ours = admin.get("audit-log?action=environment.created&outcome=done").await?.text;
    assert!(ours.contains(id), "{ours}");
    for name in [String::new(), "x".repeat(101)] {
        let response = admin.post("environments", &json!({"name": name})).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), ["/name"]);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_environment_is_renamed_by_its_own_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let path = format!("environments/{}", app.home.environment_id);
    let admin = &app.home.admin;
    let before = admin.get(&path).await?.success()?;
    let renamed = admin.patch(&path, &json!({"name": "production"})).await?.success()?;
    assert_eq!(renamed["result"]["name"], "production");
    assert_eq!(renamed["result"]["link_page"], before["result"]["link_page"]);
    assert_eq!(admin.get(&path).await?.success()?, renamed);
    let other = app.tenant("other").await?.admin;
    other.patch(&path, &json!({"name": "stolen"})).await?.problem(404, "not_found");
    app.home.api.patch(&path, &json!({"name": "x"})).await?.problem(403, "insufficient_scope");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_reveal_names_of_other_environments(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (admin, other) = (&app.home.admin, app.tenant("secret-project").await?);
    let path = format!("environments/{}", app.home.environment_id);
    let mut responses = Vec::new();
    for name in ["secret-project", "nobody-has-this"] {
        let created = admin.post("environments", &json!({ "name": name })).await?;
        let renamed = admin.patch(&path, &json!({ "name": name })).await?;
        responses.push((created.status, renamed.status));
    }
    assert_eq!(responses, [(201, 200), (201, 200)]);
    let theirs = other.admin.get("environments").await?.success()?;
    assert_eq!(theirs["result"][0]["name"], "secret-project");
    Ok(())
}
