//! `/openapi.json`: the description of the whole API.

use anyhow::Context as _;
use serde_json::Value;
use sqlx::PgPool;

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
