//! The style of the OpenAPI document: summaries, examples, tags, and one schema for each resource.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;
use switchboard::http::problem::ProblemKind;

use crate::support::plain_words::check_words;

fn document() -> anyhow::Result<Value> {
    Ok(serde_json::to_value(switchboard::http::document())?)
}

/// The operations, each with its name for messages.
fn operations(document: &Value) -> anyhow::Result<Vec<(String, &Value)>> {
    let paths = document["paths"].as_object().context("no paths")?;
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().context("no methods")? {
            operations.push((format!("{method} {path}"), operation));
        }
    }
    Ok(operations)
}

#[test]
fn summaries_are_short_imperatives() -> anyhow::Result<()> {
    let verbs = [
        "Accept",
        "Acknowledge",
        "Add",
        "Apply",
        "Assign",
        "Cancel",
        "Check",
        "Create",
        "Deactivate",
        "Delete",
        "Disconnect",
        "Export",
        "Evaluate",
        "Fix",
        "Get",
        "List",
        "Pause",
        "Plan",
        "Preview",
        "Refresh",
        "Reject",
        "Remove",
        "Replay",
        "Resend",
        "Resume",
        "Revoke",
        "Rotate",
        "Run",
        "Send",
        "Update",
    ];
    for (name, operation) in operations(&document()?)? {
        let summary = operation["summary"].as_str().with_context(|| name.clone())?;
        let first = summary.split(' ').next().unwrap_or_default();
        assert!(verbs.contains(&first), "{name}: {summary}");
        assert!(summary.split(' ').count() <= 8, "{name}: {summary}");
        assert!(!summary.ends_with('.') && !summary.contains('\n'), "{name}: {summary}");
        check_words(summary);
    }
    Ok(())
}

#[test]
fn every_operation_has_examples_and_a_described_tag() -> anyhow::Result<()> {
    let document = document()?;
    let tags = document["tags"].as_array().context("no tags")?;
    let described = tags.iter().filter(|tag| tag["description"].is_string());
    let described: BTreeSet<_> = described.filter_map(|tag| tag["name"].as_str()).collect();
    for (name, operation) in operations(&document)? {
        let tag = operation["tags"][0].as_str().with_context(|| format!("{name}: no tag"))?;
        assert!(described.contains(tag), "{name}: {tag} has no description");
        let body = operation["requestBody"]["content"].as_object();
        let responses = operation["responses"].as_object().context("no responses")?;
        let successes = responses.iter().filter(|(status, _)| status.starts_with('2'));
        let contents = successes.filter_map(|(_, response)| response["content"].as_object());
        let mut count = 0;
        for content in contents.chain(body).flat_map(|by_type| by_type.values()) {
            assert!(!content["example"].is_null(), "{name}: no example");
            assert!(!content["example"].to_string().contains('…'), "{name}: {content}");
            count += 1;
        }
        assert!(count > 0, "{name}: no content");
    }
    Ok(())
}

#[test]
fn every_resource_is_one_schema_that_others_refer_to() -> anyhow::Result<()> {
    let document = document()?;
    let schemas = document["components"]["schemas"].as_object().context("no schemas")?;
    for (name, schema) in schemas {
        check_words(name);
        assert!(!name.contains('_'), "{name} is composed by the library");
        for vague in ["Known", "Made", "New", "Shown", "Wanted"] {
            assert!(!name.starts_with(vague), "{name} does not name its role");
        }
        assert!(!schema["properties"]["result"].to_string().contains("\"properties\""), "{name}");
    }
    let user = "#/components/schemas/User";
    assert_eq!(schemas["UserList"]["properties"]["result"]["items"]["$ref"], user);
    assert_eq!(schemas["UserResponse"]["properties"]["result"]["$ref"], user);
    assert_eq!(schemas["UserChangeResponse"]["properties"]["result"]["oneOf"][0]["$ref"], user);
    let text = document.to_string();
    for name in schemas.keys() {
        let reference = format!("\"#/components/schemas/{name}\"");
        assert!(text.contains(&reference), "{name} is never used");
    }
    Ok(())
}

/// Collects the texts for readers.
fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_text = ["summary", "description", "title"].contains(&&**name);
                match value.as_str() {
                    Some(text) if is_text => found.push(text),
                    Some(_) => {}
                    None => texts(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn descriptions_use_the_terms_of_the_field() -> anyhow::Result<()> {
    let document = document()?;
    let mut found = Vec::new();
    texts(&document, &mut found);
    assert!(found.len() > 200, "{} texts", found.len());
    found.into_iter().for_each(check_words);
    Ok(())
}

#[test]
fn titles_of_problems_are_short_noun_phrases() {
    for kind in ProblemKind::ALL {
        let title = kind.title();
        assert!(title.split(' ').count() <= 6 && !title.ends_with('.'), "{title}");
        check_words(title);
    }
}
