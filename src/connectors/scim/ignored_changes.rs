//! Finds changes that a server accepted and did not apply: the attribute still has its old value, and that is another
//! one than the requested.
//!
//! Servers store values in forms of their own: in lower case, without types, fewer of a list. A value counts as applied
//! where it may be such a form of the requested one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::attribute::{Resource, elements, member};
use super::attribute_change::AttributeChange;

/// Attributes whose values servers convert or replace by defaults: the old value may be the server's form of the new
/// one.
const CONVERTED: [&str; 7] = [
    "phoneNumbers",
    "photos",
    "addresses",
    "timezone",
    "locale",
    "preferredLanguage",
    "profileUrl",
];
/// Parts that do not identify an element.
const LABELS: [&str; 2] = ["type", "primary"];

/// Returns the paths of the changes that were ignored, by the resource before them and as read after them.
pub(super) fn ignored_changes(
    changes: &[AttributeChange],
    before: &Resource,
    after: &Resource,
) -> Vec<String> {
    let (ignored, applied): (Vec<&AttributeChange>, Vec<&AttributeChange>) =
        changes.iter().partition(|change| is_ignored(change, before, after));
    // Some servers derive a part from the others, such as a formatted name.
    let is_derived = |change: &AttributeChange| {
        applied.iter().any(|other| other.path.is_sibling_of(&change.path))
    };
    let ignored = ignored.into_iter().filter(|change| !is_derived(change));
    ignored.map(|change| change.path.text()).collect()
}

/// Whether an attribute clearly still has its old value. One that the server does not return may have the new one.
fn is_ignored(change: &AttributeChange, before: &Resource, after: &Resource) -> bool {
    let AttributeChange { path, value, element_operations } = change;
    let Some(old) = path.get(before) else { return false };
    let is_converted = path
        .core_name()
        .is_some_and(|name| CONVERTED.iter().any(|converted| converted.eq_ignore_ascii_case(name)));
    if is_converted || path.get(after) != Some(old) || !change.is_pending(after) {
        return false;
    }
    let mut verbs = element_operations.iter().filter_map(|operation| operation.get("op")?.as_str());
    let adds = verbs.any(|verb| verb == "add");
    value.as_ref().is_none_or(|requested| differs(old, requested, adds))
}

/// Whether a value is another one than the requested, whatever their forms. `adds` is whether the new elements of a list
/// were requested one by one, so that the server may drop none of them.
fn differs(is: &Value, requested: &Value, adds: bool) -> bool {
    match requested {
        Value::Null => true,
        Value::Bool(requested) => truth(is).is_some_and(|is| is != *requested),
        Value::Number(_) | Value::String(_) => plain(is) != plain(requested),
        Value::Object(parts) => is.as_object().is_some_and(|own| {
            let mut parts = parts.iter().filter(|(_, part)| !part.is_null());
            parts.any(|(name, part)| member(own, name).is_some_and(|own| differs(own, part, false)))
        }),
        Value::Array(_) => {
            let (is, requested) = (elements(Some(is)), elements(Some(requested)));
            let main = requested.iter().find(|element| is_primary(element));
            let main = main.or(requested.first()).map(|element| key(element));
            let is: BTreeSet<String> = is.into_iter().map(key).collect();
            let requested: BTreeSet<String> = requested.into_iter().map(key).collect();
            let has_removed = !is.is_subset(&requested);
            let lacks_main = main.is_some_and(|main| !is.contains(&main));
            has_removed || lacks_main || (adds && !requested.is_subset(&is))
        }
    }
}

/// Returns what identifies an element: its value, or its name, or all of its parts.
fn key(element: &Value) -> String {
    let Some(parts) = element.as_object() else { return plain(element) };
    let mut names = ["value", "display"].iter().filter_map(|name| member(parts, name)).map(plain);
    names.find(|name| !name.is_empty()).unwrap_or_else(|| {
        let is_label = |name: &str| LABELS.iter().any(|label| label.eq_ignore_ascii_case(name));
        let parts = parts.iter().filter(|(name, value)| !is_label(name) && !value.is_null());
        let parts = parts.map(|(name, value)| format!("{}={}", name.to_lowercase(), plain(value)));
        parts.collect::<Vec<_>>().join(";")
    })
}

