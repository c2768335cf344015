//! The JSON Schema of parameters: the OpenAPI schemas of the parameters and of what they refer to, in one document.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The prefix of references in OpenAPI documents.
const COMPONENTS: &str = "#/components/schemas/";

/// The prefix of references within a schema.
const DEFINITIONS: &str = "#/$defs/";

/// Returns the JSON Schema of parameters.
pub(super) fn of<P: ToSchema>() -> Value {
    let mut parts = Vec::new();
    P::schemas(&mut parts);
    let mut schema = to_value(&P::schema());
    let mut definitions: Map<String, Value> =
        parts.into_iter().map(|(name, part)| (name, to_value(&part))).collect();
    // Parameters that are those of another type.
    let name =
        schema.get("$ref").and_then(Value::as_str).and_then(|of| of.strip_prefix(DEFINITIONS));
    if let Some(definition) = name.map(str::to_owned).and_then(|name| definitions.remove(&name)) {
        schema = definition;
    }
    if let Value::Object(fields) = &mut schema {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        if !definitions.is_empty() {
            fields.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }
    schema
}

fn to_value(schema: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(schema).unwrap_or_default();
    rewrite(&mut value);
    value
}

/// Lets references point into the same document.
fn rewrite(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(COMPONENTS)
            {
                *reference = format!("{DEFINITIONS}{name}");
            }
            fields.values_mut().for_each(rewrite);
        }
        Value::Array(elements) => elements.iter_mut().for_each(rewrite),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
