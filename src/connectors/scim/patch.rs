//! PATCH requests (RFC 7644 §3.5.2). Servers differ in the operations that they accept, so each change has two forms.

use serde_json::{Value, json};

use super::attribute::{AttributePath, Resource, without_null_members, without_nulls};
use super::attribute_change::{AttributeChange, apply};

/// The schema of PATCH requests.
const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The form of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeForm {
    /// A PATCH with one operation per attribute, each with a path.
    Paths,
    /// A PATCH with one operation that has all new values and no path, for servers that accept only simple paths.
    Values,
    /// A PUT of the whole resource.
    Replacement,
}

impl ChangeForm {
    /// Returns the form to try after a server rejected this one.
    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Paths => Some(Self::Values),
            Self::Values => Some(Self::Replacement),
            Self::Replacement => None,
        }
    }
}

/// Returns the body of a PATCH with these operations.
pub(super) fn patch_body(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH_SCHEMA], "Operations": operations})
}

/// Returns one operation per change, with the path of its attribute.
pub(super) fn operations_with_paths(
    changes: &[AttributeChange],
    resource: &Resource,
) -> Vec<Value> {
    changes.iter().flat_map(|change| operations_of(change, resource)).collect()
}

fn operations_of(change: &AttributeChange, resource: &Resource) -> Vec<Value> {
    if !change.element_operations.is_empty() {
        return change.element_operations.clone();
    }
    let path = change.path.text();
    let operation = match (&change.value, change.path.get(resource)) {
        (None, _) => json!({"op": "remove", "path": path}),
        (Some(value), is) => {
            let verb = if is.is_none() { "add" } else { "replace" };
            json!({"op": verb, "path": path, "value": without_nulls(value.clone())})
        }
    };
    vec![operation]
}

/// Returns one operation with all new values, and one per removed attribute. A complex attribute has all of its parts,
/// since some servers replace it as a whole.
pub(super) fn operations_with_values(
    changes: &[AttributeChange],
    resource: &Resource,
) -> Vec<Value> {
    let mut new = resource.clone();
    apply(changes, &mut new);
    let mut values = Resource::new();
    for change in changes.iter().filter(|change| change.value.is_some()) {
        let container = change.path.container();
        let value = AttributePath::core(container.to_owned()).get(&new);
        values.extend(value.map(|value| (container.to_owned(), value.clone())));
    }
    let values = without_null_members(Value::Object(values));
    let has_values = changes.iter().any(|change| change.value.is_some());
    let set = has_values.then(|| json!({"op": "replace", "value": values}));
    let removed = changes.iter().filter(|change| change.value.is_none());
    let removed = removed.map(|change| json!({"op": "remove", "path": change.path.text()}));
    set.into_iter().chain(removed).collect()
}

/// Returns the path of the element of a multi-valued attribute that has a value, such as `members[value eq "7"]`.
pub(super) fn element_path(attribute: &str, part: &str, value: &Value) -> String {
    // The comparison value of a filter is JSON (RFC 7644 §3.4.2.2), of the type that the part has.
    format!("{attribute}[{part} eq {value}]")
}

#[cfg(test)]
mod tests {
    use super::super::attribute_change::pending;
    use super::super::features::ENTERPRISE_SCHEMA;
    use super::*;

    fn changes() -> Vec<AttributeChange> {
        let set = |path, value: Value| AttributeChange::whole(path, Some(value));
        let department = AttributePath::extension(ENTERPRISE_SCHEMA, "department");
        vec![
            set(AttributePath::core("name").part("familyName"), json!("King")),
            set(department, json!("Research")),
            set(AttributePath::core("active"), json!(true)),
            AttributeChange::whole(AttributePath::core("title"), None),
            AttributeChange::whole(AttributePath::core("nickName"), None),
        ]
    }

    fn resource() -> Resource {
        let resource = json!({"id": "1", "active": true, "title": "Countess",
            "name": {"givenName": "Ada", "familyName": "Byron"}});
        serde_json::from_value(resource).unwrap()
    }

    #[test]
    fn sends_only_what_differs_with_a_path_per_attribute() {
        let changes = pending(changes(), &resource());
        assert_eq!(
            operations_with_paths(&changes, &resource()),
            [
                json!({"op": "replace", "path": "name.familyName", "value": "King"}),
                json!({"op": "add", "path": format!("{ENTERPRISE_SCHEMA}:department"),
                    "value": "Research"}),
                json!({"op": "remove", "path": "title"}),
            ]
        );
    }

    #[test]
    fn sends_all_values_in_one_operation_without_a_path() {
        let changes = pending(changes(), &resource());
        assert_eq!(
            operations_with_values(&changes, &resource()),
            [
                json!({"op": "replace", "value": {
                    "name": {"givenName": "Ada", "familyName": "King"},
                    (ENTERPRISE_SCHEMA): {"department": "Research"}}}),
                json!({"op": "remove", "path": "title"}),
            ]
        );
    }

    #[test]
    fn the_value_of_an_element_path_can_not_end_the_path() {
        let path = element_path("members", "value", &json!("a\"] or \\b"));
        assert_eq!(path, r#"members[value eq "a\"] or \\b"]"#);
        assert_eq!(element_path("members", "value", &json!(7)), "members[value eq 7]");
    }
}