fn is_primary(element: &Value) -> bool {
    let primary = element.as_object().and_then(|parts| member(parts, "primary"));
    primary.and_then(truth) == Some(true)
}

/// Returns a boolean of any type.
fn truth(value: &Value) -> Option<bool> {
    match &*plain(value) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Returns a value as text, without regard to its type, to case and to punctuation.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::attribute::AttributePath;
    use super::*;

    fn resource(json: Value) -> Resource {
        serde_json::from_value(json).unwrap()
    }

    fn is_ignored_at(name: &'static str, is: &Value, requested: Option<Value>) -> bool {
        let change = AttributeChange::whole(AttributePath::core(name), requested);
        let user = resource(json!({ (name): is }));
        !ignored_changes(&[change], &user, &user).is_empty()
    }

    #[test]
    fn a_value_that_stays_is_ignored_unless_it_may_be_a_form_of_the_requested_one() {
        for (name, is, requested, expected) in [
            ("title", json!("Old"), Some(json!("New")), true),
            ("title", json!("Old"), None, true),
            ("title", json!("old"), Some(json!(" OLD ")), false),
            ("active", json!(true), Some(json!(false)), true),
            ("active", json!("True"), Some(json!(false)), true),
            ("active", json!(0), Some(json!(false)), false),
            ("manager", json!({"value": "1"}), Some(json!({"value": "2"})), true),
            ("timezone", json!("Etc/UTC"), Some(json!("UTC")), false),
            ("phoneNumbers", json!([{"value": "tel:1"}]), Some(json!([{"value": "2"}])), false),
            ("emails", json!([{"value": "a@b.c"}]), Some(json!([{"value": "A@B.C"}])), false),
            ("emails", json!([{"value": "a"}]), Some(json!([{"value": "b"}])), true),
            ("emails", json!([{"value": "a"}]), Some(json!([{"value": "a", "type": "x"}])), false),
            (
                "emails",
                json!([{"value": "a"}]),
                Some(json!([{"value": "b"}, {"value": "a", "primary": true}])),
                false,
            ),
            (
                "emails",
                json!([{"value": "a"}, {"value": "b"}]),
                Some(json!([{"value": "a"}])),
                true,
            ),
        ] {
            let found = is_ignored_at(name, &is, requested.clone());
            assert_eq!(found, expected, "{name}: {is} and {requested:?}");
        }
    }

    #[test]
    fn a_new_element_may_not_be_dropped_where_it_was_requested_alone() {
        let user = resource(json!({"roles": [{"value": "a"}]}));
        let roles = json!([{"value": "a"}, {"value": "b"}]);
        let change = AttributeChange::whole(AttributePath::core("roles"), Some(roles));
        assert!(ignored_changes(std::slice::from_ref(&change), &user, &user).is_empty());
        let element_operations = vec![json!({"op": "add", "path": "roles"})];
        let change = AttributeChange { element_operations, ..change };
        assert_eq!(ignored_changes(&[change], &user, &user), ["roles"]);
    }

    #[test]
    fn what_changed_or_is_not_returned_was_not_ignored() {
        let name = |part: &'static str, value: &str| {
            let path = AttributePath::core("name").part(part);
            AttributeChange::whole(path, Some(value.into()))
        };
        let before = resource(json!({"name": {"familyName": "Byron", "formatted": "Ada Byron"}}));
        let changes = [name("familyName", "King"), name("formatted", "Ada King")];
        let expected = ["name.familyName", "name.formatted"];
        assert_eq!(ignored_changes(&changes, &before, &before), expected);
        let after = resource(json!({"name": {"familyName": "King", "formatted": "Ada Byron"}}));
        assert!(ignored_changes(&changes, &before, &after).is_empty(), "it is derived");
        let secret = AttributeChange::whole(AttributePath::core("password"), Some("x".into()));
        assert!(ignored_changes(&[secret], &before, &before).is_empty());
    }
}
