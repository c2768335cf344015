//! `/openapi.json`: the description of the whole API.

use anyhow::Context as _;
use serde_json::Value;
use sqlx::PgPool;
use switchboard::sandbox::org::{OrgLevel, Organization};

use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_document_is_openapi_3_1_and_says_what_each_operation_does(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.nobody()?.get("openapi.json").await?.okay()?;
    let version = document["openapi"].as_str().context("no version")?;
    assert!(version.starts_with("3.1"), "{version}");
    let paths = document["paths"].as_object().context("no paths")?;
    let mut names = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().context("no methods")? {
            let told = |field: &str| operation[field].as_str().is_some_and(|text| text.len() > 5);
            assert!(told("operationId"), "{method} {path} has no operationId");
            let described = told("description") || told("summary");
            assert!(described, "{method} {path} has no description");
            assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
            assert!(operation["responses"].is_object(), "{method} {path} has no responses");
            names.push(operation["operationId"].to_string());
            let parameters = operation["parameters"].as_array();
            let takes_key = parameters
                .is_some_and(|all| all.iter().any(|one| one["name"] == "Idempotency-Key"));
            assert_eq!(takes_key, method != "get", "{method} {path}");
        }
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two operations have one name");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_reference_in_the_document_leads_somewhere(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.nobody()?.get("openapi.json").await?.okay()?;
    let mut found = 0;
    let mut waiting = vec![&document];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').context("a reference to elsewhere")?;
                    assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                    found += 1;
                }
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(found > 9, "{found} references");
    Ok(())
}

/// The whole document: a change of the API is seen in review. `cargo insta accept`, or
/// `INSTA_UPDATE=always cargo test`, takes it over.
#[test]
fn the_document_is_the_one_that_was_reviewed() -> anyhow::Result<()> {
    let mut document = serde_json::to_value(switchboard::http::document())?;
    if let Some(version) = document.pointer_mut("/info/version") {
        *version = "[version]".into();
    }
    insta::assert_json_snapshot!("openapi", document);
    Ok(())
}

/// What stands in examples, and what it is in the sandbox.
fn filled(text: &str, org: &Organization) -> anyhow::Result<String> {
    let member = org.people().iter().find(|person| {
        let plain = person.org_level == OrgLevel::Member && person.guest().is_none();
        plain && person.is_active() && !person.is_bot() && person.membership(1).is_some()
    });
    let team = org.workspaces.get(1).context("no workspace")?;
    let group = org.groups.of_identity_provider().next().context("no group")?.1;
    let user = &member.context("nobody is plain")?.id;
    let text = text.replace("U0EXAMPLE", user).replace("T0EXAMPLE", &team.id);
    Ok(text.replace("S0EXAMPLE", &group.id))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_example_of_a_body_works_as_it_stands(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("first").await?;
    let admin = app.home.admin.clone().with("x-integrated-account-id", &account)?;
    let org = app.sandbox.snapshot();
    let document = app.nobody()?.get("openapi.json").await?.okay()?;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for method in ["post", "patch"] {
            let pointer = "/requestBody/content/application~1json/schema/$ref";
            let Some(schema) = item[method].pointer(pointer).and_then(Value::as_str) else {
                continue;
            };
            let schema = document.pointer(schema.trim_start_matches('#')).context("no schema")?;
            let example =
                schema.get("example").with_context(|| format!("{path} has no example"))?;
            let mut example = example.clone();
            // An example names what another one, tried before, has made.
            match (path.as_str(), method) {
                ("/users/{id}", "patch") => example["email"] = "other@example.com".into(),
                ("/workspaces/{id}", "patch") => example["name"] = "Other".into(),
                _ => {}
            }
            let id = match path.split('/').nth(1).unwrap_or_default() {
                "users" => "U0EXAMPLE".to_owned(),
                "workspaces" => "T0EXAMPLE".to_owned(),
                "groups" => "S0EXAMPLE".to_owned(),
                "mappings" => {
                    let mappings = app.home.admin.get("mappings").await?.okay()?;
                    mappings["result"][0]["id"].as_str().unwrap_or_default().to_owned()
                }
                "provider-apps" => {
                    let apps = admin.get("provider-apps").await?.okay()?;
                    let apps = apps["result"].as_array().context("no apps")?;
                    let app = apps.last().context("no app")?;
                    app["id"].as_str().unwrap_or_default().to_owned()
                }
                "api-keys" => {
                    let keys = admin.get("api-keys").await?.okay()?;
                    let keys = keys["result"].as_array().context("no keys")?;
                    let key = keys.last().context("no key")?;
                    key["id"].as_str().unwrap_or_default().to_owned()
                }
                "environments" => app.home.environment_id.to_string(),
                _ => account.clone(),
            };
            let address = filled(&path.replace("{id}", &id), &org)?;
            let body = filled(&example.to_string(), &org)?;
            let method: reqwest::Method = method.to_uppercase().parse()?;
            let answer = admin.send(method, &address, Some(("application/json", &body))).await?;
            assert!((200..300).contains(&answer.status), "{path} {body}: {}", answer.text);
            assert_ne!(answer.status, 207, "{path} {body}: {}", answer.text);
            tried += 1;
        }
    }
    assert!(tried > 14, "{tried} examples were tried");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_reference_tells_of_every_operation(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let nobody = app.nobody()?;
    let page = nobody.get("docs").await?;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let document = nobody.get("openapi.json").await?.okay()?;
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for method in item.as_object().context("no methods")?.keys() {
            let title = format!("{}</span> <code>{path}</code></h3>", method.to_uppercase());
            assert!(page.text.contains(&title), "{method} {path} is not on the page");
        }
    }
    Ok(())
}
