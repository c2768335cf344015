//! PATCH of the server (RFC 7644 §3.5.2).

use serde_json::{Map, Value, json};

use super::directory::entry;
use super::filter::{self, AttributePath, Filter};
use super::requests::ScimFailure;

/// Target of an operation: `schema:name[filter].sub`.
#[derive(Debug)]
pub(super) struct Target {
    path: AttributePath,
    filter: Option<Filter>,
    sub: Option<String>,
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        let Some((head, rest)) = text.split_once('[') else {
            let path = AttributePath::parse(text);
            let sub = path.sub.clone();
            return Some(Self { path: AttributePath { sub: None, ..path }, filter: None, sub });
        };
        let (inner, tail) = rest.rsplit_once(']')?;
        let sub = tail.strip_prefix('.').map(str::to_owned);
        if sub.is_none() && !tail.is_empty() {
            return None;
        }
        Some(Self { path: AttributePath::parse(head), filter: Some(filter::parse(inner)?), sub })
    }

    /// Returns the extension and the attribute.
    pub(super) fn attribute(&self) -> (Option<&str>, &str) {
        (self.path.extension.as_deref(), &self.path.name)
    }
}

/// The kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Remove,
    Replace,
}

/// Applies a PATCH body to a resource; returns the attributes that it names.
pub(super) fn apply(resource: &mut Value, body: &Value) -> Result<Vec<Target>, ScimFailure> {
    let invalid = |detail| ScimFailure::new(400, "invalidSyntax", detail);
    let Some((_, Value::Array(operations))) =
        body.as_object().and_then(|body| entry(body, "operations"))
    else {
        return Err(invalid("Operations is missing"));
    };
    let object = resource.as_object_mut().ok_or_else(|| invalid("not an object"))?;
    let mut targets = Vec::new();
    for operation in operations {
        let text = |field| operation.get(field).and_then(Value::as_str);
        let kind = match text("op").unwrap_or_default().to_ascii_lowercase().as_str() {
            "add" => Operation::Add,
            "remove" => Operation::Remove,
            "replace" => Operation::Replace,
            _ => return Err(invalid("op is unknown")),
        };
        let value = operation.get("value").cloned();
        match (text("path"), value) {
            (Some(path), value) => {
                let no_path = || ScimFailure::new(400, "invalidPath", "the path is malformed");
                let target = whole_extension(path).or_else(|| Target::parse(path));
                let target = target.ok_or_else(no_path)?;
                change(object, kind, &target, value)?;
                targets.push(target);
            }
            (None, Some(Value::Object(values))) if kind != Operation::Remove => {
                for (path, value) in values {
                    let target = whole_extension(&path).or_else(|| Target::parse(&path));
                    let target = target.ok_or_else(|| invalid("a name is malformed"))?;
                    change(object, kind, &target, Some(value))?;
                    targets.push(target);
                }
            }
            (None, _) => return Err(ScimFailure::new(400, "noTarget", "path is missing")),
        }
    }
    object.retain(|_, value| !is_empty(value));
    Ok(targets)
}

/// Returns the target of a path that is an extension as a whole.
fn whole_extension(path: &str) -> Option<Target> {
    let is_schema = path.to_ascii_lowercase().starts_with("urn:")
        && path.rsplit(':').next().is_some_and(|last| last == "User" || last == "Group");
    let whole = AttributePath { extension: None, name: path.to_owned(), sub: None };
    is_schema.then_some(Target { path: whole, filter: None, sub: None })
}

