//! Inputs for the parameters of a policy, from the JSON Schema of its kind, and the parameters of a sent form.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::format::words;
use super::super::json::Fields as _;
use crate::http::html_page::prose;
use crate::http::problem::{Problem, ProblemKind};

/// The prefix of the names of inputs.
const PREFIX: &str = "parameters.";

/// How a parameter is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InputKind {
    Number,
    Flag,
    Text,
    /// Texts, one a line.
    Lines,
    /// Some of the values of an enum.
    Choices,
    /// Anything else, as JSON.
    Json,
}

/// Renders an input for each parameter.
pub(super) fn inputs(schema: &Value, values: &Value) -> Markup {
    let properties = schema.field("properties").as_object();
    let required = schema.texts("required");
    html! {
        @for (name, property) in properties.into_iter().flatten() {
            (input(schema, name, property, values.field(name), required.contains(&name.as_str())))
        }
    }
}

fn input(schema: &Value, name: &str, property: &Value, value: &Value, is_required: bool) -> Markup {
    let id = format!("{PREFIX}{name}");
    let hint = format!("{id}-hint");
    let label = words(name);
    let text = html! { span.quiet id=(hint) { (prose(property.text("description"))) } };
    html! {
        @match input_kind(schema, property) {
            InputKind::Flag => label.check { input type="checkbox" name=(id) value="true" checked[value.as_bool() == Some(true)] aria-describedby=(hint); " " (label) " " (text) },
            InputKind::Choices => {
                @let chosen: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                fieldset {
                    legend { (label) }
                    @for choice in resolve(schema, property.field("items")).texts("enum") {
                        label.check { input type="checkbox" name=(id) value=(choice) checked[chosen.contains(&choice)]; " " (words(choice)) }
                    }
                    (text)
                }
            },
            kind => label.field {
                span { (label) @if is_required { " (required)" } }
                @match kind {
                    InputKind::Number => input type="number" name=(id) value=[value.as_i64()] min=[property.field("minimum").as_i64()] max=[property.field("maximum").as_i64()] required[is_required] aria-describedby=(hint);,
                    InputKind::Lines => textarea name=(id) rows="3" required[is_required] aria-describedby=(hint) { (lines(value)) },
                    InputKind::Text => textarea name=(id) rows="2" required[is_required] aria-describedby=(hint) { (value.as_str().unwrap_or_default()) },
                    InputKind::Json | InputKind::Flag | InputKind::Choices => textarea.code name=(id) rows="5" spellcheck="false" required[is_required] aria-describedby=(hint) { (pretty(value)) },
                }
                (text)
            },
        }
    }
}

fn lines(value: &Value) -> String {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join("\n")
}

fn pretty(value: &Value) -> String {
    if value.is_null() {
        String::new()
    } else {
        serde_json::to_string_pretty(value).unwrap_or_default()
    }
}

/// Follows a `$ref` within the schema.
fn resolve<'s>(schema: &'s Value, property: &'s Value) -> &'s Value {
    let target = property.some("$ref").and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| schema.pointer(pointer)).unwrap_or(property)
}

fn input_kind(schema: &Value, property: &Value) -> InputKind {
    let property = resolve(schema, property);
    let types = property.field("type");
    let is = |name: &str| {
        types == name || types.as_array().is_some_and(|all| all.iter().any(|one| one == name))
    };
    if is("integer") {
        return InputKind::Number;
    }
    if is("boolean") {
        return InputKind::Flag;
    }
    if is("string") {
        return InputKind::Text;
    }
    let items = resolve(schema, property.field("items"));
    match (is("array"), items.list("enum").is_empty(), items.text("type")) {
        (true, false, _) => InputKind::Choices,
        (true, true, "string") => InputKind::Lines,
        _ => InputKind::Json,
    }
}

/// Returns the parameters of a form. Empty inputs are absent parameters.
///
/// # Errors
///
/// `invalid_body` for an input that is not JSON.
pub(super) fn parameters(schema: &Value, fields: &FormFields) -> Result<Value, Problem> {
    let mut found = Map::new();
    for (name, property) in schema.field("properties").as_object().into_iter().flatten() {
        let id = format!("{PREFIX}{name}");
        let value = match input_kind(schema, property) {
            InputKind::Flag => fields.get(&id).map(|_| json!(true)),
            InputKind::Choices => {
                Some(fields.all(&id)).filter(|all| !all.is_empty()).map(|all| json!(all))
            }
            InputKind::Lines => {
                Some(fields.entries(&id)).filter(|all| !all.is_empty()).map(|all| json!(all))
            }
            InputKind::Text => fields.get(&id).map(|text| json!(text)),
            InputKind::Number => {
                fields.get(&id).map(|text| text.parse::<i64>().map_or(json!(text), Value::from))
            }
            InputKind::Json => fields.get(&id).map(|text| parse(name, text)).transpose()?,
        };
        if let Some(value) = value {
            found.insert(name.clone(), value);
        }
    }
    Ok(Value::Object(found))
}

fn parse(name: &str, text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "An input is not valid JSON.")
            .with_error(format!("/parameters/{name}"), error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_returns_the_parameters_it_was_made_from() {
        let schema = json!({"properties": {
            "count": {"type": "integer"},
            "role_ids": {"type": "array", "items": {"type": "string"}},
            "user_types": {"type": ["array", "null"], "items": {"$ref": "#/$defs/UserType"}},
            "when": {"$ref": "#/$defs/Condition"},
            "include_unknown": {"type": "boolean"},
            "expression": {"type": "string"},
        }, "$defs": {"UserType": {"type": "string", "enum": ["member", "bot"]}, "Condition": {"type": "object"}}});
        let form = "parameters.count=3&parameters.role_ids=a%0D%0Ab&parameters.user_types=member&\
                    parameters.when=%7B%22field%22%3A%22title%22%7D&parameters.expression=";
        let found = parameters(&schema, &FormFields::parse(form.as_bytes())).unwrap();
        let expected = json!({"count": 3, "role_ids": ["a", "b"], "user_types": ["member"], "when": {"field": "title"}});
        assert_eq!(found, expected);
        let wrong = FormFields::parse(b"parameters.when=%7B");
        assert!(parameters(&schema, &wrong).is_err());
    }
}
