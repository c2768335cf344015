//! `/mappings`: custom fields in every response of a directory.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Client, TestApp};

/// Creates a mapping of users; returns its id.
async fn mapped(admin: &Client, field: &str, expression: &str) -> anyhow::Result<String> {
    let body = json!({"resource": "users", "field": field, "expression": expression});
    let issued = admin.post("mappings", &body).await?.created()?;
    let id = issued.pointer("/result/id").and_then(Value::as_str);
    Ok(id.context("no id")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_mapping_adds_or_replaces_a_field(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let admin = &app.home.admin;
    mapped(admin, "initials", "$join(unified.name.$split(' ').$substring(0, 1))").await?;
    mapped(admin, "title", "'Dr. ' & unified.last_name").await?;
    mapped(
        admin,
        "raw_name",
        "remote.username ? remote.username : remote.\"users.info\".user.name",
    )
    .await?;
    let page = api.get("users?limit=5").await?.success()?;
    assert_eq!(page.get("warnings"), None);
    for row in page["result"].as_array().context("no rows")? {
        let words = row["name"].as_str().unwrap_or_default().split(' ');
        let initials: String = words.filter_map(|word| word.chars().next()).collect();
        assert_eq!(row["initials"], initials.as_str(), "{row}");
        assert_eq!(row["raw_name"], row["username"], "{row}");
        assert_eq!(row.get("remote_data"), None, "read for the expressions, and not shown");
    }
    let id = page["result"][0]["id"].as_str().context("no id")?;
    let one = api.get(&format!("users/{id}")).await?.success()?["result"].clone();
    let title = format!("Dr. {}", one["last_name"].as_str().unwrap_or_default());
    assert_eq!((&one["title"], &one["raw_name"]), (&json!(title), &one["username"]));
    let raw = api.get(&format!("users/{id}?response_format=raw")).await?.success()?;
    assert_eq!(raw["result"].get("title"), None, "the provider's own has no fields of ours");
    let changed =
        api.patch(&format!("users/{id}"), &json!({"division": "North"})).await?.success()?;
    assert_eq!(changed["result"]["title"], title, "in responses to changes as well");
    let plain = api.get("workspaces?limit=1").await?.success()?;
    assert_eq!(plain["result"][0].get("initials"), None);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn account_mappings_override_environment_mappings(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let (one, two) = (app.link("one").await?, app.link("two").await?);
    let general = mapped(admin, "kind", "'general'").await?;
    let own = json!({"resource": "users", "field": "kind", "expression": "'own'",
        "integrated_account_id": one});
    let own = admin.post("mappings", &own).await?.created()?["result"]["id"].clone();
    let kind = async |account: &str| {
        let page = app.client_for(account)?.get("users?limit=1").await?.success()?;
        Ok::<_, anyhow::Error>(page["result"][0]["kind"].clone())
    };
    assert_eq!((kind(&one).await?, kind(&two).await?), (json!("own"), json!("general")));
    let path = format!("mappings/{}", own.as_str().context("no id")?);
    admin.patch(&path, &json!({"expression": "'changed'"})).await?.success()?;
    assert_eq!(kind(&one).await?, "changed");
    admin.delete(&path).await?.success()?;
    assert_eq!(kind(&one).await?, "general");
    admin.delete(&format!("mappings/{general}")).await?.success()?;
    assert_eq!(kind(&one).await?, Value::Null);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failing_expression_affects_only_its_own_field(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let admin = &app.home.admin;
    mapped(admin, "good", "'yes'").await?;
    mapped(admin, "bad", "unified.name * 2").await?;
    mapped(admin, "endless", "($f := function($x){1 + $f($x)}; $f(1))").await?;
    let page = api.get("users?limit=3").await?.success()?;
    let warnings = page["warnings"].as_array().context("no warnings")?;
    assert_eq!(warnings.len(), 6, "{warnings:?}");
    for row in page["result"].as_array().context("no rows")? {
        assert_eq!(
            (&row["good"], &row["bad"], &row["endless"]),
            (&json!("yes"), &Value::Null, &Value::Null)
        );
        assert!(warnings.iter().any(|one| one["id"] == row["id"] && one["field"] == "bad"));
    }
    let id = page["result"][0]["id"].as_str().context("no id")?;
    let one = api.get(&format!("users/{id}")).await?.success()?;
    assert_eq!(one["warnings"].as_array().map(Vec::len), Some(2), "{one}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_invalid_mapping(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    for (field, expression, pointer) in [
        ("x", "unified[", "/expression"),
        ("x", &*"1+".repeat(4000), "/expression"),
        ("id", "1", "/field"),
        ("Big Field", "1", "/field"),
        ("", "1", "/field"),
    ] {
        let body = json!({"resource": "users", "field": field, "expression": expression});
        let response = admin.post("mappings", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{field}");
    }
    mapped(admin, "once", "1").await?;
    let again = json!({"resource": "users", "field": "once", "expression": "2"});
    admin.post("mappings", &again).await?.problem(409, "already_exists");
    let elsewhere = json!({"resource": "roles", "field": "once", "expression": "2"});
    admin.post("mappings", &elsewhere).await?.created()?;
    let other = app.tenant("other").await?;
    let account = app.link("acme").await?;
    let foreign = json!({"resource": "users", "field": "x", "expression": "1",
        "integrated_account_id": account});
    other.admin.post("mappings", &foreign).await?.problem(404, "account_not_found");
    assert_eq!(other.admin.get("mappings").await?.success()?["result_count"], 0);
    let listed = admin.get("mappings?resource=users&provider=slack_enterprise").await?.success()?;
    assert_eq!(listed["result"][0]["field"], "once");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn previews_an_expression(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = &app.home.api;
    let body = json!({"expression": "$uppercase(unified.name) & remote.x",
        "unified": {"name": "ada"}, "remote": {"x": 1}});
    let tried = api.post("mappings/preview", &body).await?.success()?;
    assert_eq!(tried["result"], json!({"value": "ADA1", "warning": null}));
    let failing = json!({"expression": "$error('no such luck')"});
    let tried = api.post("mappings/preview", &failing).await?.success()?;
    assert_eq!(tried["result"]["value"], Value::Null);
    assert!(tried["result"]["warning"].as_str().is_some_and(|why| why.contains("no such luck")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_mapping_of_an_account_is_for_its_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let body = |provider: Option<&str>| {
        json!({"integrated_account_id": account, "provider": provider, "resource": "users",
            "field": "badge", "expression": "unified.id"})
    };
    let rejected = app.home.admin.post("mappings", &body(Some("scim"))).await?;
    rejected.problem(422, "invalid_body");
    assert_eq!(rejected.pointers(), ["/provider", "/integrated_account_id"]);
    let issued = app.home.admin.post("mappings", &body(None)).await?.created()?;
    assert_eq!(issued["result"]["provider"], "slack_enterprise");
    Ok(())
}
