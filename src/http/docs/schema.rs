//! Schemas on the pages: fields with type, limits and description, nested ones in `<details>`.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Parameter, component, list, resolved, text};
use crate::http::html_page::prose;

/// Fields nested deeper than this are not shown.
const MAX_DEPTH: usize = 8;

/// Where a schema stands: the document, and the components that contain it.
#[derive(Clone, Copy)]
struct Place<'a> {
    document: &'a Value,
    depth: usize,
    /// The component around it; `None` at the root.
    outer: Option<&'a Outer<'a>>,
}

/// A component that is being rendered.
struct Outer<'a> {
    name: &'a str,
    place: Place<'a>,
}

/// One of several schemas that a value may have.
struct Variant<'d> {
    title: String,
    description: &'d str,
    fields: Markup,
}

/// Renders the fields of a schema; `None` if it has none.
pub(super) fn fields(document: &Value, schema: &Value) -> Option<Markup> {
    children(Place { document, depth: 0, outer: None }, schema)
}

/// Renders parameters as fields.
pub(super) fn parameters<'d>(
    document: &'d Value,
    parameters: impl Iterator<Item = &'d Parameter<'d>>,
) -> Markup {
    let place = Place { document, depth: 0, outer: None };
    html! {
        ul.fields {
            @for one in parameters {
                (field(place, one.name, one.schema, one.is_required, Some(one.description)))
            }
        }
    }
}

/// Returns the type of a schema, for display.
pub(super) fn kind(document: &Value, schema: &Value) -> String {
    if let Some(name) = component(schema) {
        let target = resolved(document, schema);
        let is_object = target.get("properties").is_some() || has_variants(target);
        return if is_object { name.to_owned() } else { kind(document, target) };
    }
    let variants = list(schema, "oneOf").filter(|one| text(one, "type") != "null");
    let variants: Vec<_> = variants.map(|one| kind(document, one)).collect();
    if !variants.is_empty() {
        let mut distinct = Vec::with_capacity(variants.len());
        for variant in variants {
            if !distinct.contains(&variant) {
                distinct.push(variant);
            }
        }
        return distinct.join(" or ");
    }
    if schema.get("allOf").is_some() {
        return "object".to_owned();
    }
    let name = match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().find_map(|one| one.as_str().filter(|one| *one != "null"))
        }
        Some(one) => one.as_str(),
        None => None,
    };
    match (name, schema.get("items")) {
        (Some("array"), Some(items)) => format!("list of {}", kind(document, items)),
        (Some("string"), _) if !text(schema, "format").is_empty() => {
            text(schema, "format").to_owned()
        }
        (Some("object"), _) if value_schema(schema).is_some() => {
            let values = value_schema(schema).map(|values| kind(document, values));
            format!("map of {}", values.unwrap_or_default())
        }
        (Some(name), _) => name.to_owned(),
        (None, _) => "any".to_owned(),
    }
}

fn has_variants(schema: &Value) -> bool {
    schema.get("oneOf").is_some() || schema.get("allOf").is_some()
}

/// Returns the schema of the values of a map.
fn value_schema(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|values| values.is_object())
}

/// Whether a value may be null.
fn is_nullable(schema: &Value) -> bool {
    let types = list(schema, "type").any(|one| one.as_str() == Some("null"));
    types || list(schema, "oneOf").any(|one| text(one, "type") == "null")
}

fn field(
    place: Place<'_>,
    name: &str,
    schema: &Value,
    is_required: bool,
    own: Option<&str>,
) -> Markup {
    let target = resolved(place.document, schema);
    let description = own.unwrap_or_else(|| match text(schema, "description") {
        "" => text(target, "description"),
        own => own,
    });
    html! {
        li {
            code.name { (name) } " "
            span.kind { (kind(place.document, schema)) @if is_nullable(schema) || is_nullable(target) { " or null" } }
            @if is_required { " " span.required { "required" } }
            @if !description.is_empty() { p { (prose(description)) } }
            (limits(place.document, schema))
            @if let Some(children) = children(place, schema) {
                details {
                    summary { "Fields of " code { (name) } }
                    (children)
                }
            }
        }
    }
}

/// Renders what is inside of a value: fields, or variants with their fields. `None` if there is nothing to show.
fn children(place: Place<'_>, schema: &Value) -> Option<Markup> {
    let Place { document, depth, outer } = place;
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some(name) = component(schema) {
        if is_within(outer, name) {
            return Some(html! { p.note { "The same fields again: " code { (name) } "." } });
        }
        let outer = Outer { name, place };
        let inner = Place { document, depth, outer: Some(&outer) };
        return children(inner, resolved(document, schema));
    }
    if let Some(inner) = schema.get("items").or_else(|| value_schema(schema)) {
        return children(place, inner);
    }
    let inner = Place { depth: depth + 1, ..place };
    let choices: Vec<_> = list(schema, "oneOf").filter(|one| text(one, "type") != "null").collect();
    match choices.as_slice() {
        [] => {}
        [only] => return children(place, only),
        _ => return render_variants(inner, &choices),
    }
    let mut rows = Vec::new();
    collect_rows(document, schema, &mut rows, 0);
    (!rows.is_empty()).then(|| {
        html! {
            ul.fields {
                @for (name, schema, is_required) in rows { (field(inner, name, schema, is_required, None)) }
            }
        }
    })
}

