//! `/mappings`: custom fields on every answer of a directory.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Client, TestApp};

/// Makes a mapping of users; gives its id.
async fn mapped(admin: &Client, field: &str, expression: &str) -> anyhow::Result<String> {
    let wish = json!({"resource": "users", "field": field, "expression": expression});
    let made = admin.post("mappings", &wish).await?.created()?;
    let id = made.pointer("/result/id").and_then(Value::as_str);
    Ok(id.context("no id")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_field_is_added_or_taken_the_place_of(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let admin = &app.home.admin;
    mapped(admin, "initials", "$join(unified.name.$split(' ').$substring(0, 1))").await?;
    mapped(admin, "title", "'Dr. ' & unified.last_name").await?;
    mapped(
        admin,
        "raw_name",
        "remote.username ? remote.username : remote.\"users.info\".user.name",
    )
    .await?;
    let page = api.get("users?limit=5").await?.okay()?;
    assert_eq!(page.get("warnings"), None);
    for row in page["result"].as_array().context("no rows")? {
        let words = row["name"].as_str().unwrap_or_default().split(' ');
        let initials: String = words.filter_map(|word| word.chars().next()).collect();
        assert_eq!(row["initials"], initials.as_str(), "{row}");
        assert_eq!(row["raw_name"], row["username"], "{row}");
        assert_eq!(row.get("remote_data"), None, "read for the expressions, and not shown");
    }
    let id = page["result"][0]["id"].as_str().context("no id")?;
    let one = api.get(&format!("users/{id}")).await?.okay()?["result"].clone();
    let title = format!("Dr. {}", one["last_name"].as_str().unwrap_or_default());
    assert_eq!((&one["title"], &one["raw_name"]), (&json!(title), &one["username"]));
    let raw = api.get(&format!("users/{id}?response_format=raw")).await?.okay()?;
    assert_eq!(raw["result"].get("title"), None, "the provider's own has no fields of ours");
    let changed = api.patch(&format!("users/{id}"), &json!({"division": "North"})).await?.okay()?;
    assert_eq!(changed["result"]["title"], title, "in answers to changes as well");
    let plain = api.get("workspaces?limit=1").await?.okay()?;
    assert_eq!(plain["result"][0].get("initials"), None);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_accounts_own_take_the_place_of_the_environments(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let (one, two) = (app.link("one").await?, app.link("two").await?);
    let general = mapped(admin, "kind", "'general'").await?;
    let own = json!({"resource": "users", "field": "kind", "expression": "'own'",
        "integrated_account_id": one});
    let own = admin.post("mappings", &own).await?.created()?["result"]["id"].clone();
    let kind = async |account: &str| {
        let page = app.on(account)?.get("users?limit=1").await?.okay()?;
        Ok::<_, anyhow::Error>(page["result"][0]["kind"].clone())
    };
    assert_eq!((kind(&one).await?, kind(&two).await?), (json!("own"), json!("general")));
    let path = format!("mappings/{}", own.as_str().context("no id")?);
    admin.patch(&path, &json!({"expression": "'changed'"})).await?.okay()?;
    assert_eq!(kind(&one).await?, "changed");
    admin.delete(&path).await?.okay()?;
    assert_eq!(kind(&one).await?, "general");
    admin.delete(&format!("mappings/{general}")).await?.okay()?;
    assert_eq!(kind(&one).await?, Value::Null);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_expression_that_fails_costs_its_own_field_only(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let admin = &app.home.admin;
    mapped(admin, "good", "'yes'").await?;
    mapped(admin, "bad", "unified.name * 2").await?;
    mapped(admin, "endless", "($f := function($x){1 + $f($x)}; $f(1))").await?;
    let page = api.get("users?limit=3").await?.okay()?;
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
    let one = api.get(&format!("users/{id}")).await?.okay()?;
    assert_eq!(one["warnings"].as_array().map(Vec::len), Some(2), "{one}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_can_be_no_mapping_is_refused(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    for (field, expression, pointer) in [
        ("x", "unified[", "/expression"),
        ("x", &*"1+".repeat(4000), "/expression"),
        ("id", "1", "/field"),
        ("Big Field", "1", "/field"),
        ("", "1", "/field"),
    ] {
        let wish = json!({"resource": "users", "field": field, "expression": expression});
        let answer = admin.post("mappings", &wish).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), [pointer], "{field}");
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
    assert_eq!(other.admin.get("mappings").await?.okay()?["result_count"], 0);
    let listed = admin.get("mappings?resource=users&provider=slack_enterprise").await?.okay()?;
    assert_eq!(listed["result"][0]["field"], "once");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_expression_can_be_tried_first(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = &app.home.api;
    let wish = json!({"expression": "$uppercase(unified.name) & remote.x",
        "unified": {"name": "ada"}, "remote": {"x": 1}});
    let tried = api.post("mappings/preview", &wish).await?.okay()?;
    assert_eq!(tried["result"], json!({"value": "ADA1", "warning": null}));
    let failing = json!({"expression": "$error('no such luck')"});
    let tried = api.post("mappings/preview", &failing).await?.okay()?;
    assert_eq!(tried["result"]["value"], Value::Null);
    assert!(tried["result"]["warning"].as_str().is_some_and(|why| why.contains("no such luck")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_mapping_of_an_account_is_for_its_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let wish = |provider: Option<&str>| {
        json!({"integrated_account_id": account, "provider": provider, "resource": "users",
            "field": "badge", "expression": "unified.id"})
    };
    let refused = app.home.admin.post("mappings", &wish(Some("scim"))).await?;
    refused.problem(422, "invalid_body");
    assert_eq!(refused.pointers(), ["/provider", "/integrated_account_id"]);
    let made = app.home.admin.post("mappings", &wish(None)).await?.created()?;
    assert_eq!(made["result"]["provider"], "slack_enterprise");
    Ok(())
}