fn change(
    resource: &mut Map<String, Value>,
    kind: Operation,
    target: &Target,
    value: Option<Value>,
) -> Result<(), ScimFailure> {
    let value = match (kind, value) {
        (Operation::Add | Operation::Replace, None) => {
            return Err(ScimFailure::new(400, "invalidValue", "value is missing"));
        }
        (_, value) => value.unwrap_or_default(),
    };
    let container = match &target.path.extension {
        None => resource,
        Some(schema) => {
            let key = key_of(resource, schema);
            let inner = resource.entry(key).or_insert_with(|| json!({}));
            inner.as_object_mut().ok_or_else(no_target)?
        }
    };
    let key = key_of(container, &target.path.name);
    match (&target.filter, &target.sub) {
        (None, None) => set(container, kind, &key, value),
        (None, Some(sub)) => {
            let inner = container.entry(key).or_insert_with(|| json!({}));
            match inner {
                Value::Object(object) => {
                    let key = key_of(object, sub);
                    set(object, kind, &key, value);
                }
                Value::Array(all) => {
                    for object in all.iter_mut().filter_map(Value::as_object_mut) {
                        let key = key_of(object, sub);
                        set(object, kind, &key, value.clone());
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(no_target());
                }
            }
        }
        (Some(filter), sub) => {
            change_elements(container, kind, &key, filter, sub.as_deref(), value)?;
        }
    }
    Ok(())
}

fn change_elements(
    container: &mut Map<String, Value>,
    kind: Operation,
    key: &str,
    filter: &Filter,
    sub: Option<&str>,
    value: Value,
) -> Result<(), ScimFailure> {
    let all = container.entry(key).or_insert_with(|| json!([]));
    let all = all.as_array_mut().ok_or_else(no_target)?;
    let matching = all.iter().filter(|element| filter.matches(element)).count();
    match (kind, sub) {
        (Operation::Remove, None) => all.retain(|element| !filter.matches(element)),
        (Operation::Replace, _) if matching == 0 => return Err(no_target()),
        (Operation::Add, _) if matching == 0 => {
            let mut element = Map::new();
            if let Filter::Compare(path, operator, wanted) = filter
                && operator == "eq"
            {
                element.insert(path.name.clone(), wanted.clone());
            }
            match (sub, value) {
                (Some(sub), value) => drop(element.insert(sub.to_owned(), value)),
                (None, Value::Object(value)) => element.extend(value),
                (None, _) => return Err(no_target()),
            }
            all.push(Value::Object(element));
        }
        (kind, sub) => {
            for element in all.iter_mut().filter(|element| filter.matches(element)) {
                let Some(object) = element.as_object_mut() else { continue };
                match (sub, &value) {
                    (Some(sub), value) => {
                        let key = key_of(object, sub);
                        set(object, kind, &key, value.clone());
                    }
                    (None, Value::Object(value)) => object.extend(value.clone()),
                    (None, _) => return Err(no_target()),
                }
            }
        }
    }
    if all.is_empty() {
        container.remove(key);
    }
    Ok(())
}

fn set(object: &mut Map<String, Value>, kind: Operation, key: &str, value: Value) {
    match (kind, object.get_mut(key), value) {
        (Operation::Remove, Some(Value::Array(old)), Value::Array(gone)) => {
            // As Entra removes members.
            old.retain(|element| {
                !gone.iter().any(|gone| {
                    gone == element
                        || (gone.get("value").is_some()
                            && gone.get("value") == element.get("value"))
                })
            });
            if old.is_empty() {
                object.remove(key);
            }
        }
        (Operation::Remove, _, _) => drop(object.remove(key)),
        (Operation::Add, Some(Value::Array(old)), value) => {
            let new = if let Value::Array(all) = value { all } else { vec![value] };
            for element in new {
                let is_same = |old: &Value| {
                    *old == element
                        || (old.get("value").is_some() && old.get("value") == element.get("value"))
                };
                if !old.iter().any(is_same) {
                    old.push(element);
                }
            }
        }
        (_, Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
        (_, _, value) if is_empty(&value) => drop(object.remove(key)),
        (_, _, value) => drop(object.insert(key.to_owned(), value)),
    }
}

/// Whether a value is unassigned (RFC 7643 §2.5).
pub(super) fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(Map::is_empty)
}

/// Returns the key as it is in the object, or this name.
fn key_of(object: &Map<String, Value>, name: &str) -> String {
    entry(object, name).map_or_else(|| name.to_owned(), |(key, _)| key.to_owned())
}

fn no_target() -> ScimFailure {
    ScimFailure::new(400, "noTarget", "nothing matches the path")
}