/// Returns a variant, if it has fields.
fn variant<'a>(place: Place<'a>, schema: &'a Value) -> Option<Variant<'a>> {
    let target = resolved(place.document, schema);
    let constant = target.pointer("/properties/type/enum/0").and_then(Value::as_str);
    let title = constant.map(|value| format!("`type` is `{value}`"));
    Some(Variant {
        title: title.unwrap_or_else(|| kind(place.document, schema)),
        description: text(target, "description"),
        fields: children(place, schema)?,
    })
}

/// Renders those of several schemas that have fields. `None` if none has.
fn render_variants<'a>(place: Place<'a>, choices: &[&'a Value]) -> Option<Markup> {
    let variants: Vec<Variant<'_>> =
        choices.iter().filter_map(|schema| variant(place, schema)).collect();
    (!variants.is_empty()).then(|| {
        html! {
            p.note { "One of:" }
            ul.fields {
                @for Variant { title, description, fields } in &variants {
                    li {
                        @if !description.is_empty() { p { (prose(description)) } }
                        details { summary { (prose(title)) } (fields) }
                    }
                }
            }
        }
    })
}

/// Whether a component is around the place.
fn is_within(outer: Option<&Outer<'_>>, name: &str) -> bool {
    outer.is_some_and(|outer| outer.name == name || is_within(outer.place.outer, name))
}

/// Collects the fields of an object, those of `allOf` included: name, schema, and whether it is required.
fn collect_rows<'d>(
    document: &'d Value,
    schema: &'d Value,
    rows: &mut Vec<(&'d str, &'d Value, bool)>,
    depth: usize,
) {
    let schema = resolved(document, schema);
    if depth < MAX_DEPTH {
        for part in list(schema, "allOf") {
            collect_rows(document, part, rows, depth + 1);
        }
    }
    let is_required = |name: &str| list(schema, "required").any(|one| one.as_str() == Some(name));
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let (first, others): (Vec<_>, Vec<_>) = properties.partition(|(name, _)| is_required(name));
    rows.extend(first.into_iter().map(|(name, schema)| (name.as_str(), schema, true)));
    rows.extend(others.into_iter().map(|(name, schema)| (name.as_str(), schema, false)));
}

/// Renders allowed values, limits, default and example.
fn limits(document: &Value, schema: &Value) -> Markup {
    let inner = inner_value(document, schema);
    let values: Vec<&Value> = list(inner, "enum").collect();
    let both = [schema, resolved(document, schema)];
    let find =
        |name: &str| both.iter().find_map(|one| one.get(name)).filter(|value| !value.is_null());
    let mut notes = Vec::new();
    notes.extend(range(inner, "minimum", "maximum", ""));
    notes.extend(range(inner, "minLength", "maxLength", " characters"));
    notes.extend(both.iter().find_map(|one| range(one, "minItems", "maxItems", " items")));
    if find("uniqueItems").is_some() {
        notes.push("no duplicates".to_owned());
    }
    let pattern = text(inner, "pattern");
    let (default, example) =
        (find("default"), find("example").filter(|one| !one.is_object() && !one.is_array()));
    let is_empty = values.is_empty() && notes.is_empty() && pattern.is_empty();
    html! {
        @if !is_empty || default.is_some() || example.is_some() {
            p.limits {
                @if !values.is_empty() { span { "One of " @for value in &values { code { (shown(value)) } " " } } }
                @for note in &notes { span { (note) } }
                @if !pattern.is_empty() { span { "Pattern " code { (pattern) } } }
                @if let Some(default) = default { span { "Default " code { (shown(default)) } } }
                @if let Some(example) = example { span { "Example " code { (shown(example)) } } }
            }
        }
    }
}

/// Returns the schema that limits a single value: of the items of a list, of the variant that is not null.
fn inner_value<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let mut inner = resolved(document, schema);
    for _ in 0..MAX_DEPTH {
        let mut variants = list(inner, "oneOf").filter(|one| text(one, "type") != "null");
        let next = match (variants.next(), variants.next()) {
            (Some(only), None) => Some(only),
            _ => inner.get("items"),
        };
        let Some(next) = next else { break };
        inner = resolved(document, next);
    }
    inner
}

fn range(schema: &Value, least: &str, most: &str, unit: &str) -> Option<String> {
    let number = |name| schema.get(name).filter(|value| value.is_number());
    match (number(least), number(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, None) => None,
    }
}

/// Returns a value as it stands in a request.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
