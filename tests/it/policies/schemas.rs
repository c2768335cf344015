//! `GET /policies/kinds`: each kind has a JSON Schema of its parameters, and accepts its own example.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::input::of_kind;
use crate::support::TestApp;

/// The words of JSON Schema 2020-12, and of OpenAPI 3.1, that the schemas use.
const WORDS: [&str; 20] = [
    "$schema",
    "$defs",
    "$ref",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "enum",
    "format",
    "description",
    "examples",
    "oneOf",
    "allOf",
];

/// Returns the schema that a schema refers to or consists of, or itself.
fn resolve<'a>(whole: &'a Value, schema: &'a Value) -> anyhow::Result<&'a Value> {
    if let Some([first, ..]) = schema["allOf"].as_array().map(Vec::as_slice) {
        return resolve(whole, first);
    }
    let Some(reference) = schema["$ref"].as_str() else { return Ok(schema) };
    let pointer = reference.strip_prefix('#').context("a reference to another document")?;
    whole.pointer(pointer).context("an undefined reference")
}

/// Checks that a schema describes an example: its type, its limits, and each of its fields.
fn assert_describes(whole: &Value, schema: &Value, example: &Value) -> anyhow::Result<()> {
    let schema = resolve(whole, schema)?;
    let kind = match example {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = schema["type"] == kind
        || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
    anyhow::ensure!(is_kind, "{schema} is not of {example}");
    if let Value::Array(elements) = example {
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        let least = schema["minItems"].as_u64().unwrap_or_default();
        let count = u64::try_from(elements.len())?;
        anyhow::ensure!((least..=most).contains(&count), "{schema}: {example}");
        for element in elements {
            assert_describes(whole, &schema["items"], element)?;
        }
    }
    if let Some(number) = example.as_f64() {
        let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
        let most = schema["maximum"].as_f64().unwrap_or(f64::MAX);
        anyhow::ensure!(least <= number && number <= most, "{schema}: {example}");
    }
    let (Some(fields), Some(properties)) = (example.as_object(), schema["properties"].as_object())
    else {
        return Ok(());
    };
    for (name, value) in fields {
        let property = properties.get(name).with_context(|| format!("{name} is not described"))?;
        assert_describes(whole, property, value)?;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        anyhow::ensure!(name.as_str().is_some_and(|name| fields.contains_key(name)), "{name}");
    }
    Ok(())
}

/// Checks the words and the references of a schema and of its parts.
fn assert_well_formed(whole: &Value, schema: &Value) -> anyhow::Result<()> {
    resolve(whole, schema)?;
    for (name, value) in schema.as_object().context("not an object")? {
        anyhow::ensure!(WORDS.contains(&name.as_str()), "{name}: {schema}");
        match (name.as_str(), value) {
            ("$defs" | "properties", Value::Object(parts)) => {
                for part in parts.values() {
                    assert_well_formed(whole, part)?;
                }
            }
            ("items", part) => assert_well_formed(whole, part)?,
            ("oneOf" | "allOf", Value::Array(parts)) => {
                for part in parts {
                    assert_well_formed(whole, part)?;
                }
            }
            ("$defs" | "properties" | "oneOf" | "allOf", other) => anyhow::bail!("{name}: {other}"),
            ("required" | "enum" | "examples", other) => {
                anyhow::ensure!(other.is_array(), "{name}: {other}");
            }
            _ => {}
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_kind_has_a_schema_and_accepts_its_example(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let kinds = app.home.api.get("policies/kinds").await?.success()?;
    let kinds = kinds["result"].as_array().context("no kinds")?;
    let names: BTreeSet<&str> = kinds.iter().filter_map(|kind| kind["name"].as_str()).collect();
    assert_eq!((kinds.len(), names.len()), (16, 16));
    for kind in kinds {
        let name = kind["name"].as_str().context("no name")?;
        let schema = &kind["parameters"];
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["type"], "object", "{name}");
        assert_eq!(schema["additionalProperties"], false, "{name}");
        assert_well_formed(schema, schema).context(name.to_owned())?;
        assert_describes(schema, schema, &kind["example"]).context(name.to_owned())?;
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}: {field} is not described");
        }
        let body = of_kind(name, kind["example"].clone());
        app.home.admin.post("policies", &body).await?.created()?;
    }
    Ok(())
}
